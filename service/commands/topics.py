"""`mailgap topics`: makes and checks our topics."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click
from aiokafka.errors import KafkaError

from service.commands.common import Failure, settings_of, settings_options
from service.edges import topics as kafka
from service.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


def run_or_fail(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs it; what is wrong with Kafka is one sentence and exit 1."""
    try:
        return asyncio.run(work)
    except kafka.KafkaUnusableError as error:
        raise Failure(str(error)) from error
    except KafkaError as error:
        said = " ".join(str(error).split())
        raise Failure(f"Kafka refused or broke off: {said}; look at the brokers' log, and try again") from error


@click.group()
def topics() -> None:
    """Make and check the topics that mailgap owns."""


@topics.command()
@settings_options("bootstrap_servers", "prefix", "partitions", "replication")
def create(config: str | None, **flags: Any) -> None:
    """Make those that are not there, with the partitions, compaction and retention that they need.

    What is there is left as it is. Exit 1 where it differs from that.
    """
    done = run_or_fail(kafka.create(settings_of(flags, config)))
    _say([*(f"made {name}" for name in done.made), *done.differing] or ["all topics are there"], wrong=done.differing)


@topics.command()
@settings_options("bootstrap_servers", "prefix", "smtp_topics", "ses_topics", "policy_file")
def check(config: str | None, **flags: Any) -> None:
    """Say what is wrong with ours and with the inputs. Exit 1 where anything is; advice alone is no failure."""
    settings = settings_of(flags, config)
    try:
        policy = settings.policy()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    found = run_or_fail(kafka.check(settings, policy))
    advice = [f"advice: {sentence}" for sentence in found.advice]
    _say([*(found.problems or ["all topics are as they must be"]), *advice], wrong=found.problems)


def _say(lines: list[str], *, wrong: list[str]) -> None:
    click.echo("\n".join(lines))
    if wrong:
        sys.exit(1)
