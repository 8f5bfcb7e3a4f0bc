"""`mailgap canary`: sends mails of its own, and says whether all of the way works."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from service import logs
from service.canary.canary import Canary, Plan
from service.canary.flight import Expected
from service.canary.sending import Api, Mail, NotSentError, Smtp
from service.canary.watch import Result
from service.commands.aws import need_boto
from service.commands.common import Failure, logging_options, printable, settings_of, settings_options
from service.commands.serving import serve, stop_on_signals
from service.commands.topics import run_or_fail
from service.contract.wire import timestamp
from service.edges.http import HttpServer
from service.edges.reading import reader
from service.setting_canary import CANARY, Server
from service.settings import SettingsError
from service.story_words import clock

if TYPE_CHECKING:
    from service.canary.sending import Way
    from service.canary.watch import News
    from service.settings import Settings

log = logging.getLogger("mailgap.canary")

BROKEN: Final = 3
"""The exit code where a mail did not get through."""


class Told(msgspec.Struct, frozen=True):
    """What `--once` says. `legs` in seconds; `broken` is empty where the mail arrived."""

    canary: str
    result: str
    sent_at: str
    mail_id: str
    message_id: str
    broken: str
    legs: dict[str, float]


@click.command()
@settings_options(
    *("bootstrap_servers", "prefix", "http_bind", "region", "endpoint_url"), *[setting.key for setting in CANARY]
)
@click.option("--once", is_flag=True, help="Send one, wait until it has arrived or is missing, and say so.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Of --once.")
@logging_options
def canary(log_level: str, log_format: str, config: str | None, form: str, *, once: bool, **flags: Any) -> None:
    """Send a mail of our own the application's way every few minutes, and watch its whole trail come in.

    It goes to SES's mailbox simulator, or to an address of yours, by the application's mail server, by SES's SMTP or by
    its API. It has arrived when the correlated topic says that SES took it, that the expected outcome came, and, where
    it went by a mail server, that the log of that came too. Whatever of this is missing is said, as are the seconds
    that each leg took. The alert MailgapCanaryMissing pages.

    Exit 0; with --once 3 where the mail did not get through. Needs to read the correlated topic, and for `--via ses` no
    more of AWS than deploy/iam/canary.json.
    """
    logs.set_up(log_level, log_format)
    settings = settings_of(flags, config)
    try:
        settings.canary.complain()
        way = _way(settings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(run_or_fail(_once(settings, way, form) if once else _run(settings, way)))


def _way(settings: Settings) -> Way:
    given = settings.canary
    if isinstance(given.canary_via, Server):
        return Smtp(given.canary_via, given.canary_user, given.password(os.environ), given.canary_ca_file)
    need_boto()
    from service.aws.clients import AwsError, client  # noqa: PLC0415 only this way pays for loading boto3

    try:
        return Api(client("sesv2", settings.region, settings.endpoint_url))
    except AwsError as error:
        raise Failure(str(error)) from error


def _plan(settings: Settings) -> Plan:
    given = settings.canary
    assert given.canary_sender is not None  # `complain` has seen to it
    mail = Mail(given.canary_name, given.canary_sender, given.canary_recipient, given.canary_set or "")
    expected = Expected(given.outcome, not given.canary_unlogged)
    return Plan(mail, expected, given.canary_interval, given.canary_patience)


async def _once(settings: Settings, way: Way, form: str) -> int:
    async with reader(settings, settings.topics.correlated) as consumer:
        made = Canary(_plan(settings), way, consumer)
        stop_on_signals(made.stop)
        await made.begin()
        try:
            news = await made.once()
        except NotSentError as error:
            return _say(Told(settings.canary.canary_name, "refused", "", "", "", str(error), {}), form)
        return _say(_told(settings.canary.canary_name, news), form)


def _told(name: str, news: News) -> Told:
    flight, found = news.flight, news.standing
    return Told(
        canary=name,
        result=news.result.value,
        sent_at=timestamp(flight.sent_at),
        mail_id=found.mail_id,
        message_id=flight.message_id,
        broken=found.broken,
        legs={leg.value: round(seconds, 3) for leg, seconds in found.legs.items()},
    )


def _say(told: Told, form: str) -> int:
    if form == "json":
        click.echo(msgspec.json.encode(told).decode())
    elif told.result == Result.ARRIVED:
        click.echo(f"canary {told.canary}: arrived, sent {clock(told.sent_at)}, mail {printable(told.mail_id)}")
        for leg, seconds in told.legs.items():
            click.echo(f"  {leg:<8} {seconds:8.3f} s")
    else:
        mail = f", mail {told.mail_id or told.message_id}" if told.message_id else ""
        click.echo(printable(f"canary {told.canary}: {told.result}: {told.broken}{mail}"))
    return 0 if told.result == Result.ARRIVED else BROKEN


async def _run(settings: Settings, way: Way) -> int:
    async with reader(settings, settings.topics.correlated) as consumer:
        made = Canary(_plan(settings), way, consumer)
        stop_on_signals(made.stop)
        await made.begin()
        server = HttpServer(settings.http_bind, dict, made.complaints)
        return await serve(server, made.run, log, canary=settings.canary.canary_name)
