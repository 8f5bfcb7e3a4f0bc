"""Finds what our topics hold of one person, and takes it out of those that are kept for good: tombstones.

Facts and rows go by themselves, with their retention and their window, and dead letters after a week: a topic of that
kind loses no single record. What a worker still has a row of, it may publish again; whoever asks is told until when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from service.contract.correlated import Correlated
from service.contract.wire import instant_of
from service.edges import gaps, letters
from service.edges.kafka_clients import client_options
from service.edges.reading import reader, records
from service.facts import HOUR

if TYPE_CHECKING:
    from service.facts import Instant
    from service.policy import Policy
    from service.settings import Settings

_decode: Final = msgspec.json.Decoder(Correlated).decode


class Place(NamedTuple):
    """A record of a compacted topic, by what a tombstone needs."""

    topic: str
    partition: int
    key: bytes


class Held(NamedTuple):
    """What there is of one person. `newest`: when the latest of the mails came; None where none tells."""

    mails: list[Place]
    gaps: list[Place]
    letters: int
    newest: Instant | None


async def look(settings: Settings, called: frozenset[str], raw: str) -> Held:
    """All of whoever is `called` so, sender or recipient; dead letters by the address as it is: `raw`.

    Raises `KafkaUnusableError`.
    """
    mails: dict[bytes, tuple[Place, Correlated]] = {}
    async with reader(settings, settings.topics.correlated) as consumer:
        async for record in records(consumer):
            document = _read(record.value)
            if document is not None and _speaks_of(document, called):
                mails[record.key] = Place(record.topic, record.partition, record.key), document
            else:
                mails.pop(record.key, None)
    ids = {document.mail_id for _, document in mails.values()}
    places = await _gaps(settings, ids, called)
    times = [at for _, document in mails.values() if (at := _came(document)) is not None]
    return Held([place for place, _ in mails.values()], places, await _letters(settings, raw), max(times, default=None))


def settled_by(newest: Instant, policy: Policy) -> Instant:
    """From when on no worker has a row of a mail of then, nor publishes anything of it again."""
    return newest + max(policy.window + policy.longest + policy.keep, policy.queue_lifetime) + policy.grace + HOUR


async def erase(settings: Settings, held: Held) -> None:
    """A tombstone for each, where the record stands; all are acknowledged when it returns."""
    producer = AIOKafkaProducer(**client_options(settings), enable_idempotence=True)
    await producer.start()
    try:
        waiting = [
            await producer.send(place.topic, key=place.key, value=None, partition=place.partition)
            for place in (*held.mails, *held.gaps)
        ]
        for each in waiting:
            await each
    finally:
        await producer.stop()


def _read(value: bytes | None) -> Correlated | None:
    """None for a tombstone, and for what is no correlated record: nothing of ours stands in that."""
    try:
        return None if value is None else _decode(value)
    except msgspec.DecodeError:
        return None


async def _gaps(settings: Settings, ids: set[str], called: frozenset[str]) -> list[Place]:
    places: dict[str, Place] = {}
    async with reader(settings, settings.topics.gaps) as consumer:
        async for record in records(consumer):
            known: dict[str, Any] = {}
            gaps.take(known, record)
            key = record.key.decode(errors="replace")
            if any(gap.mail_id in ids or gap.recipient in called for gap in known.values()):
                places[key] = Place(record.topic, record.partition, record.key)
            elif record.value is None:
                places.pop(key, None)
    return list(places.values())


async def _letters(settings: Settings, raw: str) -> int:
    """Those that hold the address as it is, in capitals or not."""
    sought = raw.casefold().encode()
    every = await letters.read(settings)
    return sum(sought in b"".join(filter(None, (letter.key, letter.value))).lower() for letter in every)


def _speaks_of(document: Correlated, called: frozenset[str]) -> bool:
    said = {document.sender, *(recipient.address for recipient in document.recipients)}
    said |= {address for entry in document.trail for address in entry.recipients}
    return not called.isdisjoint(said | {address.casefold() for address in said})


def _came(document: Correlated) -> Instant | None:
    said = [document.submitted_at, document.accepted_at, *(entry.at for entry in document.trail)]
    return max((instant_of(at) for at in said if at), default=None)
