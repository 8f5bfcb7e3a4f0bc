"""Reads the dead letters, and sends them again to where they came from.

A letter that is sent again and fails again is a new letter; it remembers the first record it goes back to, and of those
with one origin only the latest counts. To send a letter twice does no harm: facts are joined, and know no doubles.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer

from service.contract import dead_letter
from service.edges import topics
from service.edges.kafka_clients import client_options
from service.edges.reading import reader, records
from service.facts import REFUSALS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from service.contract.dead_letter import DeadLetter
    from service.settings import Settings

ORIGIN: Final = "__mailgap.replay.origin"
"""On a record that was sent again: `topic/partition/offset` of the first record of its kind."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter: `position` is its own, `partition/offset` on the dead letters' topic."""

    position: str
    about: DeadLetter
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    """Those of the original record."""

    @property
    def origin(self) -> str:
        """Where the first record of its kind stood."""
        said = dict(self.headers).get(ORIGIN)
        at = f"{self.about.topic}/{self.about.partition}/{self.about.offset}"
        return at if said is None else said.decode(errors="replace")


async def read(settings: Settings) -> list[Letter]:
    """All letters that Kafka still has; those of one partition in order. Raises `KafkaUnusableError`."""
    large = {"max_partition_fetch_bytes": topics.LARGEST_DEAD_LETTER}
    async with reader(settings, settings.topics.dead_letters, **large) as consumer:
        return [letter async for record in records(consumer) if (letter := _letter(record)) is not None]


def _letter(record: Any) -> Letter | None:
    about = dead_letter.read(record.headers)
    if about is None:
        return None
    own = tuple((name, value) for name, value in record.headers if not name.startswith(dead_letter.PREFIX))
    return Letter(f"{record.partition}/{record.offset}", about, record.key, record.value, own)


def latest(letters: Iterable[Letter]) -> list[Letter]:
    """Of the letters that go back to one record, the last one that was written."""
    return list({letter.origin: letter for letter in sorted(letters, key=_age)}.values())


def _age(letter: Letter) -> tuple[int, int]:
    """A replay is written behind what it replays, but perhaps to another partition: how often it died comes first."""
    again = ORIGIN in dict(letter.headers)
    return again, letter.about.offset


async def replay(settings: Settings, letters: Iterable[Letter]) -> tuple[int, list[Letter]]:
    """Sends each to its own topic and partition, as it was; returns how many, and those that were not sent: whose
    record is lost, or was refused for what it may be.

    Raises `KafkaUnusableError` where a topic is gone.
    """
    sent, unsent = 0, []
    known = await topics.counts(settings)
    async with _producer(settings) as producer:
        for letter in letters:
            about = letter.about
            if letter.value is None or about.reason in REFUSALS:
                unsent.append(letter)
                continue
            if about.partition >= known.get(about.topic, 0):
                raise topics.KafkaUnusableError(
                    f"{about.topic}/{about.partition} is not there any more: {sent} were sent"
                )
            await producer.send_and_wait(
                about.topic,
                key=letter.key,
                value=letter.value,
                partition=about.partition if about.partition >= 0 else None,
                timestamp_ms=about.timestamp,
                headers=[*(h for h in letter.headers if h[0] != ORIGIN), (ORIGIN, letter.origin.encode())],
            )
            sent += 1
    return sent, unsent


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **client_options(settings),
        enable_idempotence=True,
        max_request_size=topics.LARGEST_DEAD_LETTER,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
