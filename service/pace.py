"""How fast a partition's watermark may move while a backlog is read. Pure.

Names ask each other by way of the facts topic, which takes a moment of *our* time, and rows are dropped by the time of
the *log*. Where a day of the log passes in a moment of ours, the row of whoever asked is gone before the answer comes,
or the evidence before the question: gaps were missed, and some made up, in a backlog of twenty days with few mails. To
say less than one knows is always true. So a watermark moves at a pace at which an answer comes within hours of the log,
and rows are kept for a day and more (`keep`, and the longest deadline).
"""

from __future__ import annotations

from typing import Final

from service.facts import HOUR, SECOND, Instant
from service.policy import DAY

FASTEST: Final = 3 * HOUR // SECOND
"""How many times faster than the clock: the default `keep` is eight seconds, and a week takes a minute."""
OLDEST: Final = 30 * DAY
"""A live record that is older was dated by a clock that is none; nobody waits for what lies so far behind."""


class Pace:
    """Of one partition, since somebody began to read it at `since` with a record of the time `begin`."""

    def __init__(self, begin: Instant, since: Instant, *, historic: bool) -> None:
        """History is as old as it is: its records were dated by whoever wrote it, in their order."""
        self._since = since
        self._begin = begin if historic else max(begin, since - OLDEST)

    def limit(self, now: Instant) -> Instant:
        """Up to when its watermark may stand by now."""
        return self._begin + FASTEST * max(now - self._since, 0)
