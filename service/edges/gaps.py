"""Reads what the gaps topic has of each gap, and asks the workers to close some.

The workers write the record of a closing themselves, in the transaction that changes their state: only so is it the
next revision, comes once, and is true after every crash. What is asked here waits on the facts topic until it is read.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiokafka import AIOKafkaProducer

from service import facts_record
from service.contract.enums import GapState
from service.contract.gap import SCHEMA, GapRecord
from service.edges.kafka_clients import client_options
from service.edges.reading import reader, records
from service.facts_record import Closing, FactsRecord
from service.lives import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.settings import Settings

_gap: Final = msgspec.json.Decoder(GapRecord).decode


class _Any(msgspec.Struct):
    schema: str = ""


_any: Final = msgspec.json.Decoder(_Any).decode


async def read(settings: Settings) -> dict[str, GapRecord]:
    """The latest record of every gap, by its id. Raises `KafkaUnusableError`."""
    found: dict[str, GapRecord] = {}
    async with reader(settings, settings.topics.gaps) as consumer:
        async for record in records(consumer):
            take(found, record)
    return found


async def close(
    settings: Settings, gaps: Iterable[GapRecord], by: str, reason: str, patience: float
) -> dict[str, GapRecord]:
    """Asks for these to be closed; returns those that have ended when `patience` seconds are over, or all have.

    Raises `KafkaUnusableError`.
    """
    at = time.time_ns() // 1_000_000
    wanted = {gap.gap_id: gap for gap in gaps}
    async with reader(settings, settings.topics.gaps) as consumer:
        await consumer.seek_to_end()
        for tp in consumer.assignment():
            await consumer.position(tp)  # where it is now, before anything is asked
        await _ask(settings, wanted.values(), at, by, reason)
        ended: dict[str, GapRecord] = {}
        until = time.monotonic() + patience
        while len(ended) < len(wanted) and (left := until - time.monotonic()) > 0:
            for batch in (await consumer.getmany(timeout_ms=int(min(left, 1) * 1000))).values():
                for record in batch:
                    take(ended, record)
            ended = {i: gap for i, gap in ended.items() if i in wanted and gap.state is not GapState.OPENED}
    return ended


async def _ask(settings: Settings, gaps: Iterable[GapRecord], at: int, by: str, reason: str) -> None:
    """Each to where the row of its mail is: Kafka's own partitioner places a name as the workers do."""
    producer = AIOKafkaProducer(**client_options(settings), enable_idempotence=True)
    await producer.start()
    try:
        for gap in gaps:
            closing = Closing(name_of(gap.mail_id, gap.ses_message_id), gap.gap_id, at, by, reason)
            value = facts_record.pack(FactsRecord(closings=[closing]))
            await producer.send(settings.topics.facts, key=closing.name, value=value)
        await producer.flush()
    finally:
        await producer.stop()


def take(found: dict[str, GapRecord], record: Any) -> None:
    """Keeps what a record of the gaps topic says of its gap: the record, or with a tombstone nothing."""
    key = record.key.decode(errors="replace")
    if record.value is None:
        found.pop(key, None)
    elif _any(record.value).schema == SCHEMA:
        found[key] = _gap(record.value)
