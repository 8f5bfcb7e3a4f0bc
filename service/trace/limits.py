"""How often somebody may ask: a bucket of permits for each, filled at a steady rate. Pure but for what it remembers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_VISITORS: Final = 10_000
"""So many are remembered, those seen last; whoever is forgotten begins anew."""


class Limiter:
    """`rate` permits a second, and up to `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str, now: float) -> float:
        """Takes a permit: 0. If there is none: the seconds until there is one. `now` in seconds, of any origin."""
        left, seen = self._buckets.pop(who, (float(self._burst), now))
        left = min(self._burst, left + (now - seen) * self._rate)
        wait = max(0.0, (1 - left) / self._rate)
        self._buckets[who] = (left if wait else left - 1, now)
        if len(self._buckets) > MOST_VISITORS:
            self._buckets.popitem(last=False)
        return wait
