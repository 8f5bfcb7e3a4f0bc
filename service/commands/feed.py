"""`mailgap feed`: brings the log files and the journal of this host onto Kafka, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from functools import partial
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, Final

import click

from service import logs
from service.commands.common import Failure, ManyPaths, logging_options, settings_of, settings_options
from service.commands.serving import serve, stop_on_signals
from service.edges.http import HttpServer
from service.edges.inputs import shown
from service.edges.topics import KafkaUnusableError

if TYPE_CHECKING:
    from service.feed.feed import Feed
    from service.settings import Settings

log = logging.getLogger("mailgap.feed")

_OPTIONS: Final = (
    *("bootstrap_servers", "smtp_topics", "http_bind", "feed_files", "feed_journal", "feed_state", "feed_start"),
    "feed_host",
)


class _Paths(ManyPaths):
    """Takes what a shell makes of a pattern that was not quoted."""

    FLAGS = ("--file",)


@click.command(cls=_Paths)
@settings_options(*_OPTIONS)
@logging_options
def feed(log_level: str, log_format: str, config: str | None, **flags: Any) -> None:
    """Bring the mail logs of this host onto Kafka: files, by name or pattern, and systemd's journal.

    For hosts without a shipper; deploy/shippers/ has configurations for those with one. Every line goes to Kafka as it
    stands, and is noted as sent only after Kafka has it (acks=all): after a crash some may come twice, which does no
    harm, and none is lost. Files may be rotated by rename or by truncation, and packed with gzip or zstd.

    An unknown log begins at its end: what lies before is history, which `mailgap backfill` judges. With --host, lines
    travel with that name of the host: for logs whose lines bear none, as Exim's, qmail's and many applications'.

    Runs until SIGTERM or Ctrl-C.
    """
    logs.set_up(log_level, log_format)
    settings = settings_of(flags, config)
    if not settings.feed.feed_files and not settings.feed.feed_journal:
        raise click.UsageError(
            "nothing to follow: give --file, a log or a pattern, or --journal, like SYSLOG_FACILITY=2"
        )
    if len(settings.smtp_topics) != 1:
        raise click.UsageError("give one --smtp-topic: the topic that the lines go to")
    for path in settings.feed.feed_files:
        if Path(path).is_dir():
            raise click.UsageError(
                f"--file {path}: is a folder; give its files, or a pattern like {path.rstrip('/')}/*.log"
            )
    if settings.feed.feed_journal and which("journalctl") is None:
        raise Failure("--journal: there is no journalctl on this host: give the log's file with --file")
    sys.exit(asyncio.run(_run(settings)))


async def _run(settings: Settings) -> int:
    from service.edges.outlet import Outlet  # noqa: PLC0415 other commands need no producer
    from service.feed import state  # noqa: PLC0415
    from service.feed.feed import Feed  # noqa: PLC0415
    from service.metrics_feed import FEED_ERRORS  # noqa: PLC0415

    topic = {settings.smtp_topics[0]: "make it, or correct --smtp-topic"}
    outlet = Outlet(settings, topic, log, FEED_ERRORS.labels("all", "kafka").inc)
    try:
        with state.locked(settings.feed.feed_state):
            kept = state.load(settings.feed.feed_state)
            await outlet.start()
            return await _feed(settings, Feed(settings.feed, outlet, socket.gethostname()), kept)
    except (state.StateError, KafkaUnusableError) as error:
        raise Failure(str(error)) from error
    finally:
        await outlet.stop()


async def _feed(settings: Settings, feed: Feed, kept: Any) -> int:
    stop_on_signals(feed.stop)
    server = HttpServer(settings.http_bind, dict, lambda: feed.complaints, feed.gauge)
    return await serve(server, partial(feed.run, kept), log, files=list(map(shown, settings.feed.feed_files)))
