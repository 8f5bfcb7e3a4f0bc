"""Stops the worker where most of what comes in cannot be read: a wrong topic must not drain into dead letters. Pure.

It is asked before anything of a batch is sent, so a topic that is wrong from its first batch on leaves nothing behind.
"""

from __future__ import annotations

from collections import deque
from typing import Final

ENOUGH: Final = 100
"""Records before which nothing can be said of a topic."""
LATEST: Final = 1000
"""Records that are looked back upon."""


class Brake:
    """Watches one topic. `share`: of a hundred records so many may be unreadable; 100 never brakes."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._batches: deque[tuple[int, int]] = deque()

    def holds(self, records: int, unreadable: int) -> bool:
        """Takes in a batch; whether it must not go on. A batch that is held is not counted."""
        self._batches.append((records, unreadable))
        seen, bad = (sum(column) for column in zip(*self._batches, strict=True))
        while seen - self._batches[0][0] >= LATEST:
            oldest = self._batches.popleft()
            seen, bad = seen - oldest[0], bad - oldest[1]
        if seen < ENOUGH or bad * 100 <= self._share * seen:
            return False
        self._batches.pop()
        return True
