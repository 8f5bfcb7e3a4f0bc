"""Follows our topics into the store, and the sources' watermarks into memory.

The store's own positions say where to go on, and move in the transaction that keeps what was read: after a crash a
batch is read again, and a new store begins at the beginning. No group is joined; several pages may follow into one
PostgreSQL.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from service import facts_record
from service.contract.condition import SCHEMA as CONDITION
from service.contract.condition import ConditionRecord
from service.contract.correlated import SCHEMA as CORRELATED
from service.edges import topics
from service.edges.kafka_clients import client_options
from service.logs import fields
from service.metrics import TRACE_UNREADABLE, TRACE_WRITTEN
from service.rows import UnknownVersionError
from service.trace.entry import entry
from service.trace.store.writing import Batch, ConditionRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from service.settings import Settings
    from service.trace.store.store import Store
    from service.watermarks import Watermarks

MOST_RECORDS: Final = 5_000
"""In a batch: about half a second of writing."""
_LOOK_BACK: Final = 2_000
"""Facts records in which each partition of the inputs has surely been spoken of."""

log: Final = logging.getLogger("mailgap.trace")


class _Kind(msgspec.Struct):
    schema: str = ""


_kind: Final = msgspec.json.Decoder(_Kind).decode
_condition: Final = msgspec.json.Decoder(ConditionRecord).decode


class Follower:
    """Reads the correlated and gaps topics into the store until it is cancelled. Raises `KafkaUnusableError`."""

    def __init__(self, settings: Settings, store: Store, marks: Watermarks) -> None:
        self._settings, self._store, self._marks = settings, store, marks
        self._consumer: AIOKafkaConsumer | None = None
        self._next: dict[TopicPartition, int] = {}

    def waiting(self) -> int | None:
        """Records that are not read yet; None before the first answer of Kafka's."""
        consumer = self._consumer
        if consumer is None:
            return None
        total = 0
        for tp, read in self._next.items():
            end: int | None = consumer.highwater(tp)
            total += 0 if end is None else max(0, end - read)
        return total

    async def run(self) -> None:
        """Both, until one ends."""
        counts = await topics.counts(self._settings)
        ours = self._settings.topics
        if ours.correlated not in counts:
            raise topics.KafkaUnusableError(
                f"topic {ours.correlated} is not there: make ours with `mailgap topics create`, or give --prefix"
            )
        followed = {name: counts[name] for name in (ours.correlated, ours.gaps) if name in counts}
        parts = [asyncio.create_task(self._records(followed))]
        if ours.facts in counts:
            parts.append(asyncio.create_task(self._watermarks(TopicPartition(ours.facts, 0))))
        try:
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    async def _records(self, counts: dict[str, int]) -> None:
        async with self._reading("read_committed") as consumer:
            consumer.assign([TopicPartition(topic, part) for topic, count in counts.items() for part in range(count)])
            for topic, count in counts.items():
                known = await asyncio.to_thread(self._store.positions, topic)
                for part in range(count):
                    tp = TopicPartition(topic, part)
                    self._next[tp] = known.get(part, 0)
                    consumer.seek(tp, self._next[tp])
            self._consumer = consumer
            while True:
                fetched = await consumer.getmany(timeout_ms=1000, max_records=MOST_RECORDS)
                if fetched:
                    await self._keep(fetched)

    async def _keep(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        batch = await asyncio.to_thread(batch_of, [record for records in fetched.values() for record in records])
        TRACE_WRITTEN.inc(await asyncio.to_thread(self._store.write, batch))
        self._next |= {tp: records[-1].offset + 1 for tp, records in fetched.items()}

    async def _watermarks(self, tp: TopicPartition) -> None:
        """Every partition of the facts carries all statements: one is enough to know them."""
        async with self._reading("read_uncommitted") as consumer:
            consumer.assign([tp])
            first, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
            consumer.seek(tp, max(first, end - _LOOK_BACK))
            while True:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    await asyncio.to_thread(self._learn, [record.value for record in records if record.value])

    def _learn(self, values: Iterable[bytes]) -> None:
        for value in values:
            try:
                statement = facts_record.unpack(value).watermark
            except (UnknownVersionError, msgspec.DecodeError):
                TRACE_UNREADABLE.inc()
                continue
            if statement is not None:
                self._marks.learn(msgspec.structs.replace(statement, news=()))

    @asynccontextmanager
    async def _reading(self, isolation: str) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            isolation_level=isolation,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_bytes=16 << 20,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            self._consumer = None
            await consumer.stop()


def batch_of(records: Iterable[Any]) -> Batch:
    """What records of our topics say. What cannot be read is left out, counted and logged by its place."""
    batch = Batch()
    for record in records:
        place = record.topic, record.partition
        batch.positions[place] = record.offset + 1
        key = (record.key or b"").decode(errors="replace")
        try:
            _take(batch, key, record.value)
        except (msgspec.DecodeError, ValueError) as error:
            TRACE_UNREADABLE.inc()
            where = f"{record.topic}/{record.partition}/{record.offset}"
            log.warning("trace_unreadable", extra=fields("trace_unreadable", record=where, why=type(error).__name__))
    return batch


def _take(batch: Batch, key: str, value: bytes | None) -> None:
    if value is None:
        batch.removed.append(key)
        batch.entries = [kept for kept in batch.entries if kept.key != key]
        return
    schema = _kind(value).schema
    if schema == CORRELATED:
        batch.entries.append(entry(key, value))
    elif schema == CONDITION:
        condition = _condition(value)
        batch.conditions.append(ConditionRow(condition.condition_id, condition.revision, value))
