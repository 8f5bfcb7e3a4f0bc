"""Who a request is from, and whether there is room for it: asked before anything else is done."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from service.trace.access import Request, Visitor
from service.trace.web.problems import too_many, unauthorized

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from service.trace.web.site import Site

COOKIE: Final = "mailgap_session"


def visitor_of(connection: HTTPConnection) -> Visitor | None:
    """Who asks; None: nobody who may."""
    site: Site = connection.app.state.site
    client = connection.client.host if connection.client else ""
    names = Counter(connection.headers.keys())
    repeated = frozenset(name for name, times in names.items() if times > 1)
    asked = Request(client, dict(connection.headers), connection.cookies.get(COOKIE, ""), repeated)
    return site.access.visitor(asked, time.time())


def admitted(connection: HTTPConnection, *, is_search: bool = False) -> Visitor:
    """Who asks. Raises `ProblemError` for strangers, and for those who ask too often."""
    visitor = visitor_of(connection)
    if visitor is None:
        raise unauthorized()
    site: Site = connection.app.state.site
    limiter = site.searches if is_search else site.requests
    wait = limiter.wait(f"{visitor.name}@{connection.client.host if connection.client else ''}", time.monotonic())
    if wait:
        raise too_many(wait)
    return visitor
