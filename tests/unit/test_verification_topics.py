"""What `verify` says where Kafka is lost while it reads: a sentence, and no wait for ever."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import TopicPartition

from service.verification import topics
from service.verification.said import Said
from service.verification.topics import Reader, TopicsError, Where

GAPS = TopicPartition("gaps", 0)


class Consumer:
    """Kafka's client, whose broker has gone: before it said where the topic ends, or after that."""

    def __init__(self, *, says_ends: bool, brings: int = 0) -> None:
        self._says_ends, self._at, self._brings = says_ends, 0, brings

    def assignment(self):
        return {GAPS}

    async def end_offsets(self, _):
        if not self._says_ends:
            await asyncio.Event().wait()
        return {GAPS: 7}

    async def position(self, _):
        return self._at

    async def getmany(self, **_):
        await asyncio.sleep(0)
        self._at = min(self._at + 1, self._brings)
        return {}


def reader(monkeypatch, consumer, quiet):
    monkeypatch.setattr(topics, "AIOKafkaConsumer", lambda **_: consumer)
    monkeypatch.setattr(topics, "QUIET", quiet)
    return Reader(Where("kafka:9092", "correlated", "gaps"), Said())


@pytest.mark.parametrize("consumer", [Consumer(says_ends=False), Consumer(says_ends=True, brings=3)])
async def test_a_broker_that_is_lost(monkeypatch, consumer):
    with pytest.raises(TopicsError, match=r"Kafka at kafka:9092 has brought nothing for 0\.05 s: see that it runs"):
        await reader(monkeypatch, consumer, 0.05).read_on()


async def test_a_broker_that_is_slow(monkeypatch):
    consumer = Consumer(says_ends=True, brings=7)
    assert await reader(monkeypatch, consumer, 30).read_on() == 0
    assert await consumer.position(GAPS) == 7
