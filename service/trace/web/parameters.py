"""What each question of the API may be asked with. The same structs check requests and are written into the OpenAPI."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from service.contract.enums import GapKind
from service.facts import Cause, Instant
from service.trace.entry import State
from service.trace.typed import LONGEST
from service.trace.web.problems import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Time = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(max_length=256)]
Since = Annotated[Time | None, Meta(description="From this instant on (RFC 3339).")]
Until = Annotated[Time | None, Meta(description="Before this instant (RFC 3339).")]
Stream = Annotated[Name | None, Meta(description="Of this stream.")]
Provider = Annotated[Name | None, Meta(description="Of recipients at this mailbox provider, as in gmail or other.")]
Page = Annotated[Annotated[str, Meta(max_length=512)] | None, Meta(description="`next` of the page before.")]
Limit = Annotated[int, Meta(ge=1, le=200, description="How many at most.")]
Addresses = Annotated[
    Literal["masked", "raw"],
    Meta(description="raw: addresses as they are, for the role `unmask`; every such request is logged."),
]


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


class MailAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mail."""

    addresses: Addresses = "masked"


class MailsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which mails."""

    q: Annotated[
        str,
        Meta(
            max_length=LONGEST,
            description="An SES id, queue id, Message-ID, recipient, sender, or a log line that holds one of them;"
            " an address is also found under its pseudonym.",
        ),
    ] = ""
    stream: Stream = None
    state: Annotated[State | None, Meta(description="In this state.")] = None
    since: Since = None
    until: Until = None
    cursor: Page = None
    limit: Limit = 50
    addresses: Addresses = "masked"


class GapsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which gaps."""

    state: Annotated[Literal["open", "ended", "all"], Meta(description="Open now, ended, or both.")] = "open"
    stream: Stream = None
    kind: GapKind | None = None
    cause: Cause | None = None
    provider: Provider = None
    since: Since = None
    until: Until = None
    cursor: Page = None
    limit: Limit = 50
    addresses: Addresses = "masked"


class GroupsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which gaps, and by what they are grouped."""

    by: Annotated[Literal["stream", "kind", "cause", "provider"], Meta(description="What a group shares.")] = "cause"
    state: Literal["open", "ended", "all"] = "open"
    stream: Stream = None
    kind: GapKind | None = None
    cause: Cause | None = None
    provider: Provider = None
    since: Since = None
    until: Until = None


class HistoryAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which gaps, and over what time; the last 24 hours unless told otherwise."""

    since: Since = None
    until: Until = None
    step: Annotated[Literal["hour", "day"], Meta(description="Of which length a span is.")] = "hour"
    stream: Stream = None
    kind: GapKind | None = None
    cause: Cause | None = None
    provider: Provider = None


class StatisticsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which mails; the last 24 hours unless told otherwise. Whole hours are counted."""

    since: Since = None
    until: Until = None
    stream: Stream = None
    provider: Provider = None


P = TypeVar("P")

_WHOLE: Final = re.compile(r"[0-9]{1,9}").fullmatch

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
LONGEST_SPAN: Final = 366 * DAY
MOST_SPANS: Final = 2_400


def read(of: type[P], given: Iterable[tuple[str, str]]) -> P:
    """The parameters of a query string. Raises `ProblemError` with a sentence for what is wrong."""
    values: dict[str, str | int] = {}
    for name, value in given:
        if name in values:
            raise bad_request(f"{name} is given twice")
        values[name] = int(value) if name == "limit" and _WHOLE(value) else value
    try:
        return msgspec.convert(values, of)
    except msgspec.ValidationError as error:
        raise bad_request(f"{error}; see /api/v1/openapi.json") from error


def without_empty(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """A form's fields as parameters: what was left empty was not asked for."""
    return [(name, value) for name, value in given.items() if value]


def instant(moment: datetime | None) -> Instant | None:
    """Unix milliseconds."""
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def span(since: datetime | None, until: datetime | None, now: Instant) -> tuple[Instant, Instant]:
    """From when to when: a day up to now, unless told otherwise. Raises `ProblemError`."""
    end = now if until is None else instant(until) or 0
    start = end - DAY if since is None else instant(since) or 0
    if start > end:
        raise bad_request("since lies after until")
    if end - start > LONGEST_SPAN:
        raise bad_request("since and until lie more than a year apart")
    return start, end
