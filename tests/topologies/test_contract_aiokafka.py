"""Every internal of aiokafka that the engine builds on, one test each. Its half of `test_contract.py`."""

import asyncio
import inspect
import textwrap
from types import SimpleNamespace

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.codec import has_lz4, has_snappy, has_zstd
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.subscription_state import SubscriptionState, TopicPartitionState
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.sender import Sender
from faust.types import TP


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


class TestAiokafkaConsumer:
    """engine/thread.py, engine/restore.py"""

    def test_fetcher_fetched_records_does_not_wait_with_no_timeout(self):
        assert parameters(Fetcher.fetched_records) == ["self", "partitions", "timeout", "max_records"]
        text = source(Fetcher.fetched_records)
        assert in_order(text, "getall(max_records)", "if drained or not timeout:", "return drained")

    def test_fetcher_moves_the_position_past_markers_with_no_records(self):
        assert "consumed_to(self._partition_records.next_fetch_offset)" in source(FetchResult._update_position)

    def test_fetcher_drops_what_was_fetched_from_another_position(self):
        assert "position != self._partition_records.next_fetch_offset" in source(FetchResult.check_assignment)

    def test_fetcher_waiter_is_woken_by_new_data(self):
        assert "_notify(waiter)" in source(Fetcher._fetch_requests_routine)
        assert callable(Fetcher._create_fetch_waiter)

    def test_fetcher_resets_a_position_that_is_gone_to_the_strategy(self):
        assert in_order(source(Fetcher._proc_fetch_request), "OffsetOutOfRangeError", "tp_state.await_reset")

    def test_fetcher_subscriptions_is_the_subscription_state(self):
        assert "self._subscriptions = subscriptions" in source(Fetcher.__init__)

    def test_subscription_fetch_context(self):
        assert hasattr(SubscriptionState, "fetch_context")

    async def test_partition_state_position(self):
        state = TopicPartitionState(SimpleNamespace())
        assert not state.has_valid_position
        state.seek(5)
        assert (state.has_valid_position, state.position) == (True, 5)

    async def test_consumer_holds_fetcher_subscription_and_closed(self):
        consumer = AIOKafkaConsumer(bootstrap_servers="nowhere:9092")
        assert consumer._fetcher is None
        assert consumer._closed is False
        assert consumer._subscription.subscription is None
        await consumer.stop()

    async def test_assignment_has_tps_and_state_value(self):
        state = SubscriptionState(loop=asyncio.get_running_loop())
        tp = TopicPartition("t", 0)
        state.assign_from_user({tp})
        assignment = state.subscription.assignment
        assert TP("t", 0) in assignment.tps
        assert assignment.state_value(TP("t", 0)).has_valid_position is False

    def test_admin_describe_topics_names_topics_and_partitions(self):
        assert 'obj["topics"]' in source(AIOKafkaAdminClient.describe_topics)


class TestAiokafkaProducer:
    """engine/sender.py, engine/shard.py"""

    def test_producer_takes_all_that_we_pass(self):
        ours = {"acks", "enable_idempotence", "max_batch_size", "max_request_size", "compression_type"}
        ours |= {"transactional_id", "transaction_timeout_ms", "bootstrap_servers"}
        assert ours <= set(parameters(AIOKafkaProducer.__init__))

    def test_producer_start_fences(self):
        """It returns once InitProducerId was answered, which is once the former owner's transaction is closed."""
        assert "await self._maybe_wait_for_pid()" in source(Sender.start)

    def test_producer_transaction_methods(self):
        assert parameters(AIOKafkaProducer.send_offsets_to_transaction) == ["self", "offsets", "group_id"]
        assert parameters(AIOKafkaProducer.send_batch) == ["self", "batch", "topic", "partition"]
        assert issubclass(ProducerFenced, KafkaError)

    def test_batch_append_returns_none_when_full(self):
        batch = BatchBuilder(1000, 0)
        appended = [batch.append(timestamp=None, key=b"k", value=bytes(400)) for _ in range(3)]
        assert [made is None for made in appended] == [False, False, True]
        assert batch.record_count() == 2

    def test_batch_append_takes_one_record_of_any_size(self):
        batch = BatchBuilder(1000, 0)
        assert batch.append(timestamp=None, key=b"k", value=bytes(50_000), headers=[("h", b"v")]) is not None

    def test_producer_stop_may_wait_for_a_flush_that_never_ends(self):
        """Hence the bound around it."""
        assert "self._message_accumulator.close()" in source(AIOKafkaProducer.stop)

    def test_codecs_are_there(self):
        assert has_zstd()
        assert has_lz4()
        assert has_snappy()


def test_aiokafka_murmur2_is_kafkas():
    assert aiokafka.partitioner.murmur2(b"21") == -973932308 & 0xFFFFFFFF
