"""The topics of a backfill: made as history needs them, and refused where they or their prefix are live (rule 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError, TopicAlreadyExistsError, for_code

from service.contract import historic
from service.edges import topics as kafka
from service.edges.kafka_clients import client_options
from service.edges.topics import LARGEST_DEAD_LETTER, KafkaUnusableError

if TYPE_CHECKING:
    from service.settings import Settings

_PATIENCE_MS: Final = 20_000
_CONFIG: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",  # history is older than any retention
    "message.timestamp.type": "CreateTime",
    "max.message.bytes": str(LARGEST_DEAD_LETTER),
}


async def prepare(settings: Settings, *, begun: bool) -> dict[str, int]:
    """Makes them where they are not there; their numbers of partitions. `begun`: some was sent. Raises
    `KafkaUnusableError`.
    """
    async with kafka.admin(settings) as admin:
        await _refuse_live_prefix(settings, admin)
    there = await kafka.counts(settings)
    present = [name for name in settings.topics.history if name in there]
    for name in present:
        await _refuse_what_is_there(settings, name, there[name], begun=begun)
    missing = [name for name in settings.topics.history if name not in there]
    async with kafka.admin(settings) as admin:
        new = [NewTopic(name, settings.partitions, settings.replication, topic_configs=_CONFIG) for name in missing]
        answer = await admin.create_topics(new) if new else None
        for name, code, message, *_ in answer.topic_errors if answer else ():
            if code and code != TopicAlreadyExistsError.errno:
                raise KafkaUnusableError(f"topic {name} could not be made: {message or for_code(code).__name__}")
    return {name: there.get(name, settings.partitions) for name in settings.topics.history}


async def _refuse_live_prefix(settings: Settings, admin: Any) -> None:
    """A worker of this prefix that has read anything but history judges live mail."""
    group = f"{settings.prefix}-ingest"
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:
        return
    live = sorted({tp.topic for tp, offset in offsets.items() if offset.offset >= 0} - set(settings.topics.history))
    if live:
        raise KafkaUnusableError(
            f"--prefix {settings.prefix}: its workers read {live[0]}, which is live; history needs a prefix of its own"
        )


async def _refuse_what_is_there(settings: Settings, name: str, partitions: int, *, begun: bool) -> None:
    """What is live; and another backfill, whose end was said: what came after it would be out of order."""
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    await consumer.start()
    try:
        tps = [TopicPartition(name, number) for number in range(partitions)]
        consumer.assign(tps)
        begin, end = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        for tp in tps:
            for offset in {begin[tp], end[tp] - 1} if end[tp] > begin[tp] else ():
                consumer.seek(tp, offset)
                found = (await consumer.getmany(tp, timeout_ms=_PATIENCE_MS, max_records=1)).get(tp)
                if found and not historic.is_historic(found[0].headers):
                    raise KafkaUnusableError(
                        f"topic {name} holds records that no backfill wrote: is it live? Give another --prefix"
                    )
        if not begun and begin != end:
            raise KafkaUnusableError(
                f"topic {name} holds another backfill: give its --spool to go on with it, or another --prefix"
            )
    finally:
        await consumer.stop()
