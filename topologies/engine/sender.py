"""Sending many records in few batches, and a plain producer for what needs no transaction.

aiokafka's `send` costs five times what a batch made by hand costs (5.5 against 1 us a record).
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from topologies.engine.bounded import bounded
from topologies.engine.errors import EngineError, RecordTooLargeError
from topologies.engine.partitions import partition_of
from topologies.engine.settings import EngineSettings

_BATCH_BYTES = 1 << 18
OVERHEAD = 128
"""Bytes of a batch with one record that are neither key, value nor headers; rounded up."""


class Record(NamedTuple):
    """A record to be sent. Without a partition it goes where Kafka's own partitioner puts its key.

    A tuple, for it is made for every row: a frozen dataclass takes three times as long.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()


def check_size(record: Record, limit: int) -> None:
    """Refuse a record that the broker would refuse, while whoever made it can still do something else with it."""
    size = OVERHEAD + len(record.key or b"") + len(record.value or b"")
    size += sum(len(name) + len(value or b"") for name, value in record.headers)  # Kafka allows None
    if size > limit:
        raise RecordTooLargeError(
            f"A record of {size} bytes for {record.topic} (key {(record.key or b'')[:80]!r}) "
            f"is larger than its limit, {limit}"
        )


def new_producer(settings: EngineSettings, **extra: Any) -> AIOKafkaProducer:
    """An idempotent producer, not yet started. With `transactional_id` it takes part in transactions."""
    return AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        max_batch_size=_BATCH_BYTES,
        max_request_size=settings.max_record_bytes + _BATCH_BYTES,
        compression_type=settings.compression,
        **settings.clients(),
        **extra,
    )


async def write(producer: AIOKafkaProducer, records: Iterable[Record]) -> None:
    """Send all and wait until the broker has all. The order within a partition stands. Raises the first failure."""
    placed: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        partition = record.partition
        if partition is None:
            partition = partition_of(record.key or b"", len(await producer.partitions_for(record.topic)))
        placed.setdefault((record.topic, partition), []).append(record)
    await asyncio.gather(*[_write_one(producer, *at, some) for at, some in placed.items()])


async def _write_one(producer: AIOKafkaProducer, topic: str, partition: int, records: list[Record]) -> None:
    sent = []
    for batch in _batches(producer, records):
        future = await producer.send_batch(batch, topic, partition=partition)
        future.add_done_callback(_retrieve)
        sent.append(future)
    await asyncio.gather(*sent)


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Of many failures one is raised; asyncio must not print the others."""
    if not future.cancelled():
        future.exception()


def _batches(producer: AIOKafkaProducer, records: list[Record]) -> Iterator[Any]:
    """The records in as few batches as hold them. An empty batch takes any one record."""
    batch = producer.create_batch()
    for record in records:
        if not _append(batch, record):
            yield batch
            batch = producer.create_batch()
            if not _append(batch, record):
                raise EngineError(f"An empty batch did not take a record for {record.topic}")
    yield batch


def _append(batch: Any, record: Record) -> bool:
    """False where the batch is full."""
    made = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return made is not None


class Sender:
    """A producer for what may be sent twice: facts and asks. Idempotent, and every send is awaited, within a bound.

    It connects at the first send. All agents of an app may share one: `app.sender()`, which is stopped after them.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, records: Iterable[Record]) -> None:
        """Returns once Kafka has all of them. Raises what aiokafka raises, and StuckError after `io_timeout`.

        RecordTooLargeError comes before anything is sent; after any other error the process must end.
        """
        records = list(records)
        for record in records:
            check_size(record, self._settings.limit(record.topic))
        if records:
            async with bounded(self._settings.io_timeout, f"Kafka did not take {len(records)} records"):
                await write(await self._connected(), records)

    async def stop(self) -> None:
        """Flush and disconnect, within a bound."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer, self._settings.drain_timeout)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        async with bounded(self._settings.io_timeout, f"Kafka did not describe {topic}"):
            return len(await (await self._connected()).partitions_for(topic))

    async def _connected(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = new_producer(self._settings)
                try:
                    await producer.start()
                except BaseException:
                    await stop_producer(producer, self._settings.drain_timeout)
                    raise
                self._producer = producer
            return self._producer


async def stop_producer(producer: AIOKafkaProducer, bound: float) -> None:
    """Stop it, but do not wait for ever: with an unfinished batch and no broker aiokafka would."""
    async with bounded(bound, "A producer did not stop"):
        await producer.stop()
