"""What `mailgap doctor` looks at, a part at a time: what was found, and how to mend what is wrong.

It changes nothing. Where it is asked to try writing, it does so in a transaction that it aborts.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import aiohttp
from aiokafka.errors import KafkaError

from service.edges import doctor_kafka as kafka
from service.edges.doctor_finding import Finding, State
from service.edges.topics import KafkaUnusableError
from service.policy import Policy, advice
from service.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from service.edges.doctor_kafka import Group, Newest
    from service.settings import Setting, Settings

BOUND: Final = 30.0
"""Seconds for all that is asked of Kafka."""
QUIET: Final = 3600
"""Seconds without a record after which a source is worth a look."""
FUTURE: Final = 60
"""Seconds by which a record may come from the future: clocks are never quite together."""
LAG: Final = 10_000
"""Records that wait, beyond which it is worth a look."""


def of_settings(settings: Settings, origins: Sequence[tuple[Setting, str, object]]) -> Iterator[Finding]:
    """Each setting and its origin, and whether the files that they name can be used."""
    for setting, place, value in origins:
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        yield Finding("settings", setting.key, State.OK, f"{shown if value not in (None, ()) else '-'} ({place})")
    for what, use in (
        ("policy", settings.policy),
        ("zone", settings.zone),
        ("pseudonym key", settings.pseudonyms),
        ("former keys", settings.former_pseudonyms),
        ("sinks", settings.sinks),
    ):
        try:
            use()
        except SettingsError as error:
            yield Finding("settings", what, State.WRONG, "cannot be used", str(error))
        else:
            yield Finding("settings", what, State.OK, "can be used")
    yield from _policy(settings)
    yield from _halves(settings)


def _policy(settings: Settings) -> Iterator[Finding]:
    with suppress(SettingsError):  # said already
        for sentence in advice(settings.policy()):
            yield Finding("settings", "policy", State.LOOK, "hardly means what it says", sentence)


def _halves(settings: Settings) -> Iterator[Finding]:
    """A source that is not configured is never judged by its silence (rule 17), which is right or an oversight."""
    for name, topics, flag, consequence in (
        ("smtp", settings.smtp_topics, "--smtp-topic", "hand-offs that failed are not seen"),
        ("ses", settings.ses_topics, "--ses-topic", "what became of mails after SES took them is not seen"),
    ):
        if not topics:
            yield Finding("settings", f"source {name}", State.LOOK, f"not configured: {consequence}", f"give {flag}")


async def of_kafka(settings: Settings, *, write: bool) -> list[Finding]:
    """Broker, topics, permissions, sources, lag and clocks."""
    try:
        async with asyncio.timeout(BOUND):
            return [finding async for finding in _of_kafka(settings, write=write)]
    except KafkaUnusableError as error:
        return [Finding("broker", settings.bootstrap_servers, State.WRONG, "cannot be used", str(error))]
    except KafkaError as error:
        said = " ".join(str(error).split())
        return [Finding("broker", settings.bootstrap_servers, State.WRONG, said, "look at the brokers' own log")]
    except TimeoutError:
        advice = "look at the brokers' own log, and at the network between"
        return [Finding("broker", settings.bootstrap_servers, State.WRONG, f"no answer within {BOUND:g} s", advice)]


async def _of_kafka(settings: Settings, *, write: bool) -> AsyncIterator[Finding]:
    async with kafka.asking(settings) as asked:
        yield Finding("broker", settings.bootstrap_servers, State.OK, f"{await asked.brokers()} brokers answer")
        for finding in await _of_topics(asked, settings):
            yield finding
        newest = await asked.newest()
        for finding in _of_sources(newest, time.time()):
            yield finding
        for group in await asked.groups():
            yield _of_group(group)
        yield await _of_writing(asked) if write else _NOT_TRIED


async def _of_topics(asked: kafka.Asked, settings: Settings) -> list[Finding]:
    try:
        checked = await asked.topics(_policy_or_defaults(settings))
    except KafkaUnusableError as error:
        return [Finding("permissions", "topics", State.WRONG, "cannot be checked", str(error))]
    wrong = [Finding("topics", _topic_in(p), State.WRONG, "is not as it must be", p) for p in checked.problems]
    return wrong + [Finding("topics", _topic_in(a), State.LOOK, "were better otherwise", a) for a in checked.advice]


def _policy_or_defaults(settings: Settings) -> Policy:
    try:
        return settings.policy()
    except SettingsError:  # said already
        return Policy()


def _topic_in(sentence: str) -> str:
    return sentence.removeprefix("input topic ").partition(" ")[0].rstrip(":")


_NOT_TRIED: Final = Finding("permissions", "writing", State.OK, "not tried; --try-writing does, and takes it back")


async def _of_writing(asked: kafka.Asked) -> Finding:
    try:
        await asked.write_and_abort()
    except kafka.REFUSALS as error:
        advice = "allow this user Write, Describe and IdempotentWrite on our topics and transactional ids"
        return Finding("permissions", "writing", State.WRONG, type(error).__name__, advice)
    return Finding("permissions", "writing", State.OK, "a transaction was written and aborted")


def _of_sources(newest: Sequence[Newest], now: float) -> Iterator[Finding]:
    for topic in newest:
        if topic.refused:
            advice = "allow this user Read on the topic and on our groups"
            yield Finding("permissions", topic.name, State.WRONG, f"may not be read: {topic.refused}", advice)
        elif topic.at is None:
            yield Finding("sources", topic.name, State.LOOK, "holds no record", "start what writes to it")
        elif topic.at > now + FUTURE:
            advice = "set the clock of whoever writes it, or let Kafka date the records (LogAppendTime)"
            yield Finding("clocks", topic.name, State.WRONG, f"its newest record is {_ago(now, topic.at)}", advice)
        else:
            quiet = now - topic.at > QUIET
            advice = "if more should come, look at its shipper or bridge" if quiet else ""
            state = State.LOOK if quiet else State.OK
            yield Finding("sources", topic.name, state, f"spoke {_ago(now, topic.at)}", advice)


def _ago(now: float, at: float) -> str:
    seconds = round(now - at)
    return f"{seconds} s ago" if seconds >= 0 else f"{-seconds} s in the future"


def _of_group(group: Group) -> Finding:
    if group.refused:
        return Finding("permissions", group.name, State.WRONG, group.refused, "allow this user Read on our groups")
    if not group.members:
        return Finding("workers", group.name, State.WRONG, "no worker runs", "start `mailgap worker`")
    found = f"{group.members} members, {group.lag} records wait"
    if group.lag > LAG:
        return Finding("workers", group.name, State.LOOK, found, "if it does not fall, start more workers")
    return Finding("workers", group.name, State.OK, found)


async def of_worker(bind: tuple[str, int]) -> Finding:
    """The worker that should listen on this machine: is it ready, and if not, why?"""
    url = "http://{}:{}/readyz".format(*bind)
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            reasons = (await answer.json())["reasons"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
        return Finding("workers", url, State.OK, "no worker listens here, which is right where it runs elsewhere")
    if reasons:
        said = "; ".join(f"{part}: {reason}" for part, reason in reasons.items())
        return Finding("workers", url, State.LOOK, f"not ready: {said}", "wait for a restore; else read its log")
    return Finding("workers", url, State.OK, "ready")
