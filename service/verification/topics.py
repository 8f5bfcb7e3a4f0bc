"""Reads the correlated and the gap topic as any consumer does: `read_committed`, from the beginning."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from service.verification.said import Said

_BATCH: Final = 5000
QUIET: Final = 60.0
"""Seconds for which Kafka may bring nothing of what it says that it has: longer than a restart, and not for ever."""


class TopicsError(Exception):
    """The topics cannot be read; the text is one sentence."""


class Where(NamedTuple):
    """The brokers and the two topics."""

    bootstrap_servers: str
    correlated: str
    gaps: str
    client: Mapping[str, Any] = MappingProxyType({})
    """Further arguments of every client: TLS and SASL."""


class Reader:
    """Reads on, into `said`, whenever it is asked; no group, so it disturbs nobody."""

    def __init__(self, where: Where, said: Said) -> None:
        """Nothing is read yet."""
        self._where, self._said = where, said
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=where.bootstrap_servers.split(","),
            **where.client,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    async def __aenter__(self) -> Reader:  # noqa: PYI034 there are no subclasses
        try:
            partitions = await _partitions(self._where)
            await self._consumer.start()
        except (KafkaError, OSError, ValueError) as error:
            await self._consumer.stop()
            raise TopicsError(f"no Kafka answers at {self._where.bootstrap_servers}: start it, or give its address with"
                              " --bootstrap-servers") from error  # fmt: skip
        self._consumer.assign(partitions)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def read_on(self) -> int:
        """All that has come since; how many records that were. Raises `TopicsError`."""
        try:
            return await self._read_on()
        except KafkaError as error:
            raise TopicsError(f"Kafka at {self._where.bootstrap_servers} could not be read: {error}") from error
        except TimeoutError as error:
            raise TopicsError(
                f"Kafka at {self._where.bootstrap_servers} has brought nothing for {QUIET:g} s: see that it runs, then"
                " verify again; what was published stays there"
            ) from error

    async def _read_on(self) -> int:
        count, before = 0, -1
        async with asyncio.timeout(QUIET) as bound:
            ends = await self._consumer.end_offsets(self._consumer.assignment())
            while (at := await self._behind(ends)) is not None:
                if at != before:
                    before = at
                    bound.reschedule(asyncio.get_running_loop().time() + QUIET)
                for tp, records in (await self._consumer.getmany(timeout_ms=200, max_records=_BATCH)).items():
                    count += len(records)
                    for record in records:
                        self._take(tp.topic, record)
        return count

    async def _behind(self, ends: Mapping[TopicPartition, int]) -> int | None:
        """How far it has read in all; None where that is the end of each."""
        at = {tp: await self._consumer.position(tp) for tp in ends}
        return sum(at.values()) if any(at[tp] < end for tp, end in ends.items()) else None

    def _take(self, topic: str, record: Any) -> None:
        if record.value is None:  # a tombstone says nothing of a mail
            return
        if topic == self._where.correlated:
            self._said.take_mail(record.value)
        else:
            self._said.take_gap(record.value, record.timestamp)


async def _partitions(where: Where) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=where.bootstrap_servers.split(","), **where.client)
    try:
        await admin.start()
        counts = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    finally:
        await admin.close()
    for topic in (where.correlated, where.gaps):
        if topic not in counts:
            raise TopicsError(f"topic {topic} is not there: give the --prefix that the worker has")
    return [TopicPartition(topic, n) for topic in (where.correlated, where.gaps) for n in range(counts[topic])]
