"""What a host's stamps must be moved by, learned from the SES ids in its own lines (rule 13). For `scan` only.

On Kafka the record's timestamp dates a line. A file has none, so the line's stamp has to do: it may lack the year and
the zone, and the host's clock may be off. Every `250 Ok <id>` tells the difference to SES's clock.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from service.facts import MINUTE, SECOND, Accepted, Instant, Parsed
from service.parsing.ses_id import id_clock
from service.submission import zone

if TYPE_CHECKING:
    from collections.abc import Collection

TRUSTED: Final = 5 * SECOND
"""A smaller difference is the stamp's own coarseness and the round trip to SES, and is not corrected."""
RECENT: Final = 9
STEP: Final = 10 * MINUTE
"""By at least so much clocks are put forward or back; what is less is a slow round trip, or a clock that drifts."""
DISORDER: Final = 2 * MINUTE
"""Lines of one host may be so much out of order in a file."""


class Shown(NamedTuple):
    """What an acceptance shows: SES's clock, and the host's difference to it."""

    clock: Instant
    difference: int

    @property
    def correction(self) -> int:
        """What the host's stamps must be moved by."""
        return _correction(self.difference)


def shown_by(parsed: Parsed) -> Shown | None:
    """What a line shows of its host's clock; None where it holds no acceptance."""
    for _, fact in parsed.facts:
        if type(fact) is Accepted and (shown := shown_of(fact)) is not None:
            return shown
    return None


def shown_of(fact: Accepted) -> Shown | None:
    """What an acceptance shows of its host's clock."""
    clock = id_clock(fact.ses_id)
    return None if clock is None else Shown(clock, clock - fact.at)


class HostClock:
    """What is known of one host's clock, from its latest acceptances; where clocks were put forward or back, from the
    nearest.
    """

    __slots__ = ("ahead", "correction", "last", "latest", "seen", "steady")

    def __init__(self) -> None:
        """Nothing is known of it."""
        self.seen: deque[int] = deque(maxlen=RECENT)
        self.correction: int | None = None
        """None until an acceptance has shown it."""
        self.last = 0
        """The correction by the last acceptance alone."""
        self.latest: Instant = 0
        self.ahead: deque[Shown] = deque()
        """The acceptances that are known to come, nearest first."""
        self.steady = False
        """The last acceptance, the next one and most of those before tell the same zone."""

    def begin(self) -> None:
        """Another file: its lines may be older than those that were read."""
        self.latest = 0

    def corrected(self, at: Instant) -> Instant:
        """The instant by SES's clock, as far as the host's lines have shown it."""
        return at + (self.correction or 0)

    def expect(self, following: Shown) -> None:
        """An acceptance that comes after all that are expected already."""
        self.ahead.append(following)
        if len(self.ahead) == 1:
            self._settle()

    def learn(self, shown: Shown) -> None:
        """Takes in what an acceptance says: the one that was expected next, if any was."""
        if self.ahead:
            self.ahead.popleft()
        self.seen.append(shown.difference)
        self.last, self.correction = shown.correction, _correction(_median(self.seen))
        self._settle()

    def placed(self, at: Instant) -> Instant:
        """When the file's next line was written, which the next acceptance is not before.

        Where the last acceptance, the next one and most of those before tell different zones, daylight saving began or
        ended in between: then the line belongs where it is in order.
        """
        usual, following = self.correction, self.ahead[0] if self.ahead else None
        if usual is None:
            found = at + (0 if following is None else following.correction)
        elif self.steady:
            found = at + usual
        else:
            found = _in_order(self, usual, at, following)
        self.latest = max(self.latest, found)
        return found

    def _settle(self) -> None:
        usual, following = self.correction, self.ahead[0] if self.ahead else None
        self.steady = (
            usual is not None
            and abs(self.last - usual) < STEP
            and (following is None or abs(following.correction - usual) < STEP)
        )


class HostClocks:
    """The clocks of all hosts, by name."""

    def __init__(self) -> None:
        """Nothing is known of any host."""
        self._hosts: dict[str, HostClock] = {}

    def begin(self) -> None:
        """Another file: its lines may be older than those that were read."""
        for host in self._hosts.values():
            host.begin()

    def of(self, host: str) -> HostClock:
        """The host's clock."""
        known = self._hosts.get(host)
        if known is None:
            known = self._hosts[host] = HostClock()
        return known


def _in_order(known: HostClock, usual: int, at: Instant, following: Shown | None) -> Instant:
    """Of the instants that the corrections give, the first that keeps the lines in order."""
    others = [known.last] if following is None else [known.last, following.correction]
    first = known.latest - DISORDER
    ways = [at + each for each in (*others, usual) if first <= at + each]
    if following is not None:
        ways = [way for way in ways if way <= following.clock + DISORDER]
    return ways[0] if ways else at + usual


def _median(differences: Collection[int]) -> int:
    ranked, middle = sorted(differences), len(differences) // 2
    return ranked[middle] if len(ranked) % 2 else int((ranked[middle - 1] + ranked[middle]) / 2)


@lru_cache(maxsize=4096)
def _correction(difference: int) -> int:
    whole = zone(difference)  # a zone is exact; only what is left over can be the round trip, or a clock's fault
    return difference if abs(difference - whole) > TRUSTED else whole
