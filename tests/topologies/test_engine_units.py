"""The parts of the engine that decide something and need no Kafka to do so."""

import asyncio
import gc
import logging
import socket
import threading
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from topologies.app import build_app
from topologies.engine import runner, sender
from topologies.engine.batch import Batch, enclose
from topologies.engine.bounded import bounded
from topologies.engine.errors import EngineError, RecordTooLargeError, StuckError
from topologies.engine.positions import Positions
from topologies.engine.preflight import answers, complain
from topologies.engine.restore import apply
from topologies.engine.runner import _stop as stop_all
from topologies.engine.runner import run_apps
from topologies.engine.sender import Record, Sender, check_size, new_producer
from topologies.engine.settings import EngineSettings
from topologies.engine.shard import Shard
from topologies.engine.unretrieved import without_traceback

HERE = TP("facts", 0)
ELSEWHERE = TP("facts", 1)
SETTINGS = EngineSettings(bootstrap_servers="a:1,b:2", client={"client_id": "me"}, max_record_bytes=1000)


def positions():
    at = Positions()
    at.begin({HERE: 10})
    return at


def new_shard():
    return Shard(3, group="app", name="trails", changelog="changelog", settings=SETTINGS)


def record(key, value, offset=0, timestamp=1500):
    return SimpleNamespace(key=key, value=value, offset=offset, timestamp=timestamp, timestamp_type=0)


class TestPositions:
    def test_what_is_not_ours_has_none(self):
        at = positions()
        assert at.settled(ELSEWHERE) is None
        assert at.ours([HERE, ELSEWHERE]) == [HERE]
        assert not at.ack(ELSEWHERE, 5)

    def test_a_batch_under_way_holds_the_position_back(self):
        at = positions()
        at.hand_over(HERE, 20)
        assert at.settled(HERE) == 10
        at.finish(HERE, 20)
        assert at.settled(HERE) == 20

    def test_markers_behind_the_last_record_are_passed(self):
        at = positions()
        at.hand_over(HERE, 20)
        at.passed[HERE] = 21
        assert at.settled(HERE) == 10
        at.finish(HERE, 20)
        assert at.settled(HERE) == 21

    def test_acknowledgements_never_go_back(self):
        at = positions()
        assert at.ack(HERE, 15)
        assert at.ack(HERE, 12)
        assert at.acked == {HERE: 15}

    def test_a_rebalance_forgets_everything(self):
        at = positions()
        at.hand_over(HERE, 20)
        at.forget()
        at.finish(HERE, 20)
        assert at.settled(HERE) is None


class TestBatch:
    def test_the_envelope_bears_the_last_records_time_and_the_whole_batchs_end(self):
        batch = Batch(5, 12, [record(b"k", b"v", 5, 1000), record(b"k", b"v", 9, 2500)])
        message = enclose(HERE, batch, generation=7)
        assert (message.offset, message.after, message.timestamp, message.generation_id) == (11, 12, 2.5, 7)

    def test_to_acknowledge_the_envelope_is_to_acknowledge_all_of_it(self):
        message = enclose(HERE, Batch(5, 12, [record(b"k", b"v", 5)]), generation=7)
        message.incref()
        seen = []
        message.ack(SimpleNamespace(ack_range=lambda *args: seen.append(args) or True))
        assert seen == [(HERE, 12, 7)]

    def test_a_hole_has_an_envelope_too(self):
        assert enclose(HERE, Batch(5, 12, [], hole=True), generation=7).offset == 11


class TestShard:
    def test_rows_can_be_set_and_dropped(self):
        shard = new_shard()
        shard.put(b"a", b"1")
        shard.put(b"b", b"2")
        shard.remove(b"a")
        shard.remove(b"never there")
        assert shard.rows == {b"b": b"2"}

    def test_a_row_too_large_for_the_changelog_is_refused_and_nothing_changes(self):
        shard = new_shard()
        shard.put(b"a", b"1")
        with pytest.raises(RecordTooLargeError, match=r"changelog .*b'a'.*1000"):
            shard.put(b"a", bytes(1000))
        assert shard.rows == {b"a": b"1"}

    def test_an_output_too_large_is_refused(self):
        with pytest.raises(RecordTooLargeError):
            new_shard().emit("out", b"k", bytes(500), headers=[("h", bytes(500))])

    async def test_there_is_nothing_to_commit_before_the_first_step(self):
        assert not await new_shard().commit("facts")

    async def test_a_shard_that_is_not_fenced_cannot_begin(self):
        with pytest.raises(EngineError, match="not fenced"):
            await new_shard().begin()


class TestSizes:
    def test_key_value_and_headers_count(self):
        check_size(Record("t", b"k" * 200, b"v" * 600, headers=[("h", b"x" * 50)]), 1000)
        with pytest.raises(RecordTooLargeError):
            check_size(Record("t", b"k" * 300, b"v" * 600), 1000)

    async def test_a_sender_refuses_before_it_connects(self):
        with pytest.raises(RecordTooLargeError):
            await Sender(SETTINGS).send([Record("t", b"k", bytes(1000))])

    async def test_nothing_to_send_needs_no_kafka(self):
        sender = Sender(SETTINGS)
        await sender.send([])
        await sender.stop()


class TestRestore:
    def test_a_tombstone_drops_the_row(self):
        rows = {b"old": b"0"}
        apply(rows, [record(b"a", b"1"), record(b"a", b"2"), record(b"old", None), record(b"never there", None)])
        assert rows == {b"a": b"2"}


class TestPreflight:
    def app(self):
        agent = SimpleNamespace(channel=SimpleNamespace(topics=["facts"]))
        table = SimpleNamespace(changelog_topic_name="changelog")
        return SimpleNamespace(agents={"a": agent}, tables={"t": table}, engine=SETTINGS, outputs=("verdicts",))

    def test_all_is_well(self):
        complain(self.app(), {"facts": 3, "verdicts": 1, "changelog": SETTINGS.partitions})

    def test_a_missing_topic_is_named(self):
        with pytest.raises(EngineError, match="facts, verdicts"):
            complain(self.app(), {"facts": 0, "changelog": SETTINGS.partitions})

    def test_another_number_of_shards_is_refused(self):
        with pytest.raises(EngineError, match="cannot change"):
            complain(self.app(), {"facts": 8, "verdicts": 1, "changelog": SETTINGS.partitions + 1})


class TestBounds:
    async def test_what_takes_too_long_says_what(self):
        with pytest.raises(StuckError, match=r"Shard 3 did not commit in 0.01 s"):
            async with bounded(0.01, "Shard 3 did not commit"):
                await asyncio.Event().wait()


def test_every_client_gets_the_same_settings():
    assert SETTINGS.clients() == {"bootstrap_servers": ["a:1", "b:2"], "client_id": "me"}


class TestStop:
    """SIGTERM while Kafka is away: nothing is lost by leaving, so it is left soon, and with 0."""

    @pytest.fixture
    def hanging(self):
        async def stop():
            await asyncio.Event().wait()

        return SimpleNamespace(engine=SETTINGS, stop=stop, stop_senders=stop)

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setattr(runner, "STOP_BOUND", 0.2)
        monkeypatch.setattr(runner, "ANSWER_BOUND", 0.02)

    @pytest.mark.parametrize("there", [True, False])
    async def test_what_hangs_is_left_behind(self, hanging, there, monkeypatch):
        async def answers(*_):
            return there

        monkeypatch.setattr(runner, "answers", answers)
        assert await stop_all([hanging], [], []) == (False, not there)

    async def test_a_port_at_which_nobody_listens_is_no_kafka(self):
        assert not await answers(EngineSettings(bootstrap_servers="127.0.0.1:9"), 30)

    async def test_who_takes_connections_and_says_nothing_is_no_kafka(self):
        """A process under SIGSTOP: the kernel goes on taking connections for it."""
        with socket.create_server(("127.0.0.1", 0)) as mute:
            assert not await answers(EngineSettings(bootstrap_servers=f"127.0.0.1:{mute.getsockname()[1]}"), 0.1)


@pytest.mark.parametrize(("cause", "shown"), [(KafkaConnectionError("gone"), False), (ZeroDivisionError(), True)])
def test_a_broker_that_went_away_is_worth_no_traceback(cause, shown):
    what = (type(cause), cause, None)
    record = logging.LogRecord("aiokafka", logging.ERROR, "sender.py", 1, "Unexpected %s", ("error",), what)
    assert without_traceback(record)
    assert bool(record.exc_info) is shown
    assert ("gone" in record.getMessage()) is not shown


class TestRunner:
    """What a process leaves behind when it ends."""

    def test_senders_are_stopped_with_their_app(self, monkeypatch):
        """One that is left open complains, once its loop is gone, that the event loop is closed."""
        monkeypatch.setattr(threading, "excepthook", threading.excepthook)
        stopped = []

        class Told(Sender):
            async def stop(self):
                await super().stop()
                stopped.append(self)

        app = build_app("correlate", EngineSettings(bootstrap_servers="127.0.0.1:9", prefix="runner"))
        app._senders += [Told(app.engine), Told(app.engine)]
        assert run_apps([app]) == 1  # no Kafka answers
        assert stopped == app._senders

    async def test_a_sender_that_cannot_connect_leaves_nothing_open(self, monkeypatch):
        made = []
        monkeypatch.setattr(sender, "new_producer", lambda *a, **k: made.append(new_producer(*a, **k)) or made[-1])
        with pytest.raises(KafkaConnectionError):
            await Sender(EngineSettings(bootstrap_servers="127.0.0.1:9")).send([Record("t", b"k", b"v")])
        assert [producer._closed for producer in made] == [True]

    async def test_a_task_that_fails_after_it_was_given_up_is_no_news(self):
        async def late():
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("after its cancellation")

        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        task = asyncio.create_task(late())
        await asyncio.sleep(0)
        assert await stop_all([], [], [task]) == (True, True)
        await asyncio.wait([task])
        del task
        gc.collect()
        assert not reported
