"""Ends a process that hangs: records wait, and no offset of theirs moves.

Most hangs are bounded where they arise; this one catches those that nobody foresaw. It spares a restore and a
rebalance, which have bounds of their own, and a broker that cannot be reached: then nobody knows whether records wait.
"""

import asyncio
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP
from mode import Service

from topologies.engine.errors import StuckError

_LOOKS = 20
"""How often it looks within `watchdog_after`."""


class Watchdog(Service):  # type: ignore[misc]  # mode ships no types
    """Watches one app. `run_apps` starts one for each."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._app = app
        self._seen: dict[TP, tuple[int | None, float]] = {}

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        patience = self._app.engine.watchdog_after
        while patience and not self.should_stop:
            await self.sleep(patience / _LOOKS)
            if stuck := self.look(await self._lagging(), asyncio.get_running_loop().time(), patience):
                await self._app.crash(StuckError(f"Records wait and nothing moves for {patience:g} s: {stuck}"))
                return

    async def _lagging(self) -> dict[TP, int]:
        """Where each partition with a lag stands; none where we are not in a state to say."""
        app = self._app
        ready = all(getattr(table.data, "ready", True) for table in app.tables.values())
        if app.rebalancing or not ready or not app.tables.actives_ready:
            return {}
        try:
            at = await app.consumer.position_and_end(app.consumer.assignment())
        except (KafkaError, StuckError):
            return {}
        return {tp: position for tp, (position, end) in at.items() if position < end}

    def look(self, lagging: dict[TP, int], now: float, patience: float) -> str:
        """Which partitions have stood still, with a lag, for too long. Empty: none."""
        since = {}
        for tp, position in lagging.items():
            before, when = self._seen.get(tp, (None, now))
            since[tp] = (position, when if before == position else now)
        self._seen = since
        return ", ".join(
            f"{tp.topic}/{tp.partition} at {position}" for tp, (position, when) in since.items() if now - when >= patience
        )
