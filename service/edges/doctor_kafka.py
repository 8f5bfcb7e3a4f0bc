"""What `mailgap doctor` asks of Kafka. Values only: what they mean is for `service.edges.doctor` to say."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from service.edges import topics
from service.edges.kafka_clients import client_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from aiokafka.admin import AIOKafkaAdminClient

    from service.edges.topics import Checked
    from service.policy import Policy
    from service.settings import Settings

REFUSALS: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
ROLES: Final = ("ingest", "correlate")
_FETCH_MS: Final = 3000


class Newest(NamedTuple):
    """When the newest record of a topic was written, in seconds; None where it has none. `refused` says why not."""

    name: str
    at: float | None
    refused: str = ""


class Group(NamedTuple):
    """A role's consumer group: how many members it has, and how many records wait for it."""

    name: str
    members: int = 0
    lag: int = 0
    refused: str = ""


class Asked:
    """One connection, and the questions."""

    def __init__(self, settings: Settings, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        """Both are started."""
        self._settings, self._admin, self._consumer = settings, admin, consumer
        self._inputs = (*settings.smtp_topics, *settings.ses_topics)

    async def brokers(self) -> int:
        """How many answer."""
        return len((await self._admin.describe_cluster())["brokers"])

    async def topics(self, policy: Policy) -> Checked:
        """What is wrong with our topics and the inputs, and what were better otherwise."""
        return await topics.check(self._settings, policy)

    async def newest(self) -> list[Newest]:
        """Of each input that is there."""
        there = await topics.counts(self._settings)
        return [await self._newest(name, there[name]) for name in self._inputs if name in there]

    async def _newest(self, name: str, count: int) -> Newest:
        tps = [TopicPartition(name, number) for number in range(count)]
        self._consumer.assign(tps)
        try:
            begins, ends = await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
            full = [tp for tp in tps if ends[tp] > begins[tp]]
            for tp in full:
                self._consumer.seek(tp, ends[tp] - 1)
            stamps = [record.timestamp async for record in self._last(full)]
        except REFUSALS as error:
            return Newest(name, None, type(error).__name__)
        return Newest(name, max(stamps) / 1000 if stamps else None)

    async def _last(self, tps: list[TopicPartition]) -> AsyncIterator[Any]:
        """What is fetched first; the last offset may be a transaction's mark, so nothing is waited for in vain."""
        for tp in tps:
            for records in (await self._consumer.getmany(tp, timeout_ms=_FETCH_MS, max_records=1)).values():
                for record in records:
                    yield record

    async def groups(self) -> list[Group]:
        """Of both roles."""
        facts = (self._settings.topics.facts,)
        names = {role: f"{self._settings.prefix}-{role}" for role in ROLES}
        return [await self._answered(names[role], self._inputs if role == "ingest" else facts) for role in ROLES]

    async def _answered(self, name: str, read: Iterable[str]) -> Group:
        try:
            return await self._group(name, read)
        except GroupCoordinatorNotAvailableError:  # a Kafka on which there has never been any group
            return Group(name)
        except REFUSALS as error:
            return Group(name, refused=type(error).__name__)

    async def _group(self, name: str, read: Iterable[str]) -> Group:
        described = await self._admin.describe_consumer_groups([name])
        members = sum(len(group[5]) for answer in described for group in answer.groups)
        committed = await self._admin.list_consumer_group_offsets(name)
        ours = {tp: at.offset for tp, at in committed.items() if tp.topic in set(read) and at.offset >= 0}
        ends = await self._consumer.end_offsets(list(ours)) if ours else {}
        return Group(name, members, sum(max(ends[tp] - at, 0) for tp, at in ours.items()))

    async def write_and_abort(self) -> None:
        """Writes one record to each of our topics, and takes it back. Raises one of `REFUSALS`."""
        names = self._settings.topics
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            transactional_id=f"{self._settings.prefix}-doctor",
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            for name in (names.facts, names.changelog, names.correlated, names.gaps, names.dead_letters):
                await producer.send_and_wait(name, b"", key=b"mailgap doctor")
            await producer.abort_transaction()
        finally:
            await producer.stop()


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[Asked]:
    """A connection. Raises `KafkaUnusableError` where no broker answers."""
    async with topics.admin(settings) as admin:
        consumer = AIOKafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )
        await consumer.start()
        try:
            yield Asked(settings, admin, consumer)
        finally:
            await consumer.stop()
