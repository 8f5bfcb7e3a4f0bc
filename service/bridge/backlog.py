"""How old the oldest record of a queue is, as far as whoever receives can tell (rule 14). Pure.

SQS does not say it but to CloudWatch. What it hands out is a sample of what waits, and what is in work still belongs to
the queue; so the age is that of the oldest record among those in work and those of the last minute. A poll that comes
back empty says that nothing waits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.facts import Instant

MEMORY: Final = 60_000


class Backlog:
    """Of one queue. Times in milliseconds."""

    def __init__(self) -> None:
        """Nothing was received yet."""
        self._sample: deque[tuple[Instant, Instant]] = (
            deque()
        )  # (received at, sent at), both rising: the first is least

    def received(self, now: Instant, sent: Iterable[Instant]) -> None:
        """A poll brought records that were sent at these times, or none."""
        oldest = min(sent, default=None)
        if oldest is None:
            self._sample.clear()
            return
        while self._sample and self._sample[-1][1] >= oldest:  # what is younger and was received before counts no more
            self._sample.pop()
        self._sample.append((now, oldest))

    def age(self, now: Instant, in_work: Iterable[Instant] = ()) -> int:
        """Milliseconds. `in_work`: when those were sent that are in work."""
        while self._sample and self._sample[0][0] < now - MEMORY:
            self._sample.popleft()
        oldest = min(in_work, default=now)
        if self._sample:
            oldest = min(oldest, self._sample[0][1])
        return max(now - oldest, 0)
