"""The API: one table of what can be asked, with what, and what is answered. Routes and the OpenAPI are made from it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from service.trace.sources import Health
from service.trace.summary import Statistics
from service.trace.web.answers import AwsAnswer, GapGroups, GapHistory, GapList, MailAnswer, MailList
from service.trace.web.parameters import (
    GapsAsked,
    GroupsAsked,
    HistoryAsked,
    MailAsked,
    MailsAsked,
    Nothing,
    StatisticsAsked,
    read,
)
from service.trace.web.visits import admitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from service.trace.access import Visitor
    from service.trace.web.site import Site

BASE: Final = "/api/v1"

_encode: Final = msgspec.json.Encoder().encode


class Endpoint(NamedTuple):
    """One question. `answer(site, visitor, parameters, path)`; `path` is the id in the address, if there is one."""

    path: str
    name: str
    summary: str
    parameters: type[msgspec.Struct]
    returns: type[msgspec.Struct]
    answer: Callable[[Site, Visitor, Any, str], msgspec.Struct]
    is_search: bool = False


ENDPOINTS: Final = (
    Endpoint(
        "/mails", "searchMails", "Find mails by any of their names, or by stream, state and time.",
        MailsAsked, MailList, lambda site, visitor, asked, _: site.mails(visitor, asked), is_search=True,
    ),
    Endpoint(
        "/mails/{mail_id}", "getMail", "What became of one mail.",
        MailAsked, MailAnswer, lambda site, visitor, asked, mail_id: site.mail(visitor, mail_id, asked.addresses),
    ),
    Endpoint(
        "/aws/{mail_id}", "askAws", "What AWS says now of a mail's account, suppressed recipients or sender.",
        Nothing, AwsAnswer, lambda site, visitor, _, mail_id: site.ask_aws(visitor, mail_id), is_search=True,
    ),
    Endpoint(
        "/gaps", "listGaps", "Gaps, open now unless asked otherwise.",
        GapsAsked, GapList, lambda site, visitor, asked, _: site.gaps(visitor, asked),
    ),
    Endpoint(
        "/gaps/groups", "groupGaps", "How many gaps there are of each stream, kind, cause or provider.",
        GroupsAsked, GapGroups, lambda site, _, asked, __: site.groups(asked),
    ),
    Endpoint(
        "/gaps/history", "gapHistory", "How many gaps opened and ended over time.",
        HistoryAsked, GapHistory, lambda site, _, asked, __: site.history(asked),
    ),
    Endpoint(
        "/sources", "getSources", "How far the sources have spoken, what conditions hold, how far this page has read.",
        Nothing, Health, lambda site, _, __, ___: site.health(),
    ),
    Endpoint(
        "/statistics", "getStatistics", "Recipients by outcome: the funnel, streams, providers and hours.",
        StatisticsAsked, Statistics, lambda site, _, asked, __: site.statistics(asked),
    ),
)  # fmt: skip


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    site: Site = request.app.state.site
    visitor = admitted(request, is_search=endpoint.is_search)
    asked = read(endpoint.parameters, request.query_params.multi_items())
    path = request.path_params.get("mail_id", "")
    answer = await run_in_threadpool(endpoint.answer, site, visitor, asked, path)
    return Response(_encode(answer), media_type="application/json")


def routes() -> list[Route]:
    """One a question. A mail's id may hold slashes, so it is all of the rest of the address."""
    return [
        Route(
            BASE + endpoint.path.replace("{mail_id}", "{mail_id:path}"),
            partial(_answer, endpoint),
            methods=["GET"],
            name=endpoint.name,
        )
        for endpoint in ENDPOINTS
    ]
