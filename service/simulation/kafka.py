"""Plays a run to Kafka: each record when it arrives, what lies in the past at once, each with its own timestamp.

It waits for brokers that do not answer for minutes, sends nothing twice by itself, and measures how late Kafka had a
record, since over the grace no verdict is promised.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from service.facts import Source
from service.simulation import truth
from service.simulation.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from service.facts import Instant
    from service.simulation.plan import Plan
    from service.simulation.transport import Record

_PENDING: Final = 20_000
"""Records on their way, at most."""
_PATIENCE: Final = 300_000
"""Milliseconds for which brokers may not answer."""
_LARGEST: Final = 1 << 20


class KafkaLostError(Exception):
    """Kafka did not take what was sent; the text says what it said."""


class Inputs(NamedTuple):
    """Where a run goes; a source may have several topics, and a host's log is all in one of them."""

    bootstrap_servers: str
    smtp: tuple[str, ...]
    ses: tuple[str, ...]
    client: Mapping[str, Any] = MappingProxyType({})
    """Further arguments of the client: TLS and SASL."""

    def topic(self, record: Record) -> str:
        """The topic of a record."""
        topics = self.smtp if record.source is Source.SMTP else self.ses
        return topics[crc32(record.key) % len(topics)]


async def play(plan: Plan, inputs: Inputs, path: Path, progress: Callable[[int, int], None]) -> truth.Footer:
    """Plays it all; the truth goes to `path`. `progress` hears of mails and records. Raises `KafkaLostError`."""
    producer = AIOKafkaProducer(
        bootstrap_servers=inputs.bootstrap_servers.split(","),
        **inputs.client,
        enable_idempotence=True,
        linger_ms=5,
        request_timeout_ms=_PATIENCE,
        max_request_size=_LARGEST,
    )
    try:
        await producer.start()
        with path.open("wb") as told:
            story = Story(plan, lambda mail: truth.write(told, mail))
            truth.write(told, story.header)
            told.flush()  # whoever waits for the beginning sees it
            lag = await _Player(producer, inputs, int(time.time() * 1000)).play(story, progress)
            footer = story.footer(lag)
            truth.write(told, footer)
            return footer
    except KafkaError as error:
        raise KafkaLostError(f"Kafka at {inputs.bootstrap_servers} did not take it: {error}") from error
    finally:
        await producer.stop()


class _Player:
    def __init__(self, producer: Any, inputs: Inputs, began: Instant) -> None:
        self._producer, self._inputs, self._began = producer, inputs, began
        self._pending: deque[tuple[Instant, asyncio.Future[Any]]] = deque()
        self._worst = 0

    async def play(self, story: Story, progress: Callable[[int, int], None]) -> int:
        """Returns the longest that Kafka took to have a record of after the beginning, in milliseconds."""
        for record in story.records():
            wait = record.arrives - time.time() * 1000
            if wait > 1:
                await self._taken(0 if self._idle(wait) else _PENDING)
                progress(story.mails, story.by_source.total())
                await asyncio.sleep(max(record.arrives / 1000 - time.time(), 0))
            topic = self._inputs.topic(record)
            sent = await self._producer.send(topic, key=record.key, value=record.value, timestamp_ms=record.at)
            sent.add_done_callback(self._clock(record.arrives))
            self._pending.append((record.arrives, sent))
            if len(self._pending) >= _PENDING:
                await self._taken(_PENDING // 2)
        await self._taken(0)
        progress(story.mails, story.by_source.total())
        return self._worst

    def _clock(self, arrives: Instant) -> Callable[[object], None]:
        def note(_: object) -> None:
            if arrives > self._began:
                self._worst = max(self._worst, int(time.time() * 1000) - arrives)

        return note

    @staticmethod
    def _idle(wait: float) -> bool:
        return wait > 1000  # noqa: PLR2004 a second's pause: time to see that all has been taken

    async def _taken(self, most: int) -> None:
        """Waits until no more than so many are on their way, and sees what became of the others."""
        while len(self._pending) > most:
            await self._pending.popleft()[1]
