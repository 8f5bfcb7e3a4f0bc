"""The pages: what the API says, for people. Every page can be read without JavaScript, and linked to."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from service.contract.enums import GapKind
from service.contract.wire import instant_of, timestamp
from service.edges.report import escape
from service.explain import TEXTS
from service.facts import Cause
from service.metrics import release
from service.providers import PROVIDERS
from service.story_words import clock
from service.trace.access import SESSION, Role
from service.trace.entry import State
from service.trace.typed import LONGEST
from service.trace.web import overview
from service.trace.web.parameters import (
    DAY,
    GapsAsked,
    GroupsAsked,
    MailAsked,
    MailsAsked,
    Nothing,
    StatisticsAsked,
    read,
    without_empty,
)
from service.trace.web.problems import ProblemError, forbidden, not_found, too_many
from service.trace.web.runbooks import runbook
from service.trace.web.visits import COOKIE, admitted, visitor_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.trace.access import Visitor
    from service.trace.web.site import Site

_COMMAND: Final = re.compile(r"`([^`]{1,500})`")
_SPANS: Final = (("24 hours", DAY), ("7 days", 7 * DAY), ("30 days", 30 * DAY))

HERE: Final = Path(__file__).parents[1]


def _shown(value: object) -> Markup:
    """Everything that a template writes: escaped once, and nothing turns the writing around."""
    if isinstance(value, Markup):
        return value
    return Markup("" if value is None else escape(str(value)))  # noqa: S704 escaped here


def mail_link(mail_id: str) -> str:
    """A mail's address, to be pasted into a ticket."""
    return "/mail/" + quote(mail_id, safe="/@")


def runbook_link(cause: str, base: str | None) -> str:
    """The runbook of a cause: ours, or where the settings say that they are."""
    page = TEXTS[cause].runbook if cause in TEXTS else ""  # type: ignore[index]
    if not page:
        return ""
    return f"{base.rstrip('/')}/{page}.md" if base else f"/runbooks/{page}"


def ago(at: str, now: int) -> str:
    """How long ago that was, or in how long it will be, in the two largest units."""
    seconds = abs(now - instant_of(at)) // 1000
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    said = f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
    return f"in {said}" if instant_of(at) > now else f"{said} ago"


def is_past(at: str, now: int) -> bool:
    """Whether the instant has come."""
    return instant_of(at) <= now


def words(name: str) -> str:
    """`sent_then_silent` as people write it."""
    return name.replace("_", " ").replace("ses ", "SES ")


def prose(text: str) -> Markup:
    """A sentence of ours, in which `commands` stand in backquotes; what it quotes of mails stays text."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", escape(text)))  # noqa: S704 escaped here


_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    finalize=_shown,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals |= {"release": release(), "mail_link": mail_link, "runbook_link": runbook_link}
_ENVIRONMENT.globals |= {"ago": ago, "is_past": is_past}
_ENVIRONMENT.filters |= {"clock": clock, "words": words, "prose": prose}


def _page(template: str, request: Request, visitor: Visitor | None, **values: Any) -> HTMLResponse:
    site: Site = request.app.state.site
    html = _ENVIRONMENT.get_template(template).render(
        visitor=visitor,
        can_unmask=visitor is not None and visitor.role is Role.UNMASK,
        signed_in_here=COOKIE in request.cookies,
        here=request.url.path,
        now=site.now(),
        now_text=datetime.fromtimestamp(site.now() / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        runbooks=site.runbooks,
        **values,
    )
    # A character without a half of its pair may be typed, and cannot be sent.
    return HTMLResponse(html.encode(errors="replace"))


def problem_page(error: ProblemError, asked: str = "/") -> Response:
    """What is wrong, and the way out; where nobody is signed in, how to, and then on to what was `asked` for."""
    if error.problem.status == 401:  # noqa: PLR2004 unauthorized
        return _sign_in_page("", 401, asked)
    html = _ENVIRONMENT.get_template("problem.html").render(
        visitor=None, signed_in_here=False, here="", problem=error.problem
    )
    return HTMLResponse(html.encode(errors="replace"), error.problem.status, error.headers)


async def home(request: Request) -> Response:
    """The search box, what is missing, the funnel, how it was over the last day, and the sources."""
    site: Site = request.app.state.site
    visitor = admitted(request)
    asked = read(StatisticsAsked, without_empty(dict(request.query_params)))
    view = await run_in_threadpool(overview.view, site, asked)
    spans = [(name, timestamp(site.now() - span)) for name, span in _SPANS]
    return _page("home.html", request, visitor, view=view, asked=dict(request.query_params), spans=spans)


async def search(request: Request) -> Response:
    """Mails by what was typed; where that is one mail, the mail."""
    site: Site = request.app.state.site
    visitor = admitted(request, is_search=True)
    given = dict(request.query_params)
    given["q"] = given.get("q", "")[:LONGEST]
    asked = read(MailsAsked, [(name, _instant(name, value)) for name, value in without_empty(given)])
    found = await run_in_threadpool(site.mails, visitor, asked)
    if asked.q.strip() and len(found.items) == 1 and not found.next and not asked.cursor:
        return RedirectResponse(mail_link(found.items[0].mail_id), 303)
    following = found.next and "/search?" + urlencode({**dict(without_empty(given)), "cursor": found.next})
    streams = await run_in_threadpool(site.store.statistics.streams)
    return _page("search.html", request, visitor, found=found, asked=given, following=following, states=State,
                 streams=streams)  # fmt: skip


def _instant(name: str, value: str) -> str:
    """What a browser's date field gives, as an instant: `2026-03-11T14:08` is UTC."""
    if name in {"since", "until"} and len(value) in {16, 19} and value[10:11] == "T":
        return f"{value}:00Z" if len(value) == 16 else f"{value}Z"  # noqa: PLR2004 without seconds
    return value


async def mail(request: Request) -> Response:
    """One mail's story."""
    site: Site = request.app.state.site
    given = dict(without_empty(dict(request.query_params)))
    asks = given.pop("aws", "") == "ask"
    visitor = admitted(request, is_search=asks)
    asked = read(MailAsked, given.items())
    answer = await run_in_threadpool(site.mail, visitor, request.path_params["mail_id"], asked.addresses)
    health = await run_in_threadpool(site.health)
    raw_hidden = asked.addresses == "masked" and await run_in_threadpool(site.hides, answer.mail.mail_id)
    may_ask = await run_in_threadpool(site.may_ask_aws, visitor, answer.mail.mail_id)
    aws = None
    if asks and asked.addresses == "raw":  # what AWS says names addresses
        aws = (await run_in_threadpool(site.ask_aws, visitor, answer.mail.mail_id)).evidence
    link = _origin(request) + mail_link(answer.mail.mail_id)
    return _page("mail.html", request, visitor, answer=answer, lanes=overview.lanes(answer.story),
                 lots=overview.lots(answer.story), health=health, raw_hidden=raw_hidden, aws=aws, may_ask=may_ask,
                 raw_shown=asked.addresses == "raw", link=link)  # fmt: skip


async def gaps(request: Request) -> Response:
    """Gaps, grouped and filtered."""
    site: Site = request.app.state.site
    visitor = admitted(request)
    given = dict(without_empty(dict(request.query_params)))
    by = given.pop("by", "cause")
    asked = read(GapsAsked, given.items())
    shared = {name: value for name, value in given.items() if name not in {"cursor", "limit", "addresses"}}
    grouped = read(GroupsAsked, [("by", by), *shared.items()])
    found = await run_in_threadpool(site.gaps, visitor, asked)
    groups = await run_in_threadpool(site.groups, grouped)
    following = found.next and "/gaps?" + urlencode({**given, "by": by, "cursor": found.next})
    streams = await run_in_threadpool(site.store.statistics.streams)
    return _page("gaps.html", request, visitor, found=found, groups=groups, by=by, asked=given, following=following,
                 narrowed=lambda value: "/gaps?" + urlencode({**shared, "by": by, by: value}),
                 streams=streams, kinds=GapKind, causes=Cause, providers=sorted(PROVIDERS))  # fmt: skip


async def sources(request: Request) -> Response:
    """How far the sources have spoken."""
    site: Site = request.app.state.site
    visitor = admitted(request)
    read(Nothing, without_empty(dict(request.query_params)))
    return _page("sources.html", request, visitor, health=await run_in_threadpool(site.health))


async def show_runbook(request: Request) -> Response:
    """A runbook."""
    visitor = admitted(request)
    text = runbook(request.path_params["name"])
    if text is None:
        raise not_found("There is no runbook of that name.")
    return _page("runbook.html", request, visitor, text=text, name=request.path_params["name"])


async def sign_in_form(request: Request) -> Response:
    """Where a token is typed; whoever needs none is sent on."""
    if visitor_of(request) is not None:
        return RedirectResponse("/", 303)
    return _sign_in_page("", 200)


async def sign_in(request: Request) -> Response:
    """Takes a token, and gives the browser a session. Every try counts against the limit."""
    site: Site = request.app.state.site
    _same_origin(request)
    wait = site.sign_ins.wait(request.client.host if request.client else "", time.monotonic())
    if wait:
        raise too_many(wait)
    fields = dict(parse_qsl((await request.body()).decode(errors="replace")))
    token = fields.get("token", "").strip()
    visitor = site.access.of_token(token)
    to = fields.get("to", "/") if _OURS(fields.get("to", "/")) else "/"
    if visitor is None:
        return _sign_in_page("That is none of our tokens.", 403, to)
    answer = RedirectResponse(to, 303)
    # Lax: a link in a ticket, which is another site, is opened by whoever is signed in. Nothing is changed by a GET.
    answer.set_cookie(COOKIE, site.access.session(token, time.time()), max_age=SESSION, httponly=True,
                      samesite="lax", secure=_origin(request).startswith("https:"))  # fmt: skip
    return answer


async def sign_out(request: Request) -> Response:
    """The browser forgets its session."""
    _same_origin(request)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


def _same_origin(request: Request) -> None:
    """As the browser says itself; an older one, or one without HTTPS, names the origin only."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign if site is None else site not in {"same-origin", "none"}:
        raise forbidden("This form was sent from another site.")


def _origin(request: Request) -> str:
    """Scheme and host as the browser has them: a proxy in front of us may speak HTTPS for us."""
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else request.url.scheme
    return f"{scheme}://{request.url.netloc}"


_OURS: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2048}").fullmatch
"""A page of this site: nothing that a browser takes for another host's."""


def _sign_in_page(wrong: str, status: int, to: str = "/") -> Response:
    html = _ENVIRONMENT.get_template("sign_in.html").render(
        visitor=None, signed_in_here=False, here="", wrong=wrong, to=to if _OURS(to) else "/"
    )
    return HTMLResponse(html, status, {"WWW-Authenticate": 'Bearer realm="mailgap"'} if status == 401 else {})  # noqa: PLR2004


def routes() -> list[Route | Mount]:
    """All pages."""
    return [
        Route("/", home),
        Route("/search", search),
        Route("/mail/{mail_id:path}", mail),
        Route("/gaps", gaps),
        Route("/sources", sources),
        Route("/runbooks/{name}", show_runbook),
        Route("/sign-in", sign_in_form, methods=["GET"]),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
