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
from service.submission import ZONE_STEP, zone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

TRUSTED: Final = 5 * SECOND
"""A smaller difference is the stamp's own coarseness and the round trip to SES, and is not corrected."""
RECENT: Final = 9
STEP: Final = 10 * MINUTE
"""By at least so much clocks are put forward or back; what is less is a slow round trip, or a clock that drifts."""
_SEVERAL: Final = 2
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


class Showed(NamedTuple):
    """What one reading has shown of a host's clock: its latest differences to SES's, the earliest of them first.

    `told`: the corrections that its acceptances told, two where they told several. `adrift`: it had lines that were
    taken at their word, since nothing had shown their clock.
    """

    recent: tuple[int, ...]
    told: tuple[int, ...]
    adrift: bool


class HostClock:
    """What is known of one host's clock, from its latest acceptances; where clocks were put forward or back, from the
    nearest.
    """

    __slots__ = ("adrift", "ahead", "correction", "here", "last", "latest", "learned", "seen", "steady", "told")

    def __init__(self, seen: Iterable[int] = ()) -> None:
        """What it showed before, as `Showed` has it; nothing is known of it else."""
        self.seen: deque[int] = deque(seen, maxlen=RECENT)
        self.correction: int | None = _correction(_median(self.seen)) if self.seen else None
        """None until an acceptance has shown it."""
        self.last = _correction(self.seen[-1]) if self.seen else 0
        """The correction by the last acceptance alone."""
        self.latest: Instant = 0
        self.ahead: deque[Shown] = deque()
        """The acceptances that are known to come, nearest first."""
        self.steady = False
        """The last acceptance, the next one and most of those before tell the same zone."""
        self.here = False
        """An acceptance in this file has shown it."""
        self.learned = 0
        self.told: set[int] = set()
        """The corrections that acceptances told; two where they told several."""
        self.adrift = False
        """A line was placed as if the clock were right, since nothing had shown it."""
        self._settle()

    def begin(self) -> None:
        """Another file: its lines may be older than those that were read."""
        self.latest, self.here = 0, False

    def corrected(self, at: Instant) -> Instant:
        """The instant by SES's clock, as far as the host's lines in this file have shown it."""
        return at + (self.correction or 0) if self.here else at

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
        self.here = True
        self.learned += 1
        if len(self.told) < _SEVERAL:
            self.told.add(self.last)
        self._settle()

    def placed(self, at: Instant) -> Instant:
        """When the file's next line was written, which the next acceptance is not before.

        Where the last acceptance, the next one and most of those before tell different zones, daylight saving began or
        ended in between: then the line belongs where it is in order.
        """
        usual, following = self.correction, self.ahead[0] if self.ahead else None
        if usual is None:
            found = at + (0 if following is None else following.correction)
            self.adrift = self.adrift or following is None
        elif self.steady:
            found = at + usual
        else:
            found = _in_order(self, usual, at, following)
        self.latest = max(self.latest, found)
        return found

    def showed(self) -> Showed:
        """What this reading has shown of it, for those who read on."""
        recent = tuple(self.seen)[-self.learned :] if self.learned else ()
        return Showed(recent, tuple(self.told), self.adrift)

    def fits(self, showed: Showed) -> bool:
        """Whether a reading that knew nothing of this clock has placed all lines as one that knew it would have.

        So it is where all acceptances before it and in it tell one zone; and no line was taken at its word that should
        not have been.
        """
        if self.correction is None:
            return True
        zones = {_correction(difference) for difference in self.seen}.union(showed.told)
        if len(zones) > 1 or (self.correction and showed.adrift):
            return False
        return self.correction % ZONE_STEP == 0 or not (showed.recent or showed.adrift)

    def _settle(self) -> None:
        usual, following = self.correction, self.ahead[0] if self.ahead else None
        self.steady = (
            usual is not None
            and abs(self.last - usual) < STEP
            and (following is None or abs(following.correction - usual) < STEP)
        )


class HostClocks:
    """The clocks of all hosts, by name."""

    def __init__(self, seen: Mapping[str, Iterable[int]] | None = None) -> None:
        """What `seen` gave of those who read before; nothing is known of other hosts."""
        self._hosts = {host: HostClock(each) for host, each in (seen or {}).items()}

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

    def seen(self) -> dict[str, tuple[int, ...]]:
        """The latest that was seen of each."""
        return {host: tuple(clock.seen) for host, clock in self._hosts.items() if clock.seen}

    def showed(self) -> dict[str, Showed]:
        """What this reading has shown of each."""
        return {host: clock.showed() for host, clock in self._hosts.items()}

    def fit(self, showed: Mapping[str, Showed]) -> bool:
        """Whether a reading that began without these clocks would have been the same with them."""
        return all(self._hosts[host].fits(each) for host, each in showed.items() if host in self._hosts)

    def follow(self, showed: Mapping[str, Showed]) -> None:
        """Takes in what a reading has shown that comes next."""
        for host, each in showed.items():
            if each.recent:
                self._hosts[host] = HostClock((*self.of(host).seen, *each.recent))


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
