"""The watchdog ends what hangs, and spares what only takes long: a restore, and a Kafka that is away."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from topologies.engine import watchdog as module
from topologies.engine.errors import EngineError, StuckError
from topologies.engine.settings import EngineSettings
from topologies.engine.watchdog import Still, Watchdog

HERE = TP("facts", 0)
ELSEWHERE = TP("facts", 1)
SETTINGS = EngineSettings(bootstrap_servers="nowhere:9092")
PATIENCE = SETTINGS.watchdog_after
A_DAY = 86_400


class TestStill:
    def test_what_moves_is_not_stuck(self):
        still = Still(patience=10)
        assert not still.look({HERE: 1}, now=0)
        assert not still.look({HERE: 2}, now=9)
        assert not still.look({HERE: 2}, now=18)
        assert still.look({HERE: 2}, now=19) == [HERE]

    def test_how_long_it_has_stood(self):
        still = Still(patience=10)
        assert still.longest(now=5) == 0
        still.look({HERE: 1, ELSEWHERE: 1}, now=10)
        still.look({HERE: 1, ELSEWHERE: 2}, now=14)
        assert still.longest(now=16) == 6
        still.look({ELSEWHERE: 3}, now=17)
        assert still.longest(now=18) == 1

    def test_who_is_left_out_once_begins_anew(self):
        """A restore, a rebalance, a Kafka out of reach: then nobody can say."""
        still = Still(patience=10)
        still.look({HERE: 1}, now=0)
        still.look({}, now=5)
        assert not still.look({HERE: 1}, now=12)


class TestComplaint:
    """What `/healthz` says of an app before the watchdog ends it."""

    async def test_records_wait_and_nothing_moves(self):
        watchdog, now = Watchdog(SimpleNamespace(engine=SETTINGS)), asyncio.get_running_loop().time()
        assert watchdog.complaint() == ""
        watchdog._lagging.look({HERE: 7}, now - SETTINGS.watchdog_after + 100)
        assert watchdog.complaint() == f"records wait and no position moves, for {SETTINGS.watchdog_after - 100:.0f} s"
        watchdog._lagging.look({HERE: 8}, now)
        assert watchdog.complaint() == ""

    async def test_it_never_becomes_ready(self):
        watchdog, now = Watchdog(SimpleNamespace(engine=SETTINGS)), asyncio.get_running_loop().time()
        watchdog._waiting.look({"ready": 0}, now - SETTINGS.watchdog_after)
        assert watchdog.complaint().startswith("not ready, for ")


class Tables(dict):
    actives_ready = True


class Worker:
    """What the watchdog sees of an app: it is restored or not, Kafka answers or not, records wait or not."""

    def __init__(self, monkeypatch):
        self.data = SimpleNamespace(ready=True, restoring=False)
        self.tables = Tables(trails=SimpleNamespace(data=self.data))
        self.engine, self.rebalancing, self.consumer = SETTINGS, False, self
        self.at = {HERE: (7, 9)}
        self.away = self.gone = False
        self.paused = set()
        monkeypatch.setattr(module, "check", self._check)
        self.watchdog = Watchdog(self)

    def assignment(self):
        return set(self.at)

    async def position_and_end(self, _):
        self._reach()
        return self.at

    def reading_paused(self):
        return self.paused

    def _reach(self):
        if self.away:
            raise KafkaConnectionError("no broker")

    async def _check(self, *_):
        self._reach()
        if self.gone:
            raise EngineError("No such topic: facts. Create it, then start again")

    async def watched(self, since, until):
        """It looks as often as it does in earnest."""
        for now in range(since, until, int(PATIENCE / 20)):
            await self.watchdog._look(now)


@pytest.fixture
def worker(monkeypatch):
    return Worker(monkeypatch)


class TestLook:
    async def test_records_wait_and_nothing_moves(self, worker):
        await worker.watched(0, int(PATIENCE))
        with pytest.raises(StuckError, match="Records wait and nothing moves for 300 s: facts/0"):
            await worker.watchdog._look(PATIENCE)

    async def test_what_is_paused_waits_for_what_moves(self, worker):
        worker.paused = {HERE}
        for now in range(0, A_DAY, int(PATIENCE / 2)):
            worker.at = {HERE: (7, 9), ELSEWHERE: (now, A_DAY)}
            await worker.watchdog._look(now)

    async def test_what_it_waits_for_does_not_move_either(self, worker):
        worker.paused, worker.at = {HERE}, {HERE: (7, 9), ELSEWHERE: (7, 9)}
        await worker.watched(0, int(PATIENCE))
        with pytest.raises(StuckError, match="Records wait and nothing moves for 300 s: facts/1"):
            await worker.watchdog._look(PATIENCE)

    async def test_nothing_waits(self, worker):
        worker.at = {HERE: (9, 9)}
        await worker.watched(0, A_DAY)

    async def test_a_restore_may_take_as_long_as_it_takes(self, worker):
        """It has a bound of its own, by what moves: `topologies.engine.restore`."""
        worker.data.ready, worker.data.restoring = False, True
        await worker.watched(0, A_DAY)
        worker.data.ready, worker.data.restoring = True, False
        await worker.watched(A_DAY, A_DAY + int(PATIENCE))

    async def test_a_broker_may_be_away_for_as_long_as_it_is(self, worker):
        await worker.watched(0, int(PATIENCE / 2))
        worker.away = True
        await worker.watched(int(PATIENCE / 2), A_DAY)
        worker.away = False
        await worker.watched(A_DAY, A_DAY + int(PATIENCE))

    @pytest.mark.parametrize("away", [True, False])
    async def test_it_never_becomes_ready(self, worker, away):
        worker.data.ready, worker.away = False, away
        await worker.watched(0, int(PATIENCE))
        if away:
            await worker.watched(int(PATIENCE), A_DAY)
        else:
            with pytest.raises(StuckError, match="Kafka answers, but the app is not ready after 300 s"):
                await worker.watchdog._look(PATIENCE)

    async def test_a_topic_is_gone(self, worker):
        """Faust logs that, and idles. A broker that has only just started may not know it for a moment."""
        for now, (worker.gone, worker.away) in enumerate([(True, False), (False, False), (True, False), (True, True)]):
            await worker.watchdog._look(now)
        worker.away = False
        await worker.watchdog._look(4)
        with pytest.raises(EngineError, match="No such topic: facts"):
            await worker.watchdog._look(5)
