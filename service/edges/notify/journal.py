"""What was said to whom, on a topic of ours: kept before anything is sent, so that no resolution is ever forgotten.

Only one process may say anything. Whoever owns the topic's single partition in the group is it, and its transactional
producer fences the one before: who was paused for longer than its session cannot write, and so sends nothing new.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from service.edges.kafka_clients import client_options
from service.edges.reading import reader, records
from service.notifications.ledger import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.settings import Settings

STATUS: Final = "status"
"""The key of the record that says how the sinks do."""

_entry: Final = msgspec.json.Decoder(Entry).decode
_encode: Final = msgspec.json.Encoder().encode


class SinkStatus(msgspec.Struct):
    """How one sink does."""

    waiting: int
    """Alerts of whose state it does not know."""
    set_aside: int
    """Those of them that it refused."""
    failing_since: int | None = None
    """Milliseconds; None where the last attempt went well."""
    error: str = ""


class Status(msgspec.Struct):
    """What `mailgap doctor` reads: written every minute by whoever leads."""

    at: int
    sinks: dict[str, SinkStatus]


_status: Final = msgspec.json.Decoder(Status).decode


async def read(settings: Settings) -> tuple[dict[str, dict[str, Entry]], Status | None]:
    """By sink, what it was told by alert id; and how the sinks did when it was last said.

    Raises `KafkaUnusableError` where Kafka or the topic is not there.
    """
    found: dict[str, bytes] = {}
    async with reader(settings, settings.topics.notified) as consumer:
        async for record in records(consumer):
            key = record.key.decode()
            if record.value is None:
                found.pop(key, None)
            else:
                found[key] = record.value
    status = found.pop(STATUS, None)
    sinks: dict[str, dict[str, Entry]] = {}
    for key, value in found.items():
        sink, _, alert_id = key.partition("/")
        sinks.setdefault(sink, {})[alert_id] = _entry(value)
    return sinks, _status(status) if status is not None else None


class Journal:
    """Writes, one transaction at a time. Opening it fences whoever wrote before."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self._topic = settings.topics.notified
        self._lock = asyncio.Lock()
        self._producer = AIOKafkaProducer(
            **client_options(settings),
            transactional_id=f"{settings.prefix}-notify",
            transaction_timeout_ms=20_000,
            request_timeout_ms=20_000,
        )

    async def __aenter__(self) -> Journal:  # noqa: PYI034 there are no subclasses
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def keep(self, sink: str, entries: Mapping[str, Entry | None]) -> None:
        """What a sink was or will be told, by alert id; None: nothing need be known of it any more.

        Raises `KafkaError`, and `ProducerFenced` among them where somebody else leads by now.
        """
        values = {key: _encode(entry) if entry is not None else None for key, entry in entries.items()}
        await self._write({f"{sink}/{alert_id}": value for alert_id, value in values.items()})

    async def say(self, status: Status) -> None:
        """How the sinks do. Raises `KafkaError`."""
        await self._write({STATUS: _encode(status)})

    async def _write(self, values: Mapping[str, bytes | None]) -> None:
        if not values:
            return
        async with self._lock, self._producer.transaction():
            for key, value in values.items():
                await self._producer.send_and_wait(self._topic, key=key.encode(), value=value)


class Lead(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types we can follow
    """Whether this process is the one that may speak: it owns the journal's partition in the group."""

    def __init__(self, settings: Settings) -> None:
        """Not joined yet."""
        self._partition = TopicPartition(settings.topics.notified, 0)
        self._changed = asyncio.Event()
        self.joined = False
        self.is_ours = False
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=f"{settings.prefix}-notify",
            enable_auto_commit=False,
            session_timeout_ms=int(settings.session_timeout * 1000),
            heartbeat_interval_ms=int(settings.session_timeout * 200),
        )

    async def __aenter__(self) -> Lead:  # noqa: PYI034 there are no subclasses
        await self._consumer.start()
        self._consumer.subscribe([self._partition.topic], listener=self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def on_partitions_revoked(self, _revoked: Any) -> None:
        """Called by aiokafka."""
        self.is_ours = False
        self._changed.set()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Called by aiokafka."""
        self.joined = True
        self.is_ours = self._partition in assigned
        self._changed.set()

    async def changes(self) -> None:
        """Until the group has been shared out anew. Raises `KafkaError` where the group cannot be joined."""
        self._changed.clear()
        waiting = asyncio.create_task(self._changed.wait())
        polling = asyncio.create_task(self._consumer.getmany(timeout_ms=1000))
        try:
            while not waiting.done():
                await asyncio.wait({waiting, polling}, return_when=asyncio.FIRST_COMPLETED)
                if polling.done():  # what it reads is nothing to it: it is in the group to know who leads
                    polling.result()
                    polling = asyncio.create_task(self._consumer.getmany(timeout_ms=1000))
        finally:
            for task in (waiting, polling):
                task.cancel()
            await asyncio.gather(waiting, polling, return_exceptions=True)


__all__ = ["Journal", "KafkaError", "Lead", "SinkStatus", "Status", "read"]
