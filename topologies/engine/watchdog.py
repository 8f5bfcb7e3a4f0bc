"""Ends a process that hangs: records wait, and no offset of theirs moves; it never becomes ready; a topic is gone.

Most hangs are bounded where they arise; this one catches those that nobody foresaw. It spares a restore, which has a
bound of its own, a Kafka that cannot be reached, since then nobody knows whether records wait, and a partition that is
paused on purpose, which waits for another that is not.
"""

import asyncio
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP
from mode import Service

from topologies.engine.errors import EngineError, StuckError
from topologies.engine.preflight import check

_LOOKS = 30
"""How often it looks within `watchdog_after`."""


class Still:
    """What has not moved, and since when."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._seen: dict[Any, tuple[int, float]] = {}

    def longest(self, now: float) -> float:
        """Seconds for which the one that has stood still longest has done so."""
        return max((now - when for _, when in self._seen.values()), default=0.0)

    def look(self, at: dict[Any, int], now: float) -> list[Any]:
        """Those that stand where they stood `patience` seconds ago. Who was not there the last time begins anew."""
        since: dict[Any, tuple[int, float]] = {}
        for name, position in at.items():
            before, when = self._seen.get(name, (-1, now))
            since[name] = (position, when if before == position else now)
        self._seen = since
        return [name for name, (_, when) in since.items() if now - when >= self._patience]


class Watchdog(Service):  # type: ignore[misc]  # mode ships no types
    """Watches one app. `run_apps` starts one for each."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._app = app
        self._patience = app.engine.watchdog_after
        self._lagging = Still(self._patience)
        self._waiting = Still(self._patience)
        self._cut_wrong = False

    def complaint(self) -> str:
        """What a probe should know before we end the process ourselves; empty where all moves."""
        now = asyncio.get_running_loop().time()
        for still, what in ((self._lagging, "records wait and no position moves"), (self._waiting, "not ready")):
            if self._patience and (seconds := still.longest(now)) > self._patience / 2:
                return f"{what}, for {seconds:.0f} s"
        return ""

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        while self._patience and not self.should_stop:
            await self.sleep(self._patience / _LOOKS)
            try:
                await self._look(asyncio.get_running_loop().time())
            except EngineError as cause:
                await self._app.crash(cause)

    async def _look(self, now: float) -> None:
        """Raises StuckError where nothing moves that should, and EngineError where a topic is gone."""
        answers = await self._topics()
        if stuck := self._lagging.look(await self._positions(), now):
            where = ", ".join(f"{tp.topic}/{tp.partition}" for tp in stuck)
            raise StuckError(f"Records wait and nothing moves for {self._patience:g} s: {where}")
        unready = {} if self._ready() or self._restoring() else {"ready": 0}
        if self._waiting.look(unready, now) and answers:
            raise StuckError(f"Kafka answers, but the app is not ready after {self._patience:g} s")

    async def _positions(self) -> dict[TP, int]:
        """Where each partition with a lag that is read stands; none where we are not in a state to say."""
        if not self._ready():
            return {}
        try:
            at = await self._app.consumer.position_and_end(self._app.consumer.assignment())
        except (KafkaError, StuckError):
            return {}
        paused = self._app.consumer.reading_paused()
        return {tp: position for tp, (position, end) in at.items() if position < end and tp not in paused}

    def _ready(self) -> bool:
        app = self._app
        restored = all(getattr(table.data, "ready", True) for table in app.tables.values())
        return restored and bool(app.tables.actives_ready) and not app.rebalancing

    def _restoring(self) -> bool:
        return any(getattr(table.data, "restoring", False) for table in self._app.tables.values())

    async def _topics(self) -> bool:
        """Whether Kafka answers. Raises EngineError about a topic that is missing or badly cut at two looks running:
        a broker that has only just started may not know all of them yet.
        """
        try:
            await check([self._app])
        except (KafkaError, StuckError):
            self._cut_wrong = False
            return False
        except EngineError:
            if self._cut_wrong:
                raise
            self._cut_wrong = True
        else:
            self._cut_wrong = False
        return True
