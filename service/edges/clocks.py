"""What a host's stamps must be moved by, learned from the SES ids in its own lines (rule 13). For `scan` only.

On Kafka the record's timestamp dates a line. A file has none, so the line's stamp has to do: it may lack the year and
the zone, and the host's clock may be off. Every `250 Ok <id>` tells the difference to SES's clock.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final, NamedTuple

from service.facts import MINUTE, SECOND, Accepted, Fact, Instant, Parsed
from service.parsing.ses_id import id_clock
from service.submission import zone

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


def shown_by(parsed: Parsed) -> Shown | None:
    """What a line shows of its host's clock; None where it holds no acceptance."""
    return next((shown for _, fact in parsed.facts if (shown := _shown(fact)) is not None), None)


def _shown(fact: Fact) -> Shown | None:
    clock = id_clock(fact.ses_id) if isinstance(fact, Accepted) else None
    return None if clock is None else Shown(clock, clock - fact.at)


class HostClocks:
    """Each host's correction, from its latest acceptances; where clocks were put forward or back, from the nearest."""

    def __init__(self) -> None:
        """Nothing is known of any host."""
        self._seen: dict[str, deque[int]] = {}
        self._correction: dict[str, int] = {}
        self._latest: dict[str, Instant] = {}

    def begin(self) -> None:
        """Another file: its lines may be older than those that were read."""
        self._latest.clear()

    def learn(self, host: str, fact: Fact) -> None:
        """Takes in what an acceptance says of its host's clock."""
        shown = _shown(fact)
        if shown is None:
            return
        recent = self._seen.setdefault(host, deque(maxlen=RECENT))
        recent.append(shown.difference)
        self._correction[host] = _correction(int(median(recent)))

    def knows(self, host: str) -> bool:
        """Whether an acceptance has shown this host's clock."""
        return host in self._correction

    def corrected(self, host: str, at: Instant) -> Instant:
        """The instant by SES's clock, as far as the host's lines have shown it."""
        return at + self._correction.get(host, 0)

    def placed(self, host: str, at: Instant, following: Shown | None) -> Instant:
        """The same for the file's next line, which `following`, the host's next acceptance, is not before.

        Where the last acceptance, the next one and most of those before tell different zones, daylight saving began or
        ended in between: then the line belongs where it is in order.
        """
        usual = self._correction.get(host)
        others = [] if following is None else [_correction(following.difference)]
        others += [_correction(recent[-1])] if (recent := self._seen.get(host)) else []
        found = at + (usual if usual is not None else others[0] if others else 0)
        if usual is not None and any(abs(other - usual) >= STEP for other in others):
            first = self._latest.get(host, 0) - DISORDER
            ways = [at + each for each in (*reversed(others), usual) if first <= at + each]
            if following is not None:
                ways = [way for way in ways if way <= following.clock + DISORDER]
            found = ways[0] if ways else found
        self._latest[host] = max(found, self._latest.get(host, 0))
        return found


def _correction(difference: int) -> int:
    whole = zone(difference)  # a zone is exact; only what is left over can be the round trip, or a clock's fault
    return difference if abs(difference - whole) > TRUSTED else whole
