"""The way onto Kafka: a record is delivered when all replicas in sync have it, and not before.

What Kafka does not take for the moment is sent again, with pauses, for as long as the caller waits. It must never give
up by itself: giving up is for whoever still has the record elsewhere (a queue, a file).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from service.edges import topics
from service.edges.kafka_clients import client_options
from service.edges.pauses import BackOff
from service.edges.topics import LARGEST_DEAD_LETTER, KafkaUnusableError
from service.facts import Reason, Unparsable

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from service.facts import Instant
    from service.settings import Settings

SENT_WITHIN_MS: Final = 20_000
LINGER_MS: Final = 5
STOP_BOUND: Final = 3.0

Headers = list[tuple[str, bytes]]


class Outgoing(NamedTuple):
    """A record to send; `at` is its timestamp in milliseconds."""

    topic: str
    key: bytes | None
    value: bytes
    at: Instant
    headers: Headers
    partition: int | None = None


class Outlet:
    """Writes to the given topics, and to the dead letters where they are among them."""

    def __init__(
        self,
        settings: Settings,
        topics: Mapping[str, str],
        log: logging.Logger,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """`topics`: each with what to do where it is not there. `failed` is called when Kafka did not take a record."""
        self._settings, self._topics, self._log, self._failed = settings, topics, log, failed
        self._producer: AIOKafkaProducer | None = None

    @property
    def topic(self) -> str:
        """Where events go: the first of the topics."""
        return next(iter(self._topics))

    async def start(self) -> None:
        """Connects. Raises `KafkaUnusableError`."""
        there = await topics.counts(self._settings)
        for name, way in self._topics.items():
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
            self._log.warning(
                "Kafka did not answer for %g s; what it has not acknowledged stays where it was", STOP_BOUND
            )

    async def send(self, key: bytes | None, value: bytes, at: Instant, headers: Headers) -> Unparsable | None:
        """Returns when Kafka has the record; or why it never will."""
        try:
            await self._deliver(Outgoing(self.topic, key, value, at, headers))
        except MessageSizeTooLargeError:
            return Unparsable(Reason.TOO_LARGE, f"{len(value)} bytes are more than topic {self.topic} takes")
        return None

    async def bury(self, value: bytes, at: Instant, headers: Headers) -> None:
        """Returns when the record is among the dead letters."""
        await self._deliver(Outgoing(self._settings.topics.dead_letters, None, value, at, headers))

    async def send_in_order(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Returns when Kafka has all, those of one key in their order; but for those too large, which it returns.

        Where one fails, it and all that follow are sent again: twice does no harm, and out of order might.
        """
        left, refused, pauses = list(records), list[Outgoing](), BackOff()
        while left:
            sent, error = await self._try(left)
            left = left[sent:]
            if isinstance(error, MessageSizeTooLargeError):
                # Kafka refuses the whole batch in which the large one is; only alone it shows which.
                refused += await self._singly(left)
                break
            if error is not None:
                await self._failure(error, left[0].topic, pauses)
        return refused

    async def _try(self, records: Sequence[Outgoing]) -> tuple[int, KafkaError | None]:
        """How many of the first ones Kafka has, and what it says of the next."""
        pending: list[asyncio.Future[object]] = []
        error: KafkaError | None = None
        for record in records:
            try:
                pending.append(await self._send(record))
            except KafkaError as raised:
                error = raised
                break
        ends = await asyncio.gather(*pending, return_exceptions=True)
        for number, end in enumerate(ends):
            if isinstance(end, KafkaError):
                return number, end
            if isinstance(end, BaseException):
                raise end
        return len(pending), error

    async def _singly(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        refused = []
        for record in records:
            try:
                await self._deliver(record)
            except MessageSizeTooLargeError:
                refused.append(record)
        return refused

    async def _deliver(self, record: Outgoing) -> None:
        pauses = BackOff()
        while True:
            try:
                await (await self._send(record))
            except KafkaError as error:
                await self._failure(error, record.topic, pauses)
            else:
                return

    async def _send(self, record: Outgoing) -> asyncio.Future[object]:
        assert self._producer is not None
        topic, key, value, at, headers, partition = record
        sent: asyncio.Future[object] = await self._producer.send(
            topic, value, key=key, partition=partition, timestamp_ms=at, headers=headers
        )
        return sent

    async def _failure(self, error: KafkaError, topic: str, pauses: BackOff) -> None:
        """Waits where it may pass by itself, and raises it where it will not."""
        if not (error.retriable or isinstance(error, KafkaTimeoutError)):
            raise error
        self._failed()
        self._log.warning("Kafka did not take a record for %s (%s); it is sent again", topic, type(error).__name__)
        await asyncio.sleep(pauses.next())
