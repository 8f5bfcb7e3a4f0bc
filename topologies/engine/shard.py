"""One partition of the state: what is owned, fenced, restored and committed as a whole.

A shard has a producer of its own with a transactional id that names the partition and not the worker. Starting it
fences whoever had the shard before and aborts what he left open, so a worker that was paused cannot write any more.
Rows, outputs and the input's offset go into one transaction: all of it becomes visible, or nothing does.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from topologies.engine.bounded import bounded
from topologies.engine.errors import EngineError
from topologies.engine.sender import OVERHEAD, Record, check_size, new_producer, stop_producer, write
from topologies.engine.settings import EngineSettings


class Shard:
    """Rows and outputs of one partition. A step changes it with `put`, `remove`, `emit` and `asks`, and nothing else.

    `rows` is for reading only. `local` is the caller's: what he derives from the rows and need not be restored.
    """

    def __init__(self, partition: int, *, group: str, name: str, changelog: str, settings: EngineSettings) -> None:
        self.partition = partition
        self.rows: dict[bytes, bytes] = {}
        self.asks: list[tuple[str, int | None, bytes, bytes]] = []
        self.local: Any = None
        self.position: int | None = None
        """The next input offset; None before the first Batch."""
        self.pending = 0
        """Input records since the last commit."""
        self.open = False
        """A transaction is under way."""
        self.lock = asyncio.Lock()
        self.retired = False
        self._group = group
        self._changelog = changelog
        self._transactional_id = f"{group}-{name}-{partition}"
        self._settings = settings
        self._roomy = settings.limit(changelog) - OVERHEAD
        """Bytes of a row that need no closer look: it is written for every mail."""
        self._producer: AIOKafkaProducer | None = None
        self._dirty: dict[bytes, bytes | None] = {}
        self._outputs: list[Record] = []

    # What a step does. It holds the lock, never waits, and is undone as a whole where the commit fails.

    def put(self, key: bytes, value: bytes) -> None:
        """Set a row. Raises RecordTooLargeError, and changes nothing, where the changelog could not hold it."""
        if len(key) + len(value) > self._roomy:
            check_size(Record(self._changelog, key, value), self._settings.limit(self._changelog))
        self.rows[key] = value
        self._dirty[key] = value

    def remove(self, key: bytes) -> None:
        """Drop a row, if there is one, for good: the changelog gets a tombstone."""
        if self.rows.pop(key, None) is not None:
            self._dirty[key] = None

    def emit(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Publish with the commit. Without a partition, where Kafka's partitioner puts the key (none: as an empty one).

        Raises RecordTooLargeError, and changes nothing, where the broker would refuse it.
        """
        record = Record(topic, key, value, partition, headers)
        check_size(record, self._settings.limit(topic))
        self._outputs.append(record)

    # What the engine does.

    async def fence(self) -> None:
        """Become the only one who can write to this shard. What another left open is aborted."""
        self._producer = new_producer(
            self._settings,
            transactional_id=self._transactional_id,
            transaction_timeout_ms=int(self._settings.transaction_timeout * 1000),
        )
        async with self._bound("fence"):
            await self._producer.start()

    async def begin(self) -> None:
        """Open a transaction, unless one is open."""
        if not self.open:
            async with self._bound("begin"):
                await self._made().begin_transaction()
            self.open = True

    async def commit(self, source: str) -> bool:
        """Make everything since `begin` visible, and the position of topic `source` with it. False: there was nothing.

        Raises ProducerFenced where another owns the shard, and what else aiokafka raises. The shard is then of no
        more use: the process must end.
        """
        if not self.open or self.position is None:
            return False
        producer = self._made()
        rows = [Record(self._changelog, key, value, self.partition) for key, value in self._dirty.items()]
        offsets = {TopicPartition(source, self.partition): self.position}
        async with self._bound("commit"):
            await write(producer, [*rows, *self._outputs])
            await producer.send_offsets_to_transaction(offsets, self._group)
            await producer.commit_transaction()
        self._dirty, self._outputs, self.open, self.pending = {}, [], False, 0
        return True

    def poison(self) -> None:
        """A step broke off half-way: nothing of this shard may be committed any more."""
        self.retired = True

    async def retire(self) -> None:
        """No longer ours. Under the lock, since stopping a producer that somebody awaits leaves him waiting for good.

        What is not committed is dropped; the next owner's fence aborts it. StuckError where the lock stays taken.
        """
        self.retired = True
        async with self._bound("retire"), self.lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer, self._settings.drain_timeout)

    def _made(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise EngineError(f"Shard {self.partition} is not fenced")
        return self._producer

    def _bound(self, what: str) -> AbstractAsyncContextManager[None]:
        return bounded(self._settings.io_timeout, f"Shard {self.partition} of {self._group} did not {what}")
