"""Runs the page: listener, follower and sweep in one process, which ends as a whole when one of them does."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn

from service.logs import fields, log
from service.metrics import TRACE_BYTES, TRACE_LAG, TRACE_MAILS
from service.settings import SettingsError
from service.trace.access import Access, AccessError, Role, Visitor, is_loopback, read_tokens
from service.trace.following import Follower
from service.trace.web.app import build
from service.trace.web.site import Site
from service.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from service.aws.evidence import Evidence, Wanted
    from service.aws.ses import Regions
    from service.policy import Policy
    from service.privacy import Pseudonyms
    from service.settings import Settings
    from service.trace.store.store import Store

SWEEP_EVERY: Final = 3600.0
MOST_CONNECTIONS: Final = 256


def access(settings: Settings, *, own_file: bool) -> Access:
    """Who may read. Whoever shows a file of their own may have its addresses shown, too, with `--addresses raw`.

    Raises `SettingsError` for a file of tokens that is none, and for a door that is open to all.
    """
    host = settings.http_bind[0]
    tokens = _tokens(settings.trace_tokens_file)
    if not is_loopback(host) and not tokens and not settings.trace_proxies:
        raise SettingsError(
            f"--http-bind {host} is open to others: say who may read, with --trace-tokens-file or --trace-proxy, or"
            " listen on 127.0.0.1"
        )
    return Access(
        tokens=tokens,
        proxies=settings.trace_proxies,
        unmask_groups=frozenset(settings.trace_unmask_groups),
        open=is_loopback(host),
        local_role=Role.UNMASK if own_file and settings.addresses == "raw" else Role.READER,
        secret=_secret(settings),
    )


def _secret(settings: Settings) -> bytes:
    """Signs sessions. Of several pages that share a key the same, so that each knows whom another has signed in."""
    try:
        hide = settings.pseudonyms()
    except SettingsError:  # ids can be looked for without a key; one that is wrong has been said by now
        hide = None
    return secrets.token_bytes(32) if hide is None else hide.secret("sessions of the trace page")


def _tokens(path: str | None) -> dict[str, Visitor]:
    if path is None:
        return {}
    try:
        return read_tokens(Path(path).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the tokens cannot be read: {error}") from error
    except AccessError as error:
        raise SettingsError(str(error)) from error


def listen(bind: tuple[str, int]) -> socket.socket:
    """The socket. Raises `OSError` with the way out."""
    family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
    try:
        listener = socket.create_server(bind, family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise OSError(f"cannot listen on {bind[0]}:{bind[1]}, {why}: give another address with --http-bind") from error
    # Head and body are written one after the other; with Nagle's algorithm every answer took 40 ms longer. asyncio
    # turns it off only for sockets that it made itself. Connections inherit it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again once it has stopped, though the page ended well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        self.should_exit = True


def _asking(aws: Regions | None) -> Callable[[Wanted], tuple[Evidence, ...]] | None:
    """How the page asks AWS, if it does."""
    if aws is None:
        return None
    from service.aws.asking import ask  # noqa: PLC0415 only who asks pays for loading boto3

    return partial(ask, aws)


class Service:
    """One page, ready to run."""

    def __init__(
        self, settings: Settings, store: Store, access: Access, keys: list[Pseudonyms], policy: Policy, *,
        follow: bool, aws: Regions | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._store, self._aws = settings, store, aws
        marks = Watermarks(configured=())
        self._follower = Follower(settings, store, marks) if follow else None
        site = Site(
            store=store,
            now=lambda: int(time.time() * 1000),
            access=access,
            keys=keys,
            policy=policy,
            runbooks=settings.runbooks,
            marks=marks,
            waiting=self._waiting,
            aws=_asking(aws),
        )
        self.app: Starlette = build(site, well=self._wrong, before_scrape=self._scraped)

    async def run(self, listener: socket.socket) -> None:
        """Until SIGTERM, Ctrl-C or the end of one part, whose error is raised."""
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who is believed is decided in `access`
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=64 * 1024,
            timeout_graceful_shutdown=5,
            lifespan="off",
            ws="none",
        )
        server = _Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.leave)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        parts: list[asyncio.Task[None]] = []
        if self._follower is not None:  # what nothing is added to is not swept either
            parts = [asyncio.create_task(self._follower.run()), asyncio.create_task(self._sweep())]
        if self._aws is not None:
            from service.aws.watching import watch  # noqa: PLC0415 only who asks pays for loading boto3

            parts.append(asyncio.create_task(watch(self._aws.of())))
        log.info("started", extra=fields("started", http="{}:{}".format(*listener.getsockname()[:2])))
        await asyncio.wait([serving, *parts], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        ended = [part for part in parts if part.done()]
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        await serving
        for part in ended:
            part.result()

    async def _sweep(self) -> None:
        while True:
            before = int((time.time() - self._settings.trace_retention) * 1000)
            removed = await asyncio.to_thread(self._store.sweep, before)
            if removed:
                log.info("swept", extra=fields("swept", mails=removed))
            await asyncio.sleep(SWEEP_EVERY)

    def _waiting(self) -> int | None:
        return None if self._follower is None else self._follower.waiting()

    def _wrong(self) -> dict[str, str]:
        if self._follower is not None and self._follower.waiting() is None:
            return {"following": "has not read the topics yet"}
        return {}

    def _scraped(self) -> None:
        size = self._store.size()
        TRACE_MAILS.set(size.mails)
        TRACE_BYTES.set(size.bytes)
        TRACE_LAG.set(self._waiting() or 0)
