"""Our topics on Kafka: makes them, and says in sentences what is wrong with those that are there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError, for_code

from service.edges import topic_checks as checks
from service.edges.kafka_clients import ENDED, client_options, told, why_unreachable
from service.edges.topic_checks import Found, Wanted
from service.setting_values import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Iterable, Mapping

    from service.policy import Policy
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


def wanted(settings: Settings) -> list[Wanted]:
    """Our topics. The facts and the changelog must be cut alike; readers of the others need no order across mails."""
    topics, count = settings.topics, settings.partitions
    large = {"max.message.bytes": str(LARGEST_RECORD)}
    compact = {"cleanup.policy": "compact", **large}
    week = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS), **large}
    return [
        Wanted(topics.facts, "facts", count, week),
        Wanted(topics.changelog, "state", count, {**compact, **_COMPACT_SOON}),
        Wanted(topics.correlated, "verdicts", count, compact, fixed=False, may_forget=True),
        Wanted(topics.gaps, "gaps", count, compact, fixed=False, may_forget=True),
        Wanted(topics.notified, "what was said to whom", 1, {"cleanup.policy": "compact"}, fixed=False),
        Wanted(topics.dead_letters, "dead letters", count, {**week, **_HUGE}, fixed=False),
    ]


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An administration client. Raises `KafkaUnusableError` where no broker answers."""
    try:
        options = client_options(settings)
    except SettingsError as error:
        raise KafkaUnusableError(str(error)) from error
    loop = asyncio.get_running_loop()
    if loop.get_exception_handler() is None:
        loop.set_exception_handler(told)
    client = AIOKafkaAdminClient(**options, request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(ANSWER_BOUND):
            await client.start()
    except (KafkaError, TimeoutError, OSError, ValueError) as error:
        await client.close()
        raise KafkaUnusableError(await _unreachable(settings, options)) from error
    if not client._client.cluster.brokers():  # noqa: SLF001 as with a token that they refuse
        await client.close()
        raise KafkaUnusableError(await _unreachable(settings, options))
    try:
        yield client
    finally:
        await client.close()


async def _unreachable(settings: Settings, options: Mapping[str, Any]) -> str:
    """One sentence; the brokers may well be there, and then the reason is what they say."""
    where, protocol = settings.bootstrap_servers, settings.security.security_protocol
    why = await why_unreachable(settings, options) or "only some of them answer"
    if protocol == "PLAINTEXT" and why != ENDED:
        return f"no Kafka answers at {where}: start it, or give its address with --bootstrap-servers"
    how = " and ".join(filter(None, (protocol, settings.security.sasl_mechanism)))
    return (
        f"Kafka at {where} cannot be used with {how}:"
        f" {why}: correct --bootstrap-servers, --security-protocol, the TLS files or the credentials"
    )


class Made(NamedTuple):
    """What `create` did: names of what it made, and what differs in what was there before, a sentence each."""

    made: list[str]
    differing: list[str]


async def create(settings: Settings) -> Made:
    """Makes those of our topics that are not there, and compares the others. Raises `KafkaUnusableError`."""
    async with admin(settings) as client:
        there = await _described(client)
        every = wanted(settings)
        missing = [topic for topic in every if topic.name not in there]
        if missing:
            answer = await client.create_topics(
                [NewTopic(t.name, t.partitions, settings.replication, topic_configs=t.config) for t in missing]
            )
            for name, code, message, *_ in answer.topic_errors:
                if code == InvalidReplicationFactorError.errno:
                    raise KafkaUnusableError(await _too_few_brokers(client, name, settings.replication))
                if code and code != TopicAlreadyExistsError.errno:  # somebody else made it at the same time
                    raise KafkaUnusableError(f"topic {name} could not be made: {message or for_code(code).__name__}")
        differing: list[str] = []
        for topic in every:
            if topic.name in there:
                found = there[topic.name]
                differing += checks.shape(topic, found, settings.replication)
                differing += checks.config(topic, await config_of(client, topic.name))
        return Made([topic.name for topic in missing], differing)


async def _too_few_brokers(client: AIOKafkaAdminClient, topic: str, replication: int) -> str:
    brokers = len((await client.describe_cluster())["brokers"])
    return (
        f"topic {topic} could not be made: {replication} replicas need as many brokers, and this Kafka has"
        f" {brokers}: say --replication {brokers}, or start the others"
    )


async def check(settings: Settings, policy: Policy) -> Checked:
    """What is wrong with our topics and the inputs, and what were better otherwise. Raises `KafkaUnusableError`."""
    async with admin(settings) as client:
        there = await _described(client)
        problems, advice = list(_missing_inputs(settings, there)), list[str]()
        for topic in wanted(settings):
            if topic.name in there:
                problems += _shards(settings, topic, there)
                problems += checks.config(topic, await config_of(client, topic.name))
            else:
                problems += [f"{topic.name} ({topic.what}) is not there: make it with `mailgap topics create`"]
        for name in (*settings.smtp_topics, *settings.ses_topics):
            if name in there:
                config = await config_of(client, name)
                problems += checks.input_problems(name, config, policy)
                advice += checks.input_advice(name, config)
        return Checked(problems, advice)


async def partitions(settings: Settings) -> int:
    """How many shards there are: the partitions of the facts topic. Raises `KafkaUnusableError` for wrong topics."""
    there = await counts(settings)
    ours = [topic for topic in wanted(settings) if topic.name not in there]
    if ours:
        raise KafkaUnusableError(
            f"topic {ours[0].name} is not there{_or_hidden(settings)}: make ours with"
            f" `mailgap topics create --prefix {settings.prefix}`"
        )
    for problem in _missing_inputs(settings, there):
        raise KafkaUnusableError(problem)
    facts, state = there[settings.topics.facts], there[settings.topics.changelog]
    if facts != state:
        raise KafkaUnusableError(_unequal(settings, facts, state))
    return facts


class Checked(NamedTuple):
    """What `check` found, a sentence each: what is wrong, and what works but were better otherwise."""

    problems: list[str]
    advice: list[str]


async def counts(settings: Settings) -> dict[str, int]:
    """The number of partitions of every topic. Raises `KafkaUnusableError`."""
    async with admin(settings) as client:
        return await _counts(client)


def _unequal(settings: Settings, facts: int, state: int) -> str:
    return (
        f"{settings.topics.facts} has {facts} partitions and {settings.topics.changelog} has {state}: they must be"
        " equal and may not change while there is state; start anew with another --prefix"
    )


def _shards(settings: Settings, topic: Wanted, there: Mapping[str, Found]) -> Iterable[str]:
    """The state must be cut as the facts are; of the others there may be more, but not fewer."""
    facts, found = there.get(settings.topics.facts), there[topic.name].partitions
    if facts is None:
        return
    if topic.fixed and found != facts.partitions:
        yield _unequal(settings, facts.partitions, found)
    elif found < facts.partitions and topic.name != settings.topics.notified:  # which has one writer
        yield (
            f"{topic.name} has {found} partitions, fewer than the {facts.partitions} shards that write to it: add some"
            f" with `kafka-topics --alter --topic {topic.name} --partitions {facts.partitions}`"
        )


def _or_hidden(settings: Settings) -> str:
    """Kafka tells a user nothing of topics that it may not describe."""
    known = settings.security.sasl or settings.security.tls_cert_file
    return ", or this user may not see it" if known else ""


def _missing_inputs(settings: Settings, there: Container[str]) -> Iterable[str]:
    for name in (*settings.smtp_topics, *settings.ses_topics):
        if name not in there:
            hidden = _or_hidden(settings)
            yield f"input topic {name} is not there{hidden}: make it, or correct --smtp-topic and --ses-topic"


async def _described(client: AIOKafkaAdminClient) -> dict[str, Found]:
    described = await client.describe_topics()
    return {
        topic["topic"]: Found(
            len(topic["partitions"]), min((len(part["replicas"]) for part in topic["partitions"]), default=0)
        )
        for topic in described
    }


async def _counts(client: AIOKafkaAdminClient) -> dict[str, int]:
    return {name: found.partitions for name, found in (await _described(client)).items()}


async def config_of(client: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """A topic's configuration. Raises `KafkaUnusableError` where it may not be read."""
    answers: list[Any] = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    found: dict[str, str] = {}
    for answer in answers:
        for code, message, _, _, entries in answer.resources:
            if code:
                why = message or for_code(code).__name__
                raise KafkaUnusableError(f"topic {name}: {why}: allow this user DescribeConfigs on it")
            found |= {entry[0]: entry[1] or "" for entry in entries}
    return found
