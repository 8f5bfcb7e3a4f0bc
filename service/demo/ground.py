"""The topics that the demo needs: the inputs and ours; and their end, where the broker is the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka.admin import NewTopic
from aiokafka.errors import for_code

from service.edges import topics as kafka
from service.edges.topics import KafkaUnusableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.settings import Settings

INPUT_PARTITIONS: Final = 3


async def prepare(settings: Settings) -> None:
    """Makes the inputs and our topics. Raises `KafkaUnusableError`."""
    inputs = (*settings.smtp_topics, *settings.ses_topics)
    config = {"message.timestamp.type": "LogAppendTime"}
    async with kafka.admin(settings) as client:
        answer = await client.create_topics(
            [NewTopic(name, INPUT_PARTITIONS, settings.replication, topic_configs=config) for name in inputs]
        )
        for name, code, message, *_ in answer.topic_errors:
            if code:
                raise KafkaUnusableError(f"topic {name} could not be made: {message or for_code(code).__name__}")
    await kafka.create(settings)


async def clear(settings: Settings) -> list[str]:
    """Deletes every topic whose name begins with the demo's own prefix; returns their names."""
    async with kafka.admin(settings) as client:
        ours = sorted(_ours(await client.list_topics(), settings.prefix))
        if ours:
            await client.delete_topics(ours)
        return ours


def _ours(names: Iterable[str], prefix: str) -> Iterable[str]:
    return (name for name in names if name.startswith(f"{prefix}-"))
