"""`mailgap worker`: consumes the inputs and publishes verdicts and gaps, until it is told to stop."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from service import logs
from service.commands.common import logging_options, settings_of, settings_options
from service.commands.topics import run_or_fail
from service.edges import topics as kafka
from service.edges.http import HttpServer
from service.edges.kafka_clients import security_options
from service.metrics import release
from service.policy import advice
from service.setting_security import SECURITY_KEYS
from service.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.policy import Policy
    from service.privacy import Pseudonyms
    from topologies.engine.app import App

ROLES = ("ingest", "correlate")


@click.command()
@settings_options(
    "bootstrap_servers",
    "smtp_topics",
    "ses_topics",
    "prefix",
    "policy_file",
    "addresses",
    "pseudonym_key_file",
    "http_bind",
    "session_timeout",
    "commit_interval",
    "brake",
    "runbooks",
    "timezone",
    "historic",
    *SECURITY_KEYS,
)
@click.option("--role", type=click.Choice(ROLES), help="Only this one. [default: both]")
@logging_options
def worker(role: str | None, log_level: str, log_format: str, config: str | None, **flags: Any) -> None:
    """Consume logs and events from Kafka; publish verdicts and gaps.

    Runs until SIGTERM or Ctrl-C, and stops by itself, with one line that says why, where it cannot go on: let whatever
    supervises it start it again. Each role is a consumer group of its own, so workers and roles may be added freely.
    """
    logs.set_up(log_level, log_format)
    logging.getLogger("aiokafka.consumer.group_coordinator").addFilter(_expected)
    settings = settings_of(flags, config)
    if not settings.smtp_topics and not settings.ses_topics:
        raise click.UsageError("nothing to read: give --smtp-topic, --ses-topic or both")
    try:
        policy, hide, _ = settings.policy(), settings.pseudonyms(), settings.zone()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    for sentence in advice(policy):
        logs.log.warning("%s: %s", settings.policy_file, sentence)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what is amiss is said below in one sentence, not before
    partitions = run_or_fail(kafka.partitions(settings))
    sys.exit(_run(settings, policy, hide, partitions, [role] if role else list(ROLES)))


def _expected(record: logging.LogRecord) -> bool:
    """Drops what a fresh group always meets: its coordinator is only being chosen."""
    return "GroupCoordinatorNotAvailable" not in record.getMessage()


def _run(settings: Settings, policy: Policy, hide: Pseudonyms | None, partitions: int, roles: list[str]) -> int:
    from topologies.app import run_apps  # noqa: PLC0415 only the worker pays for loading Faust
    from topologies.correlate import correlate_app  # noqa: PLC0415
    from topologies.engine.settings import EngineSettings  # noqa: PLC0415
    from topologies.http import Http  # noqa: PLC0415
    from topologies.ingest import ingest_app  # noqa: PLC0415

    engine = EngineSettings(
        bootstrap_servers=settings.bootstrap_servers,
        prefix=settings.prefix,
        partitions=partitions,
        client=security_options(settings),
        session_timeout=settings.session_timeout,
        heartbeat=settings.session_timeout / 5,
        commit_interval=settings.commit_interval,
        max_record_bytes=kafka.LARGEST_RECORD,
        record_limits={settings.topics.dead_letters: kafka.LARGEST_DEAD_LETTER},
    )
    make: Mapping[str, Callable[[], App]] = {
        "ingest": lambda: ingest_app(settings, engine, policy, hide),
        "correlate": lambda: correlate_app(settings, engine, policy),
    }
    apps = [make[role]() for role in roles]
    server = HttpServer(settings.http_bind, lambda: not_alive(apps), lambda: not_ready(apps), lambda: scraped(apps))
    logs.log.info("started", extra=logs.fields("started", roles=roles, shards=partitions, version=release()))
    return run_apps(apps, [Http(server)])


def scraped(apps: list[App]) -> None:
    """Somebody is about to read the metrics: those that are read off the shards are read now."""
    for app in apps:
        if app.before_scrape is not None:
            app.before_scrape()


def not_alive(apps: list[App]) -> dict[str, str]:
    """Apps that have crashed or stopped, or of which nothing moves while records wait."""
    return {app.conf.id: reason for app in apps if (reason := _dead(app))}


def _dead(app: App) -> str:
    if app.crashed or app.should_stop:
        return "crashed" if app.crashed else "stopped"
    return app.complaint()


def not_ready(apps: list[App]) -> dict[str, str]:
    """Apps that do not consume yet, and why."""
    return {app.conf.id: reason for app in apps if (reason := _unready(app))}


def _unready(app: App) -> str:
    if app.crashed or app.should_stop:
        return "stopping"
    if not app.started or app.consumer_generation_id < 0:
        return "has not joined its group"
    if app.rebalancing:
        return "its group is rebalancing"
    if not app.tables.actives_ready or not all(getattr(table.data, "ready", True) for table in app.tables.values()):
        return "is restoring its shards"
    return ""
