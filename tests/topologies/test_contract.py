"""Every internal of Faust and mode that the engine builds on, one test each; `test_contract_aiokafka.py` has the rest.

A test that fails here after an upgrade names what has changed; the engine file in its docstring is the one to look at.
None needs a Kafka.
"""

import asyncio
import inspect
import textwrap
from importlib.metadata import version
from types import SimpleNamespace

import faust
import mode
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import ConsumerStoppedError
from faust.app.base import BootStrategy
from faust.events import Event
from faust.stores.base import Store
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import base as transport_base
from faust.transport import consumer as faust_consumer
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.stores import StoreT
from faust.types.tuples import ConsumerMessage, Message
from mode.threads import ServiceThread, WorkerThread
from mode.utils.futures import maybe_set_exception
from mode.utils.queues import FlowControlQueue

from topologies.app import build_app, input_topic, trails_table
from topologies.engine.consumer import Consumer
from topologies.engine.settings import EngineSettings
from topologies.engine.store import ShardedStore
from topologies.engine.table import ShardedTable
from topologies.engine.thread import ConsumerThread


def parameters(function):
    return list(inspect.signature(function).parameters)


def source(function):
    return textwrap.dedent(inspect.getsource(function))


def in_order(text, *parts):
    """Whether the parts stand in the text one after the other."""
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


@pytest.fixture
def app():
    return build_app("correlate", EngineSettings(bootstrap_servers="nowhere:9092", prefix="contract", partitions=4))


class TestPins:
    @pytest.mark.parametrize(
        ("package", "pinned"), [("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1"), ("aiokafka", "0.14.0")]
    )
    def test_version(self, package, pinned):
        """These tests were written against exactly these."""
        assert version(package) == pinned


class TestFaustApp:
    """engine/app.py"""

    def test_app_takes_our_settings_and_our_table(self, app):
        assert app.conf.id == "contract-correlate"
        assert isinstance(trails_table(app), ShardedTable)
        assert app.conf.topic_allow_declare is False
        assert app.conf.stream_wait_empty is True

    def test_app_boot_strategy_leaves_out_the_producer_and_the_web_server(self, app):
        assert isinstance(app.boot_strategy, BootStrategy)
        assert not list(app.boot_strategy.kafka_producer())
        assert not list(app.boot_strategy.web_server())

    def test_app_boot_switches_are_class_attributes(self):
        assert BootStrategy.enable_kafka_producer is None
        assert BootStrategy.enable_web is None

    def test_app_new_transport_makes_our_consumer(self, app):
        assert app.transport.Consumer is Consumer

    async def test_app_crash_marks_the_app_and_keeps_the_reason(self, app):
        reason = ValueError("why")
        await app.crash(reason)
        await app.crash(ValueError("a consequence"))
        assert app.crashed
        assert app.should_stop
        assert app.crash_reason is reason
        await asyncio.wait_for(app.wait_until_stopped(), 1)

    def test_app_create_directories_is_where_files_would_be_made(self):
        assert "mkdir" in source(faust.App._create_directories)
        assert "_create_directories" in source(faust.App.on_first_start)

    def test_app_producer_flush_is_skipped_where_there_is_none(self):
        assert "if self._producer is not None" in source(faust.App._producer_flush)

    def test_app_revoked_waits_for_streams_and_then_sends_the_signal(self):
        text = source(faust.App._on_partitions_revoked)
        assert in_order(text, "stop_flow", "flow_control.clear", "_consumer_wait_empty", "on_partitions_revoked.send")
        assert "await self.crash(exc)" in text

    def test_app_revoked_signal_takes_a_coroutine(self, app):
        async def told(*_, **__):
            pass

        assert app.on_partitions_revoked.connect(told) is told

    def test_app_assigned_asks_the_tables_and_crashes_on_error(self):
        assert in_order(source(faust.App._on_partitions_assigned), "tables.on_rebalance", "await self.crash(exc)")

    def test_app_stop_consumer_stops_flow_then_waits_then_stops_tables(self):
        text = source(faust.App._stop_consumer)
        assert in_order(text, "stop_flow", "flow_control.clear", "_stop_fetcher", "_consumer_wait_empty", "tables.stop")

    def test_app_rebalancing_is_set_in_the_synchronous_part_of_revoked(self):
        text = source(driver.ConsumerRebalanceListener.on_partitions_revoked)
        assert not inspect.iscoroutinefunction(driver.ConsumerRebalanceListener.on_partitions_revoked)
        assert "on_rebalance_start()" in text
        assert "self.rebalancing = True" in source(faust.App.on_rebalance_start)

    def test_app_consumer_generation_id_is_set_before_the_callbacks(self):
        text = source(driver.ConsumerRebalanceListener.on_partitions_assigned)
        assert in_order(text, "consumer_generation_id = generation", "on_partitions_assigned")

    def test_app_assignor_names_our_changelog_partitions(self, app):
        assert app.assignor.assigned_actives() == set()

    def test_agents_know_their_channels_topics(self, app):
        @app.agent(input_topic(app, "one", "two"))
        async def read(stream):
            pass

        assert [list(agent.channel.topics) for agent in app.agents.values()] == [["one", "two"]]


class TestFaustConsumer:
    """engine/consumer.py"""

    def test_consumer_new_consumer_thread_is_the_hook(self):
        assert "self._thread = self._new_consumer_thread()" in source(faust_consumer.ThreadDelegateConsumer.__init__)

    def test_consumer_perform_seek_fills_committed_offset(self):
        assert "self._committed_offset.update" in source(faust_consumer.Consumer.perform_seek)

    def test_consumer_seek_to_committed_does_not_seek_where_nothing_is_committed(self):
        """Hence we seek to the beginning ourselves."""
        assert "if offset and offset > 0" in source(AIOKafkaConsumer.seek_to_committed)

    def test_consumer_drain_messages_is_the_fetchers_task(self):
        assert parameters(faust_consumer.Consumer._drain_messages) == ["self", "fetcher"]
        assert "await consumer._drain_messages(self)" in source(faust_consumer.Fetcher._fetcher.fun)

    def test_consumer_commit_asks_which_offsets_through_our_two_hooks(self):
        assert "_filter_tps_with_pending_acks(topics)" in source(faust_consumer.Consumer.force_commit)
        assert "self._new_offset(tp)" in source(faust_consumer.Consumer._filter_committable_offsets)
        assert parameters(faust_consumer.Consumer._filter_tps_with_pending_acks) == ["self", "topics"]
        assert parameters(faust_consumer.Consumer._new_offset) == ["self", "tp"]

    def test_consumer_should_commit_only_forward(self):
        decide = faust_consumer.Consumer._should_commit
        assert decide(SimpleNamespace(_committed_offset={"tp": None}), "tp", 5)
        assert decide(SimpleNamespace(_committed_offset={"tp": 4}), "tp", 5)
        assert not decide(SimpleNamespace(_committed_offset={"tp": 5}), "tp", 5)

    def test_consumer_wait_empty_is_called_where_streams_are_waited_for(self):
        assert "consumer.wait_empty()" in source(faust.App._consumer_wait_empty)
        assert "stream_wait_empty" in source(faust.App._consumer_wait_empty)
        assert "wait_empty()" in source(faust_consumer.Consumer.on_stop)

    def test_consumer_flow_active_and_active_partitions(self):
        assert "self.flow_active = False" in source(faust_consumer.Consumer.stop_flow)
        assert "_paused_partitions" in source(faust_consumer.Consumer._set_active_tps)
        assert "changelog_topics" in source(faust_consumer.Consumer._is_changelog_tp)

    def test_consumer_get_active_partitions_are_the_assigned_ones_less_the_paused(self):
        assert "_set_active_tps(self.assignment())" in source(faust_consumer.Consumer._get_active_partitions)

    @pytest.mark.parametrize("name", ["earliest_offsets", "highwaters", "seek_wait", "assignment"])
    def test_consumer_offset_methods(self, name):
        assert hasattr(driver.Consumer, name)

    def test_consumer_highwaters_ask_the_broker(self):
        """They are asked for the last *stable* offset, since our consumer reads committed records only."""
        assert "await consumer.end_offsets(partitions)" in source(driver.AIOKafkaConsumerThread._highwaters)
        assert "self._isolation_level" in source(Fetcher._proc_offset_request)

    def test_consumer_seek_wait_takes_a_mapping(self):
        assert parameters(driver.Consumer.seek_wait) == ["self", "partitions"]

    def test_consumer_stopped_errors(self):
        assert driver.Consumer.consumer_stopped_errors == (ConsumerStoppedError,)
        assert driver.ConsumerStoppedError is ConsumerStoppedError

    def test_conductor_tp_index_lists_the_channels_of_a_partition(self):
        assert "self._tp_index.clear()" in source(Conductor.on_partitions_assigned)
        assert "tp_index[tp].add(topic)" in source(Conductor._update_tp_index)

    async def test_queue_force_put_nowait_wakes_the_reader(self):
        queue = FlowControlQueue(flow_control=SimpleNamespace(manage_queue=lambda _: None))
        reader = asyncio.create_task(asyncio.Queue.get(queue))
        await asyncio.sleep(0)
        queue.force_put_nowait("batch")
        assert await asyncio.wait_for(reader, 1) == "batch"
        assert queue.qsize() == 0

    def test_event_and_message(self):
        assert parameters(Event.__init__)[1:] == ["app", "key", "value", "headers", "message"]
        assert parameters(Message.__init__)[1:9] == [
            *("topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value")
        ]
        message = ConsumerMessage("t", 0, 1, 0.0, 0, None, None, None, None, 0, 0, TP("t", 0), generation_id=3)
        assert (message.tp, message.generation_id, message.acked) == (TP("t", 0), 3, False)

    def test_message_on_final_ack_comes_with_the_last_reference(self):
        assert in_order(source(Message.ack), "self.decref(n)", "self.on_final_ack(consumer)")

    def test_stream_noack_events(self, app):
        stream = app.stream(app.channel())
        assert stream.enable_acks
        assert not stream.noack().enable_acks
        assert inspect.isasyncgenfunction(faust.Stream.events)

    def test_transport_creates_the_consumer_from_a_class_attribute(self):
        assert "self.Consumer(self" in source(transport_base.Transport.create_consumer)
        assert parameters(transport_base.Transport.__init__) == ["self", "url", "app", "loop"]


class TestFaustThread:
    """engine/thread.py"""

    def test_thread_create_worker_consumer_is_the_hook(self):
        assert "self._create_worker_consumer(transport)" in source(driver.AIOKafkaConsumerThread._create_consumer)
        assert "self._assignor" in source(driver.AIOKafkaConsumerThread._create_worker_consumer)

    async def test_thread_client_takes_all_that_we_pass(self, app):
        consumer = ConsumerThread._create_worker_consumer(SimpleNamespace(app=app), None)
        assert consumer._isolation_level == "read_committed"
        await consumer.stop()

    async def test_thread_call_thread_runs_in_the_thread(self):
        assert inspect.iscoroutinefunction(ConsumerThread.call_thread)
        assert parameters(ConsumerThread.call_thread)[:2] == ["self", "fun"]

    def test_thread_ensure_consumer_gives_the_client_or_raises(self):
        assert in_order(source(ConsumerThread._ensure_consumer), "raise ConsumerNotStarted", "return self._consumer")

    def test_thread_worker_runs_start_thread(self):
        assert ServiceThread.Worker is WorkerThread
        assert "self.service._start_thread()" in source(WorkerThread.run)
        assert "self.Worker(self)" in source(ServiceThread.start)

    def test_thread_crash_releases_who_waits_for_the_start(self):
        assert "maybe_set_exception(self._thread_running, exc)" in source(ServiceThread.crash)
        assert callable(maybe_set_exception)

    def test_thread_on_crash_only_prints(self):
        assert "print" in source(ServiceThread.on_crash)


class TestFaustTables:
    """engine/store.py, engine/table.py"""

    def test_table_new_store_is_the_hook_and_its_post_init_runs(self, app):
        table = trails_table(app)
        assert isinstance(table.data, ShardedStore)
        assert table.data.ready is False
        assert table.changelog_topic_name == "contract-correlate-trails-changelog"

    def test_table_can_be_windowed(self, app):
        wrapper = app.Table("w", partitions=4, key_type=bytes, value_type=bytes).tumbling(60, expires=60)
        assert isinstance(wrapper.table.data, ShardedStore)
        assert "_del_old_keys" in source(Collection._clean_data.fun)

    def test_table_forwards_rebalance_and_recovery_to_the_store(self):
        assert "self.data.on_rebalance(" in source(Collection.on_rebalance)
        assert "self.data.on_recovery_completed(" in source(Collection.on_recovery_completed)
        assert "self.data.persisted_offset(tp)" in source(Collection.persisted_offset)

    def test_table_on_start_declares_a_topic_where_ours_must_not(self):
        assert in_order(source(Collection.on_start), "add_runtime_dependency(self.data)", "maybe_declare()")
        assert "await self.on_start()" in source(mode.Service._actually_start)

    @pytest.mark.parametrize("name", ["apply_changelog_batch", "reset_state", "backup_partition", "restore_backup"])
    def test_store_methods_that_must_do_nothing_are_still_those_of_the_interface(self, name):
        assert callable(getattr(Store, name, None) or getattr(StoreT, name))

    def test_table_manager_stop_stops_the_tables(self):
        assert "await table.stop()" in source(TableManager.on_stop)

    def test_store_interface(self):
        assert {"persisted_offset", "on_rebalance", "on_recovery_completed"} <= set(dir(Store))
        assert not inspect.isabstract(ShardedStore)

    def test_recovery_finds_nothing_to_do_where_the_offset_is_the_last(self):
        needs = Recovery.need_recovery
        remaining = Recovery.active_remaining
        state = SimpleNamespace(active_highwaters={"tp": 9}, active_offsets={"tp": 9})
        state.active_remaining = lambda: remaining(state)
        assert not needs(state)
        assert "tp: value - 1" in source(Recovery._build_highwaters)

    def test_recovery_restores_then_seeks_then_is_ready(self):
        text = source(Recovery.on_recovery_completed)
        assert in_order(text, "table.on_recovery_completed", "perform_seek", "resume_flow", "on_actives_ready")

    def test_recovery_swallows_what_a_table_raises(self):
        """So the store crashes the app itself."""
        assert "await asyncio.wait(callback_coros)" in source(Recovery.on_recovery_completed)

    def test_rebalance_start_makes_actives_not_ready(self):
        assert "self.actives_ready = False" in source(TableManager.on_rebalance_start)


class TestMode:
    """engine/app.py, engine/watchdog.py, engine/runner.py"""

    def test_crashing_supervisor_exists(self):
        assert issubclass(mode.CrashingSupervisor, mode.SupervisorStrategy)

    async def test_service_crash_reaches_children_and_keeps_the_reason(self):
        parent, child = mode.Service(), mode.Service()
        parent.add_dependency(child)
        parent._crash(ValueError("why"))
        assert child.crashed
        assert isinstance(child.crash_reason, ValueError)

    def test_service_stop_swallows_a_cancellation(self):
        """So the runner leaves a stop that takes too long, instead of cancelling it."""
        assert in_order(source(mode.Service._default_stop_children), "except asyncio.CancelledError", "pass")

    async def test_service_task_starts_with_the_service(self):
        seen = asyncio.Event()

        class Told(mode.Service):
            @mode.Service.task
            async def tell(self):
                seen.set()

        service = Told()
        assert await service.maybe_start()
        await asyncio.wait_for(seen.wait(), 1)
        await service.stop()
