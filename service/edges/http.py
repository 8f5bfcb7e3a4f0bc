"""Metrics and health over HTTP, on the loopback unless told otherwise. It serves nothing about any mail."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from service.metrics import REGISTRY

State = Callable[[], Mapping[str, str]]
"""What is not well, as a mapping of part to reason; empty where all is."""

STOP_BOUND: Final = 2.0


class HttpServer:
    """`/metrics`, `/healthz` (alive) and `/readyz` (restored and assigned), each of the latter with a JSON body."""

    def __init__(
        self, bind: tuple[str, int], alive: State, ready: State, before_scrape: Callable[[], None] = lambda: None
    ) -> None:
        """`alive` and `ready` are asked at every request; a loop that is stuck cannot answer, which is the point.

        `before_scrape` is called before the metrics are read.
        """
        self._bind, self._alive, self._ready, self._before_scrape = bind, alive, ready, before_scrape
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens. Raises `OSError` where the address is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", partial(self._state, self._alive))
        app.router.add_get("/readyz", partial(self._state, self._ready))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=STOP_BOUND)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._bind).start()
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            where = "{}:{}".format(*self._bind)
            raise OSError(f"cannot listen on {where}, {why}: give another address with --http-bind") from error

    async def stop(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        self._before_scrape()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(REGISTRY), headers={"Content-Type": content_type})

    async def _state(self, state: State, _request: web.Request) -> web.Response:
        wrong = dict(state())
        body = {"status": "not well" if wrong else "ok", "reasons": wrong}
        return web.json_response(body, status=503 if wrong else 200)
