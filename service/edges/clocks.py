"""What a host's stamps must be moved by, learned from the SES ids in its own lines (rule 13). For `scan` only.

On Kafka the record's timestamp dates a line. A file has none, so the line's stamp has to do: it may lack the year and
the zone, and the host's clock may be off. Every `250 Ok <id>` tells the difference to SES's clock.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

from service.facts import SECOND, Accepted, Fact, Instant
from service.judge_submission import zone
from service.parsing.ses_id import id_clock

TRUSTED: Final = 5 * SECOND
"""A smaller difference is the stamp's own coarseness and the round trip to SES, and is not corrected."""
RECENT: Final = 9


class HostClocks:
    """Each host's correction, from its latest acceptances."""

    def __init__(self) -> None:
        """Nothing is known of any host."""
        self._seen: dict[str, deque[int]] = {}
        self._correction: dict[str, int] = {}

    def learn(self, host: str, fact: Fact) -> None:
        """Takes in what an acceptance says of its host's clock."""
        clock = id_clock(fact.ses_id) if isinstance(fact, Accepted) else None
        if clock is None:
            return
        recent = self._seen.setdefault(host, deque(maxlen=RECENT))
        recent.append(clock - fact.at)
        difference = int(median(recent))
        whole = zone(difference)  # a zone is exact; only what is left over can be the round trip, or a clock's fault
        self._correction[host] = difference if abs(difference - whole) > TRUSTED else whole

    def knows(self, host: str) -> bool:
        """Whether an acceptance has shown this host's clock."""
        return host in self._correction

    def corrected(self, host: str, at: Instant) -> Instant:
        """The instant by SES's clock, as far as the host's lines have shown it."""
        return at + self._correction.get(host, 0)
