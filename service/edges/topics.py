"""Our topics on Kafka: makes them, and says in sentences what is wrong with those that are there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from service.settings import Settings

DAY_MS: Final = 24 * 3600 * 1000
ANSWER_BOUND: Final = 20.0
LARGEST_RECORD: Final = 8 << 20
"""A mail with 50 recipients and everything that can happen to each fits."""
LARGEST_DEAD_LETTER: Final = 32 << 20
"""An input that is too large for us goes to the dead letters whole, so they take far more than anything we make."""


class KafkaUnusableError(Exception):
    """Kafka or its topics cannot be used; the text says what is wrong and the way out."""


_COMPACT_SOON: Final = {"min.cleanable.dirty.ratio": "0.1", "segment.ms": "900000"}
"""The shorter the changelog, the quicker a restore."""

_HUGE: Final = {"max.message.bytes": str(LARGEST_DEAD_LETTER)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of our topics as it must be."""

    name: str
    what: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)
    fixed: bool = True
    """Its number of partitions is part of the state (rule 25)."""


def wanted(settings: Settings) -> list[Wanted]:
    """Our topics. The facts and the changelog must be cut alike; readers of the others need no order across mails."""
    topics, count = settings.topics, settings.partitions
    large = {"max.message.bytes": str(LARGEST_RECORD)}
    compact = {"cleanup.policy": "compact", **large}
    week = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS), **large}
    return [
        Wanted(topics.facts, "facts", count, week),
        Wanted(topics.changelog, "state", count, {**compact, **_COMPACT_SOON}),
        Wanted(topics.correlated, "verdicts", count, compact, fixed=False),
        Wanted(topics.gaps, "gaps", count, compact, fixed=False),
        Wanted(topics.dead_letters, "dead letters", count, {**week, **_HUGE}, fixed=False),
    ]


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An administration client. Raises `KafkaUnusableError` where no broker answers."""
    client = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers.split(","), request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(ANSWER_BOUND):
            await client.start()
    except (KafkaError, TimeoutError, OSError, ValueError) as error:
        await client.close()
        raise KafkaUnusableError(
            f"no Kafka answers at {settings.bootstrap_servers}: start it, or give its address with --bootstrap-servers"
        ) from error
    try:
        yield client
    finally:
        await client.close()


async def create(settings: Settings) -> list[str]:
    """Makes those of our topics that are not there; returns their names. Raises `KafkaUnusableError`."""
    async with admin(settings) as client:
        there = await _counts(client)
        missing = [topic for topic in wanted(settings) if topic.name not in there]
        if missing:
            answer = await client.create_topics(
                [NewTopic(t.name, t.partitions, settings.replication, topic_configs=t.config) for t in missing]
            )
            for name, code, message, *_ in answer.topic_errors:
                if code:
                    raise KafkaUnusableError(f"topic {name} could not be made: {message or for_code(code).__name__}")
        return [topic.name for topic in missing]


async def check(settings: Settings) -> list[str]:
    """What is wrong with our topics and the inputs, a sentence each; empty where all is well."""
    async with admin(settings) as client:
        there = await _counts(client)
        problems = list(_missing_inputs(settings, there))
        for topic in wanted(settings):
            problems += await _problems(client, settings, topic, there)
        return problems


async def partitions(settings: Settings) -> int:
    """How many shards there are: the partitions of the facts topic. Raises `KafkaUnusableError` for wrong topics."""
    there = await counts(settings)
    ours = [topic for topic in wanted(settings) if topic.name not in there]
    if ours:
        raise KafkaUnusableError(
            f"topic {ours[0].name} is not there: make ours with `mailgap topics create --prefix {settings.prefix}`"
        )
    for problem in _missing_inputs(settings, there):
        raise KafkaUnusableError(problem)
    facts, state = there[settings.topics.facts], there[settings.topics.changelog]
    if facts != state:
        raise KafkaUnusableError(_unequal(settings, facts, state))
    return facts


async def counts(settings: Settings) -> dict[str, int]:
    """The number of partitions of every topic. Raises `KafkaUnusableError`."""
    async with admin(settings) as client:
        return await _counts(client)


def _unequal(settings: Settings, facts: int, state: int) -> str:
    return (
        f"{settings.topics.facts} has {facts} partitions and {settings.topics.changelog} has {state}: they must be"
        " equal and may not change while there is state; start anew with another --prefix"
    )


def _missing_inputs(settings: Settings, there: dict[str, int]) -> Iterable[str]:
    for name in (*settings.smtp_topics, *settings.ses_topics):
        if name not in there:
            yield f"input topic {name} is not there: make it, or correct --smtp-topic and --ses-topic"


async def _counts(client: AIOKafkaAdminClient) -> dict[str, int]:
    described = await client.describe_topics()
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _problems(client: AIOKafkaAdminClient, settings: Settings, topic: Wanted, there: dict[str, int]) -> list[str]:
    if topic.name not in there:
        return [f"{topic.name} ({topic.what}) is not there: make it with `mailgap topics create`"]
    problems = []
    facts = there.get(settings.topics.facts)
    if topic.fixed and there[topic.name] != facts:
        problems.append(_unequal(settings, facts or 0, there[topic.name]))
    config = await config_of(client, topic.name)
    for key in ("cleanup.policy", "retention.ms", "max.message.bytes"):
        found, want = config.get(key, ""), topic.config.get(key)
        if want is not None and not _good(key, found, want):
            problems += [f"{topic.name}: {key} is {found!r} and must be {want!r}"]
    return problems


def _good(key: str, found: str, want: str) -> bool:
    if key == "cleanup.policy":
        return found == want
    return found == "-1" or (found.lstrip("-").isdigit() and int(found) >= int(want))


async def config_of(client: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """A topic's configuration."""
    answers: list[Any] = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {entry[0]: entry[1] or "" for answer in answers for resource in answer.resources for entry in resource[4]}
