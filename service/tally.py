"""What steps have counted since the last commit, and which gaps a shard holds open. Pure; `service.metrics` exports it.

A count's key is a metric's name without prefix and unit, and its label values in the catalogue's order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from service.contract.enums import GapKind
from service.parsing.addresses import domain
from service.providers import OTHER, provider

if TYPE_CHECKING:
    from service.facts import Instant
    from service.rows import GapState

Key = tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """Increments of counters, and observations of histograms."""

    entries: list[tuple[Key, int, str]] = field(default_factory=list)
    """Increments, each with its mail's id or an empty string."""
    timings: list[tuple[Key, float, str]] = field(default_factory=list)
    """Observations in seconds, each with its mail's id."""

    def add(self, key: Key, mail: str = "", number: int = 1) -> None:
        """Counts."""
        self.entries.append((key, number, mail))

    def time(self, key: Key, milliseconds: int, mail: str) -> None:
        """Observes a duration; a clock that went backwards took no time."""
        self.timings.append((key, max(milliseconds, 0) / 1000, mail))

    def take(self, other: Tally) -> None:
        """Adds another's."""
        self.entries += other.entries
        self.timings += other.timings

    def mark(self) -> tuple[int, int]:
        """How much was counted by now."""
        return len(self.entries), len(self.timings)

    def cut(self, mark: tuple[int, int]) -> None:
        """Takes back what was counted since the mark."""
        entries, timings = mark
        del self.entries[entries:], self.timings[timings:]

    def sums(self) -> dict[Key, tuple[int, str]]:
        """For each key, the sum of its increments, and the id of the latest mail in it."""
        sums: dict[Key, tuple[int, str]] = {}
        for key, number, mail in self.entries:
            before, latest = sums.get(key, (0, ""))
            sums[key] = (before + number, mail or latest)
        return sums


class OpenGap(NamedTuple):
    """A gap that was announced and has not ended. `provider` is `other` where no recipient's silence is meant."""

    kind: GapKind
    stream: str
    provider: str
    opened_at: Instant


def open_gap(gap: GapState) -> OpenGap:
    """The gap, as it is counted."""
    of_recipient = gap.kind is GapKind.ACCEPTED_NOT_DELIVERED and gap.recipient
    return OpenGap(
        gap.kind, gap.stream, provider(domain(gap.recipient or "")) if of_recipient else OTHER, gap.opened_at
    )
