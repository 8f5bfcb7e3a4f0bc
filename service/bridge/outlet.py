"""The way onto Kafka: a record is delivered when all replicas in sync have it, and not before.

What Kafka does not take for the moment is sent again, with pauses, for as long as the caller waits. It must never give
up by itself: giving up is the queue's business, which hands the record out again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from service.aws.clients import BackOff
from service.edges import topics
from service.edges.kafka_clients import client_options
from service.edges.topics import LARGEST_DEAD_LETTER, KafkaUnusableError
from service.facts import Reason, Unparsable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from service.facts import Instant
    from service.settings import Settings

log = logging.getLogger("mailgap.bridge")

SENT_WITHIN_MS: Final = 20_000
LINGER_MS: Final = 5
STOP_BOUND: Final = 3.0

Headers = list[tuple[str, bytes]]


class Outlet:
    """Writes to one topic, and to the dead letters."""

    def __init__(self, settings: Settings, topic: str, failed: Callable[[], None] = lambda: None) -> None:
        """`failed` is called for each attempt that Kafka did not take."""
        self._settings, self._topic, self._failed = settings, topic, failed
        self._producer: AIOKafkaProducer | None = None

    @property
    def topic(self) -> str:
        """Where events go."""
        return self._topic

    async def start(self) -> None:
        """Connects. Raises `KafkaUnusableError`."""
        there = await topics.counts(self._settings)
        for name, way in (
            (self._topic, "make it, or correct --ses-topic"),
            (self._settings.topics.dead_letters, _MAKE),
        ):
            if name not in there:
                raise KafkaUnusableError(f"topic {name} is not there: {way}")
        self._producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",  # not idempotent: a double does no harm, and a producer that lost its sequence could not go on
            linger_ms=LINGER_MS,
            max_batch_size=1 << 18,
            max_request_size=LARGEST_DEAD_LETTER,
            request_timeout_ms=SENT_WITHIN_MS,
            compression_type="lz4",
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnects, within a bound: with an unfinished batch and no broker aiokafka would wait for ever."""
        if self._producer is None:
            return
        try:
            async with asyncio.timeout(STOP_BOUND):
                await self._producer.stop()
        except TimeoutError:
            log.warning("Kafka did not answer for %g s; what it has not acknowledged stays in the queue", STOP_BOUND)

    async def send(self, key: bytes | None, value: bytes, at: Instant, headers: Headers) -> Unparsable | None:
        """Returns when Kafka has the record; or why it never will."""
        try:
            await self._deliver(self._topic, key, value, at, headers)
        except MessageSizeTooLargeError:
            return Unparsable(Reason.TOO_LARGE, f"{len(value)} bytes are more than topic {self._topic} takes")
        return None

    async def bury(self, value: bytes, at: Instant, headers: Headers) -> None:
        """Returns when the record is among the dead letters."""
        await self._deliver(self._settings.topics.dead_letters, None, value, at, headers)

    async def _deliver(
        self, topic: str, key: bytes | None, value: bytes, at: Instant, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        assert self._producer is not None
        pauses = BackOff()
        while True:
            try:
                sent = await self._producer.send(topic, value, key=key, timestamp_ms=at, headers=headers)
                await sent
            except KafkaError as error:
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise
                self._failed()
                log.warning("Kafka did not take a record for %s (%s); it is sent again", topic, type(error).__name__)
                await asyncio.sleep(pauses.next())
            else:
                return


_MAKE: Final = "make ours with `mailgap topics create`"
