"""Reads one of our topics as it stands: from its beginning to the end that it has now, and only what is committed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.edges import topics
from service.edges.kafka_clients import client_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.settings import Settings

PATIENCE: Final = 30.0
"""Seconds for which Kafka may give nothing of what it has."""


@asynccontextmanager
async def reader(settings: Settings, topic: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer at the beginning of all partitions, in no group, with these options of aiokafka.

    Raises `KafkaUnusableError` where no Kafka answers or the topic is not there.
    """
    count = (await topics.counts(settings)).get(topic)
    if count is None:
        raise topics.KafkaUnusableError(
            f"topic {topic} is not there: make ours with `mailgap topics create`, or give --prefix"
        )
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        **options,
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(count)])
        yield consumer
    finally:
        await consumer.stop()


async def records(consumer: AIOKafkaConsumer) -> AsyncIterator[Any]:
    """Every record up to where the partitions end now; those of one partition in order.

    Raises `KafkaUnusableError` where Kafka gives nothing for `PATIENCE`, as when it has gone away.
    """
    partitions = consumer.assignment()
    ends = await consumer.end_offsets(partitions)
    clock = asyncio.get_running_loop().time
    before: dict[TopicPartition, int] = {}
    moved = clock()
    while True:
        now = {tp: await consumer.position(tp) for tp in partitions}
        if all(at >= ends[tp] for tp, at in now.items()):
            return
        if now != before:
            before, moved = now, clock()
        elif clock() - moved > PATIENCE:
            raise topics.KafkaUnusableError(
                f"Kafka has given nothing for {PATIENCE:g} s: look at the brokers, try again"
            )
        for batch in (await consumer.getmany(timeout_ms=500)).values():
            for record in batch:
                yield record
