"""Reading one of our topics to its end: a Kafka that goes away in the middle is said, and not waited for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.edges import reading
from service.edges.topics import KafkaUnusableError

HERE = TopicPartition("mailgap-gaps", 0)


class Gone(AIOKafkaConsumer):
    """A client whose broker has gone after so many records."""

    def __init__(self, given: int) -> None:
        super().__init__(bootstrap_servers="nowhere:9092")
        self.given, self.at = given, 0

    def assignment(self):
        return frozenset({HERE})

    async def end_offsets(self, partitions):
        return dict.fromkeys(partitions, 5)

    async def position(self, _):
        return self.at

    async def getmany(self, **_):
        await asyncio.sleep(0)
        if self.at == self.given:
            return {}
        self.at += 1
        return {HERE: [SimpleNamespace(offset=self.at - 1)]}


async def _read(given: int) -> list[int]:
    consumer = Gone(given)
    try:
        return [record.offset async for record in reading.records(consumer)]
    finally:
        await consumer.stop()


async def test_all_is_read_up_to_the_end():
    assert await _read(5) == [0, 1, 2, 3, 4]


async def test_a_kafka_that_goes_away_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(reading, "PATIENCE", 0.01)
    async with asyncio.timeout(5):
        with pytest.raises(KafkaUnusableError, match=r"Kafka has given nothing for 0.01 s"):
            await _read(3)
