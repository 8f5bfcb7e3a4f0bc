"""Pauses between tries of what fails for the moment."""

from __future__ import annotations

import random


class BackOff:
    """Growing pauses with full jitter, in seconds: so that many who failed at once do not come back at once."""

    def __init__(self, first: float = 0.5, most: float = 60.0) -> None:
        """The bounds of the pauses."""
        self._first, self._most, self._failures = first, most, 0

    def next(self) -> float:
        """The next pause: at least half of the first one, so that no loop is busy."""
        bound = min(self._first * 2**self._failures, self._most)
        self._failures = min(self._failures + 1, 16)
        return self._first / 2 + random.uniform(0, bound)  # noqa: S311 no secret

    def reset(self) -> None:
        """It works again."""
        self._failures = 0
