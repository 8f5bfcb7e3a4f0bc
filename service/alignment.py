"""Which partitions of a backlog are not read for now, so that all of it is read at one pace by time. Pure.

A mail's rows wait in memory until both sources have spoken of its time. Read at one pace by records, a source with
fewer of them a mail runs ahead of the other, by days where the backlog is one of days. So whoever is far ahead pauses
until the slowest has come. It pauses for nobody who does not come: not for a partition that is read to its end, nor
for one that stands still, nor for one whose records are no further from the clock the more of them are read. What is
live is never paused. Who is far ahead of what was said of it pauses, too: it would be waited for anyway. Which order
partitions are read in changes no verdict: pausing makes late, never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from service.facts import MINUTE, SECOND, Instant
from service.watermarks import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

AHEAD: Final = 10 * MINUTE
"""How far one partition may be ahead of another: more than clocks, shippers and transport differ by in normal
operation, and less than a hundredth of the time for which rows are kept anyway (14 h and `keep`)."""
STEADY: Final = 10 * SECOND
"""Over so long it is seen whether a partition moves: who stands still is waited for no longer than twice that."""
GAIN: Final = 2
"""A backlog is read at so many times the pace at which it was written, or faster. What is no faster is live, whatever
its producers' clocks say, or more than this worker can read: to wait for it would be to wait for ever."""

Partition = tuple[str, int]
"""Topic and number."""


class Standing(NamedTuple):
    """How far a partition was read. `up_to`: its watermark, `NEVER` where nothing was read; `behind`: more waits."""

    up_to: Instant
    last_record_at: Instant
    behind: bool
    stated: Instant
    """What others were told of its watermark (`service.pace`)."""


@dataclass(slots=True)
class _Course:
    """What a partition's watermark has gained since an instant, and whether it had gained on the clock before that."""

    since: Instant
    begin: Instant
    gains: bool = False

    def look(self, up_to: Instant, now: Instant) -> None:
        gained, passed = up_to - self.begin, now - self.since
        if passed < 0:  # the clock was set back
            self.since, self.begin, self.gains = now, up_to, False
        elif gained >= AHEAD or passed >= STEADY:
            self.since, self.begin, self.gains = now, up_to, gained >= GAIN * passed


class Alignment:
    """One worker's. Partitions that others read are not known here: alignment is within one worker."""

    def __init__(self) -> None:
        self._courses: dict[Partition, _Course] = {}
        self._paused: frozenset[Partition] = frozenset()

    def pause(self, standings: Mapping[Partition, Standing], now: Instant) -> frozenset[Partition]:
        """Those to pause until this is asked again. `now`: the clock at which the standings were true."""
        behind = {tp: at for tp, at in standings.items() if at.behind and at.up_to != NEVER}
        self._courses = {tp: self._course(tp, at.up_to, now) for tp, at in behind.items()}
        coming = [at.up_to for tp, at in behind.items() if self._courses[tp].gains]
        bound = min(coming, default=now) + AHEAD
        live = now - AHEAD
        ahead = {tp for tp, at in behind.items() if at.up_to > min(bound, at.stated + AHEAD)}
        self._paused = frozenset(tp for tp in ahead if behind[tp].last_record_at < live)
        return self._paused

    def _course(self, tp: Partition, up_to: Instant, now: Instant) -> _Course:
        course = self._courses.get(tp)
        if course is None:
            return _Course(now, up_to)
        if tp in self._paused:  # it could gain nothing: it goes on as what it was
            return _Course(now, up_to, course.gains)
        course.look(up_to, now)
        return course
