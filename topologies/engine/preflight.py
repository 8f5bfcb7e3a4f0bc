"""What must be true before an app starts, so that what is missing is said in one sentence.

Faust logs a missing topic and idles; a Kafka that cannot be reached it reports with three tracebacks.
"""

from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, KafkaError

from topologies.engine.bounded import bounded
from topologies.engine.errors import EngineError, StuckError
from topologies.engine.settings import EngineSettings


async def check(apps: list[Any]) -> None:
    """Raise EngineError where a topic is missing or badly cut, and what aiokafka raises where Kafka is out of reach."""
    for app in apps:
        complain(app, await _partitions(app))


async def answers(settings: EngineSettings, seconds: float) -> bool:
    """Whether a broker answers within so many seconds."""
    admin = AIOKafkaAdminClient(**settings.clients())
    try:
        async with bounded(seconds, "Kafka did not answer"):
            await admin.start()
    except (KafkaError, StuckError, OSError):
        return False
    finally:
        await admin.close()
    return True


async def _partitions(app: Any) -> dict[str, int]:
    """How many partitions each topic has that the app reads or writes; 0 where it does not exist."""
    names = sorted({*_inputs(app), *_changelogs(app), *app.outputs})
    async with bounded(app.engine.io_timeout, "Kafka did not describe the topics"):
        admin = AIOKafkaAdminClient(**app.engine.clients())
        await admin.start()
        try:
            described = await admin.describe_topics(names)
            await _may_join(admin, app.conf.id)
        finally:
            await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _may_join(admin: AIOKafkaAdminClient, group: str) -> None:
    """A consumer that may not use its group tries for ever, and says nothing."""
    try:
        await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:
        return  # the first group of a new cluster: its coordinator is only being chosen
    except GroupAuthorizationFailedError as error:
        raise EngineError(f"This user may not use the group {group}: allow it Read on that group") from error


def complain(app: Any, partitions: Mapping[str, int]) -> None:
    """Raise EngineError about what is missing or badly cut."""
    missing = [name for name in (*_inputs(app), *_changelogs(app), *app.outputs) if not partitions.get(name)]
    if missing:
        raise EngineError(f"No such topic: {', '.join(sorted(missing))}. Create it, then start again")
    for name in _changelogs(app):
        if partitions[name] != app.engine.partitions:
            raise EngineError(
                f"{name} has {partitions[name]} partitions, the settings say {app.engine.partitions}. The number of "
                "shards cannot change: set it back, or start with a new prefix"
            )


def _inputs(app: Any) -> list[str]:
    return [name for agent in app.agents.values() for name in agent.channel.topics]


def _changelogs(app: Any) -> list[str]:
    return [table.changelog_topic_name for table in app.tables.values()]
