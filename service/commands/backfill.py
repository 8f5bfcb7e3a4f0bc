"""`mailgap backfill`: history onto topics of its own, to be judged by a worker that pages nobody."""

from __future__ import annotations

import asyncio
import logging
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import click
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.commands.common import Failure, ManyPaths, settings_of, settings_options
from service.edges.inputs import InputError, shown
from service.edges.topics import KafkaUnusableError
from service.facts import Source
from service.intake import smtp_context
from service.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.backfill.archives import Archived
    from service.backfill.spool import Spool
    from service.policy import Policy
    from service.settings import Settings

log = logging.getLogger("mailgap.backfill")

LIVE = "mailgap"
"""The prefix of whoever gave none: that of live mail."""


@click.command(cls=ManyPaths)
@click.option("--smtp", multiple=True, metavar="PATH...", help="Mail logs: files, folders, or s3://bucket/prefix.")
@click.option("--ses", multiple=True, metavar="PATH...", help="SES events: the same.")
@click.option("--spool", metavar="FILE", help="Where records are sorted.  [default: <prefix>-backfill.db]")
@settings_options(
    *("bootstrap_servers", "prefix", "partitions", "replication", "policy_file", "timezone", "region", "endpoint_url")
)
def backfill(smtp: tuple[str, ...], ses: tuple[str, ...], spool: str | None, config: str | None, **flags: Any) -> None:
    """Replay archived events and rotated logs, in the order of their own time, as history.

    PATHs may be plain, gzip or zstd, and what Firehose or a shipper has written to S3. All is read and sorted on disk
    (in --spool, which needs about the space of the unpacked inputs), and then sent to <prefix>-history-smtp and
    <prefix>-history-ses, which are made where they are not there. --prefix is one of history's own; topics that hold
    anything else are refused.

    A worker with --historic and the same prefix judges it: the verdicts are those of `mailgap scan`, marked historic,
    and nobody is paged. Whoever is interrupted starts the same command again, and it goes on.
    """
    settings = settings_of(flags, config)
    if not smtp and not ses:
        raise click.UsageError("nothing to read: give --smtp PATH, --ses PATH or both")
    if settings.prefix == LIVE:
        raise click.UsageError(
            f"--prefix: history needs one of its own, and {LIVE!r} is that of live mail; give another"
        )
    try:
        policy, _ = settings.policy(), settings.zone()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    from service.backfill import spool as spools  # noqa: PLC0415 other commands need no database

    try:
        with spools.opened(spool or f"{settings.prefix}-backfill.db") as opened:
            _check(opened, settings, smtp, ses)
            _run(opened, settings, policy, {Source.SMTP: smtp, Source.SES: ses})
    except (spools.SpoolError, InputError, KafkaUnusableError) as error:
        raise Failure(str(error)) from error


def _check(spool: Spool, settings: Settings, smtp: Iterable[str], ses: Iterable[str]) -> None:
    """A spool belongs to one backfill."""
    this = f"{settings.prefix}: --smtp {' '.join(map(shown, smtp))} --ses {' '.join(map(shown, ses))}"
    before = spool.said("this")
    if before and before != this:
        raise Failure(f"--spool: it holds another backfill ({before}): give another file, or remove it")
    spool.say("this", this)


def _run(spool: Spool, settings: Settings, policy: Policy, paths: dict[Source, tuple[str, ...]]) -> None:
    from service.backfill import topics  # noqa: PLC0415
    from service.backfill.sending import BEGUN, DONE  # noqa: PLC0415

    begun = bool(spool.said(BEGUN))
    # Before hours of reading: what is refused is refused at once.
    partitions = asyncio.run(topics.prepare(settings, begun=begun))
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        if not spool.said("sorted"):
            _read(spool, settings, policy, paths, bar)
        if not spool.said(DONE):
            _send(spool, settings, partitions, bar)
    _say(spool, settings)


def _read(
    spool: Spool, settings: Settings, policy: Policy, paths: dict[Source, tuple[str, ...]], bar: Progress
) -> None:
    from service.backfill import archives  # noqa: PLC0415
    from service.backfill.dated import Dated  # noqa: PLC0415

    @cache
    def client() -> Any:
        from service.aws.clients import client as made  # noqa: PLC0415

        return made("s3", settings.region, settings.endpoint_url)

    link = all(paths.values()) and policy.message_id_join
    with _aws():
        every = [each for source, given in paths.items() for each in archives.found(source, given, client)]
        dated = Dated(archives.now_ms(), smtp_context(policy, settings.zone()), link=link)
        task = bar.add_task("reading bytes", total=sum(each.size for each in every))
        for each in every:
            name = archives.identity(each)
            if not spool.has(name):
                with archives.local(each, client) as path, spool.file(name) as writing:
                    dated.read(each.source, path, _log_of(each), each.modified, writing)
            bar.advance(task, each.size)
    spool.sort()
    spool.say("sorted", "yes")


def _log_of(each: Archived) -> str:
    """The log that a rotated file is of: what begins in one of its files may end in the next."""
    from service.feed.place import live_name  # noqa: PLC0415

    folder, slash, name = each.name.rpartition("/")
    return f"{folder}{slash}{live_name(name)}"


def _send(spool: Spool, settings: Settings, partitions: dict[str, int], bar: Progress) -> None:
    task = bar.add_task("sending records", total=spool.waiting())
    try:
        asyncio.run(_sent(spool, settings, partitions, lambda more: bar.advance(task, more)))
    except (KafkaError, OSError) as error:
        raise Failure(
            f"Kafka did not take it: {type(error).__name__}: {error}: start it again, and it goes on"
        ) from error


async def _sent(spool: Spool, settings: Settings, partitions: dict[str, int], tell: Any) -> None:
    from service.backfill import sending  # noqa: PLC0415
    from service.edges.outlet import Outlet  # noqa: PLC0415

    topics = dict(zip((Source.SMTP, Source.SES), settings.topics.history, strict=True))
    outlet = Outlet(settings, dict.fromkeys(settings.topics.history, "somebody has removed it; start again"), log)
    await outlet.start()
    try:
        await sending.send(spool, outlet, topics, partitions, tell)
    except sending.TooLargeError as error:
        raise Failure(str(error)) from error
    finally:
        await outlet.stop()


def _say(spool: Spool, settings: Settings) -> None:
    files, records, ignored, rejected = spool.counts()
    flags = {Source.SMTP: "--smtp-topic", Source.SES: "--ses-topic"}
    names = dict(zip((Source.SMTP, Source.SES), settings.topics.history, strict=True))
    inputs = " ".join(f"{flags[source]} {names[source]}" for source in spool.ends())
    lines = (
        f"sent      {records} records of {files} files",
        f"          {ignored} say nothing about a mail, {rejected} cannot be read (see `mailgap scan --rejects`)",
        f"next      mailgap topics create --prefix {settings.prefix}",
        f"          mailgap worker --historic --prefix {settings.prefix} {inputs}",
    )
    click.echo("\n".join(lines), err=True)


class _aws:  # noqa: N801 a block, not a thing
    """What AWS refuses is one sentence."""

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        aws = sys.modules.get("service.aws.clients")  # not loaded: nothing of AWS's was asked for
        if aws is not None and isinstance(error, aws.AwsError):
            raise Failure(str(error)) from error
