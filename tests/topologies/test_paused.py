"""A backlog's partitions that are far ahead are paused: what ingest says, and what the engine does with it."""

from __future__ import annotations

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from service import facts_record, metrics
from service.alignment import AHEAD, STEADY
from service.facts import HOUR, MINUTE, SECOND
from service.pace import FASTEST
from service.policy import DAY, parse_policy
from tests.topologies.flow import SES, SMTP, Flow
from topologies import gauges
from topologies.app import build_app
from topologies.engine import consumer as module
from topologies.engine.batch import Batch
from topologies.engine.settings import EngineSettings
from topologies.engine.thread import Stretch

HERE, ELSEWHERE = TP("facts", 0), TP("facts", 1)
POLICY = parse_policy({"message_id_join": False})
EVERY = 10 * MINUTE
AT_ONCE = 5
"""Records of a partition that are read between two statements."""


def _paused_gauge(tp: TP) -> float | None:
    labels = {"topic": tp.topic, "partition": str(tp.partition)}
    return metrics.REGISTRY.get_sample_value("mailgap_partition_paused", labels)


class TestIngest:
    """The real ingest over a backlog of a day: four lines a mail in one partition, two events in one of two."""

    async def _backlog(self, monkeypatch) -> Flow:
        flow = Flow(POLICY, monkeypatch)
        for number in range(DAY // EVERY):
            flow.now += EVERY
            mail = flow.handed_over(number)
            for _ in range(3):
                flow.write(SMTP, mail.line)
            flow.told(mail)
        flow.now += DAY
        return flow

    async def _read_some(self, flow: Flow, *, without: TP | None = None) -> None:
        """As the engine does: of each partition that is not paused as many records as of any other."""
        for tp, log in flow.kafka.inputs.items():
            at = flow.kafka.read[tp]
            if at < len(log) and tp not in flow.kafka.paused and tp != without:
                after = min(at + AT_ONCE, len(log))
                await flow.ingest.handle(tp, Batch(at, after, log[at:after]))
                flow.kafka.read[tp] = after
        flow.now += SECOND
        await flow.ingest._state_once()

    async def test_the_backlog_is_read_at_one_pace_by_time(self, monkeypatch):
        flow = await self._backlog(monkeypatch)
        paused, leads = set(), []
        while any(flow.kafka.read[tp] < len(log) for tp, log in flow.kafka.inputs.items()):
            await self._read_some(flow)
            paused |= flow.kafka.paused
            assert all(_paused_gauge(tp) == (tp in flow.kafka.paused) for tp in flow.kafka.inputs)
            reached = [spoken.last_record_at for spoken in flow.ingest.spoken.values()]
            leads.append(max(reached) - min(reached))
        assert paused == set(SES), "of them there are fewer a mail"
        assert max(leads) <= AHEAD + 2 * AT_ONCE * EVERY
        await self._read_some(flow)
        assert not flow.kafka.paused

    async def test_a_partition_that_cannot_be_read_stops_no_other(self, monkeypatch):
        flow = await self._backlog(monkeypatch)
        rounds = sum(map(len, flow.kafka.inputs.values())) // AT_ONCE + 3 * STEADY // SECOND
        await self._read_some(flow)
        for _ in range(rounds):
            await self._read_some(flow, without=SES[1])
        left = {tp: len(log) - flow.kafka.read[tp] for tp, log in flow.kafka.inputs.items()}
        assert left[SES[1]]
        assert not left[SES[0]]
        assert not left[SMTP]

    async def test_live_nobody_is_paused(self, monkeypatch):
        flow = Flow(POLICY, monkeypatch)
        for number in range(HOUR // EVERY):
            flow.now += EVERY
            flow.told(flow.handed_over(number))
            await flow.read()
            assert not flow.kafka.paused

    async def test_a_week_of_few_mails_is_said_step_by_step(self, monkeypatch):
        """It is read at once. Were it said at once, rows would be dropped before what they asked was answered."""
        flow = Flow(POLICY, monkeypatch)
        begin = flow.now
        for number in range(7):
            flow.told(flow.handed_over(number))
            flow.now += DAY
        began, stated = flow.now, []
        await flow.read()
        for _ in range(2 * 7 * DAY // (FASTEST * SECOND)):
            flow.now += SECOND
            await flow.ingest._state_once()
            said = facts_record.unpack(flow.kafka.facts.pop()).watermark.entries
            stated.append(min(entry.up_to for entry in said))
            assert stated[-1] <= begin + DAY + FASTEST * (flow.now - began)
        assert stated == sorted(stated)
        assert stated[-1] == flow.now, "then all is said"

    def test_a_worker_that_has_lost_its_partitions_says_nothing_of_them(self):
        gauges.paused([HERE], {HERE})
        assert _paused_gauge(HERE) == 1
        gauges.no_lag(HERE.topic)
        assert _paused_gauge(HERE) is None


class Thread(Service):
    """What was asked of the client, which has nothing new."""

    def __init__(self):
        super().__init__()
        self.asked = []

    async def stretches(self, tps):
        self.asked.append(set(tps))
        return {tp: Stretch(0, [], 0) for tp in tps}


@pytest.fixture
async def consumer(monkeypatch):
    monkeypatch.setattr(module.Consumer, "_new_consumer_thread", lambda _: Thread())
    app = build_app("ingest", EngineSettings(bootstrap_servers="nowhere:9092", prefix="paused"))
    never = dict.fromkeys(("callback", "on_partitions_revoked", "on_partitions_assigned"), print)
    made = app.transport.create_consumer(**never)
    made._set_active_tps({HERE, ELSEWHERE})
    monkeypatch.setattr(made, "_may_hand_over", lambda _: True)
    monkeypatch.setattr(module, "_PAUSE", 0)
    return made


class TestConsumer:
    """The engine asks the client for nothing of a partition that is paused."""

    async def _asked(self, consumer) -> set[TP]:
        await consumer._fetch_once()
        return consumer._thread.asked[-1]

    async def test_nothing_is_taken_of_who_is_paused(self, consumer):
        assert await self._asked(consumer) == {HERE, ELSEWHERE}
        consumer.pause_reading([HERE], consumer.app.consumer_generation_id)
        assert await self._asked(consumer) == {ELSEWHERE}
        consumer.pause_reading([], consumer.app.consumer_generation_id)
        assert await self._asked(consumer) == {HERE, ELSEWHERE}

    async def test_a_pause_that_nobody_renews_ends(self, consumer, monkeypatch):
        """Whoever decides may hang; the watchdog must see then what waits."""
        monkeypatch.setattr(module, "PAUSED", 0.0)
        consumer.pause_reading([HERE], consumer.app.consumer_generation_id)
        assert consumer.reading_paused() == frozenset()
        assert await self._asked(consumer) == {HERE, ELSEWHERE}

    async def test_what_was_decided_before_a_rebalance_is_void(self, consumer):
        consumer.pause_reading([HERE], consumer.app.consumer_generation_id - 1)
        assert consumer.reading_paused() == frozenset()

    async def test_a_rebalance_ends_every_pause(self, consumer, monkeypatch):
        async def nothing(*_):
            return {}

        monkeypatch.setattr(driver.Consumer, "perform_seek", nothing)
        monkeypatch.setattr(consumer, "assignment", set)
        consumer.pause_reading([HERE], consumer.app.consumer_generation_id)
        await consumer.perform_seek()
        assert consumer.reading_paused() == frozenset()
