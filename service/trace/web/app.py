"""Puts API and pages together as one ASGI application, with what every answer carries: policy, tags, limits."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.metrics import REGISTRY
from service.trace.store.database import StoreError, TooBroadError
from service.trace.web import api, pages
from service.trace.web.openapi import FILE
from service.trace.web.problems import TYPE, ProblemError, too_broad
from service.trace.web.visits import admitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.trace.web.site import Site

LONGEST_ADDRESS: Final = 56 * 1024
"""Bytes of a path with its query string: 4,096 characters of anything fit, percent-encoded (12 bytes each at most)."""
LARGEST_BODY: Final = 8 * 1024
_LARGEST_TAGGED: Final = 4 << 20

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

log: Final = logging.getLogger("mailgap.trace")


class Guard:
    """Refuses what is too long, adds the headers of every answer, and answers 304 where nothing has changed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > LONGEST_ADDRESS:
            refused = ProblemError(400, "too-long", "The address is too long", "Ask for less at once.")
            await _problem_response(scope, refused)(scope, receive, answer.send)
        elif _length(scope) > LARGEST_BODY:
            refused = ProblemError(413, "too-large", "The request is too large", "Nothing here takes that much.")
            await _problem_response(scope, refused)(scope, receive, answer.send)
        else:
            await self._app(scope, receive, answer.send)


def _length(scope: Scope) -> int:
    """Of the body; one of unknown length counts as too large, since no client of ours sends any."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return LARGEST_BODY + 1
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else LARGEST_BODY + 1


class _Answer:
    """Holds an answer back until it is whole, since its tag is the hash of it. All answers are small."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._asked = Headers(scope=scope).get("if-none-match", "")
        self._is_read = scope["method"] in {"GET", "HEAD"}
        # Addresses that somebody unmasked are not left on the disk of the machine where he did so.
        self._keeping = "no-store" if b"addresses=raw" in scope["query_string"] else "private, no-cache"
        self._send = send
        self._start: Message = {}
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body.append(message.get("body", b""))
        if not message.get("more_body", False):
            await self._finish(b"".join(self._body))

    async def _finish(self, body: bytes) -> None:
        headers = MutableHeaders(raw=self._start["headers"])
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", self._keeping)
        if self._is_read and self._start["status"] == 200 and len(body) <= _LARGEST_TAGGED:  # noqa: PLR2004 OK
            tag = headers.setdefault("ETag", f'"{hashlib.sha256(body).hexdigest()[:32]}"')
            if tag in [asked.strip().removeprefix("W/") for asked in self._asked.split(",")]:
                self._start["status"], body = 304, b""
                for name in ("content-length", "content-type"):
                    if name in headers:
                        del headers[name]
        await self._send({**self._start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def _problem_response(scope: Scope, error: ProblemError) -> Response:
    """As a document for programs, as a page for people."""
    if scope["path"].startswith(api.BASE):
        body = msgspec.json.encode(error.problem)
        return Response(body, error.problem.status, error.headers, media_type=TYPE)
    if scope["method"] != "GET":
        return pages.problem_page(error)
    asked = scope.get("raw_path", b"/") + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    return pages.problem_page(error, asked.decode("ascii", "replace"))


async def _problem(request: Request, error: Exception) -> Response:
    match error:
        case ProblemError():
            return _problem_response(request.scope, error)
        case StoreError():
            log.error("the store cannot be asked: %s", error)
            away = ProblemError(503, "store-away", "The store is away", "It will be asked again with the next request.")
            return _problem_response(request.scope, away)
        case TooBroadError():
            return _problem_response(request.scope, too_broad())
        case HTTPException():
            return _problem_response(request.scope, _of_framework(error))
    raise error


def _of_framework(error: HTTPException) -> ProblemError:
    """What the routes say: there is no such page, or not by this method."""
    texts = {404: "There is no such page.", 405: "That cannot be done here."}
    detail = texts.get(error.status_code, error.detail)
    return ProblemError(error.status_code, "http", "Not here", detail, dict(error.headers or {}))


async def _bug(request: Request, error: Exception) -> Response:
    """Ours. It is logged by its kind and the page asked for, never by what was asked."""
    log.error("internal error at %s", request.url.path.split("/")[1][:40], exc_info=error)
    failed = ProblemError(500, "internal-error", "Something broke here", "It is not your fault; it stands in the log.")
    return _problem_response(request.scope, failed)


async def _openapi(request: Request) -> Response:
    admitted(request)
    return Response(FILE.read_bytes(), media_type="application/json")


async def _metrics(request: Request) -> Response:
    """No address and no id stands in any metric, so it is open to whoever reaches the port, as the worker's are."""
    request.app.state.before_scrape()
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(REGISTRY), headers={"Content-Type": content_type})


def build(
    site: Site,
    *,
    well: Callable[[], Mapping[str, str]] = dict,
    before_scrape: Callable[[], None] = lambda: None,
    **options: Any,
) -> Starlette:
    """The application. `well` says what is not well, by part; `options` are Starlette's."""

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_request: Request) -> Response:
        wrong = dict(well())
        body = {"status": "not well" if wrong else "ok", "reasons": wrong}
        return JSONResponse(body, status_code=503 if wrong else 200)

    app = Starlette(
        routes=[
            Route("/healthz", alive),
            Route("/readyz", ready),
            Route("/metrics", _metrics),
            Route(api.BASE + "/openapi.json", _openapi),
            *api.routes(),
            *pages.routes(),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={
            ProblemError: _problem,
            TooBroadError: _problem,
            StoreError: _problem,
            HTTPException: _problem,
            Exception: _bug,
        },
        **options,
    )
    app.state.site, app.state.before_scrape = site, before_scrape
    return app
