"""Sums of tallies: the funnel, streams and providers, and what came about hour by hour. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from service.contract.enums import FINAL, Outcome
from service.contract.wire import Timestamp, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from service.facts import Instant
    from service.trace.store.statistics import Tally

HOUR: Final = 3_600_000

Count = Annotated[int, Meta(ge=0)]


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients on their way: each number is part of the one before."""

    handed_over: Annotated[Count, Meta(description="Recipients of mails that the application handed over.")]
    accepted: Annotated[Count, Meta(description="Of these: SES took the mail.")]
    answered: Annotated[Count, Meta(description="Of these: a final outcome is known.")]
    delivered: Annotated[Count, Meta(description="Of these: the recipient's server took it.")]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One stream or provider: its funnel, and recipients by outcome."""

    name: str
    funnel: Funnel
    outcomes: dict[Outcome, int]


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients of mails that came in one hour."""

    start: Timestamp
    delivered: Count
    failed: Annotated[Count, Meta(description="Final, and not delivered.")]
    open: Annotated[Count, Meta(description="Not final yet.")]


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """All sums of a span of time."""

    since: Timestamp
    until: Timestamp
    funnel: Funnel
    outcomes: dict[Outcome, int]
    streams: tuple[Part, ...]
    providers: tuple[Part, ...]
    hours: tuple[Hour, ...]


_THERE: Final = frozenset({Outcome.DELIVERED, Outcome.COMPLAINED})
"""Whoever complains has got it."""


def summarize(tallies: Sequence[Tally], since: Instant, until: Instant) -> Statistics:
    """The sums; hours in which nothing came are there too."""
    return Statistics(
        since=timestamp(since),
        until=timestamp(until),
        funnel=_funnel(tallies),
        outcomes=_outcomes(tallies),
        streams=_parts(tallies, lambda tally: tally.stream),
        providers=_parts(tallies, lambda tally: tally.provider),
        hours=tuple(_hours(tallies, since, until)),
    )


def _funnel(tallies: Iterable[Tally]) -> Funnel:
    numbers = Counter[str]()
    for tally in tallies:
        numbers["handed_over"] += tally.recipients
        if tally.accepted:
            numbers["accepted"] += tally.recipients
            numbers["answered"] += tally.recipients if tally.outcome in FINAL else 0
            numbers["delivered"] += tally.recipients if tally.outcome in _THERE else 0
    return Funnel(**{name: numbers[name] for name in Funnel.__struct_fields__})


def _outcomes(tallies: Iterable[Tally]) -> dict[Outcome, int]:
    numbers = Counter[Outcome]()
    for tally in tallies:
        numbers[tally.outcome] += tally.recipients
    return dict(numbers.most_common())


def _parts(tallies: Iterable[Tally], of: Callable[[Tally], str]) -> tuple[Part, ...]:
    parts: dict[str, list[Tally]] = defaultdict(list)
    for tally in tallies:
        parts[of(tally)].append(tally)
    made = [Part(name=name, funnel=_funnel(part), outcomes=_outcomes(part)) for name, part in parts.items()]
    return tuple(sorted(made, key=lambda part: (-part.funnel.handed_over, part.name)))


def _hours(tallies: Iterable[Tally], since: Instant, until: Instant) -> Iterable[Hour]:
    hours: dict[Instant, list[Tally]] = defaultdict(list)
    for tally in tallies:
        hours[tally.hour].append(tally)
    for start in range(since - since % HOUR, until, HOUR):
        delivered = sum(tally.recipients for tally in hours[start] if tally.outcome in _THERE)
        final = sum(tally.recipients for tally in hours[start] if tally.outcome in FINAL)
        every = sum(tally.recipients for tally in hours[start])
        yield Hour(start=timestamp(start), delivered=delivered, failed=final - delivered, open=every - final)
