"""How what was said gets to Kafka: late, overtaken, twice, or not before a stalled feed moves again.

It decides when a record arrives, and nothing else; what is late must still come within the grace, since no verdict is
promised for what comes later than that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from service.facts import Instant, Source
from service.simulation.deadlines import PlanError, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random


class Record(NamedTuple):
    """One input record. `arrives` puts it into its place, `at` is its timestamp; both in milliseconds.

    A mail log's shipper stamps a record with the time in the line, SES's bridge with the time at which it got it.
    """

    arrives: Instant
    at: Instant
    source: Source
    host: str
    key: bytes
    value: bytes


class Stall(NamedTuple):
    """A source of which nothing comes for a while, and then all at once. Milliseconds, from the run's beginning."""

    source: Source
    since: int
    until: int


_STALL = re.compile(r"(smtp|ses):([^+]+)\+(.+)").fullmatch


def stall_of(text: str) -> Stall:
    """`ses:30s+20s`: from 30 s on, for 20 s. Raises `PlanError`."""
    found = _STALL(text)
    if found is None:
        raise PlanError(f"--stall {text!r}: write source:since+length, like ses:30s+20s or smtp:5m+1m")
    since = milliseconds(found[2], "--stall")
    lasts = milliseconds(found[3], "--stall")
    if not lasts:
        raise PlanError(f"--stall {text!r}: it lasts no time; write a length, like ses:30s+20s")
    return Stall(Source(found[1]), since, since + lasts)


@dataclass(frozen=True, slots=True)
class Transport:
    """The ways of a run. Times in milliseconds; `duplicates` and `reordered` are shares of all records."""

    start: Instant
    lateness: int = 0
    duplicates: float = 0.0
    reordered: float = 0.0
    stalls: tuple[Stall, ...] = ()

    def arrivals(self, source: Source, at: Instant, usual: int, rng: Random) -> Iterator[Instant]:
        """When a record of `at` arrives, once or twice. `usual` is how long its way takes as a rule."""
        yield self._arrival(source, at, usual, rng)
        if rng.random() < self.duplicates:
            yield self._arrival(source, at, usual, rng) + 5

    def _arrival(self, source: Source, at: Instant, usual: int, rng: Random) -> Instant:
        overtaken = self.reordered and rng.random() < self.reordered
        arrives = at + usual + (rng.randint(0, self.lateness) if overtaken else 0)
        for stall in self.stalls:
            if stall.source is source and stall.since <= arrives - self.start < stall.until:
                return self.start + stall.until
        return arrives
