"""`mailgap notify`: tells Alertmanager, PagerDuty, Slack, SNS and webhooks what is open, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
from aiokafka.errors import KafkaError

from service import logs
from service.commands.aws import account_says, regions_of
from service.commands.common import logging_options, settings_options
from service.edges.http import HttpServer
from service.edges.notify.notifier import Notifier
from service.edges.topics import KafkaUnusableError
from service.metrics import release
from service.settings import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from service.notifications.sinks import Sink
    from service.settings import Settings

BIND: Final = "127.0.0.1:9752"
STOP_BOUND: Final = 15.0
"""Seconds in which an attempt that is under way may end."""


@click.command()
@settings_options(
    *("bootstrap_servers", "prefix", "sinks_file", "trace_url", "session_timeout", "ask_aws", "region", "endpoint_url"),
    but={"http_bind": BIND},
)
@logging_options
def notify(log_level: str, log_format: str, config: str | None, **flags: Any) -> None:
    """Tell the sinks of --sinks which gaps and conditions are open, grouped by stream, kind and cause.

    One notification says how many, since when and up to five examples; it is updated as the number changes, and
    resolved once nothing is open. Run one beside the workers, or several: one of them speaks. What a sink does not take
    is tried again with growing pauses, and shows in `mailgap_notifications_total`, `mailgap_notifications_waiting` and
    `mailgap doctor`. What could not be told when this process died is told when it is started again.

    With --ask-aws what is told of an account that SES refuses bears what AWS says of it (paused, quota, sandbox).

    The file of sinks holds no secret, only where each stands:

    \b
      pace: {wait: 30s, update: 15m}
      sinks:
        - {type: alertmanager, url: "http://alertmanager:9093"}
        - {type: slack, url_file: /run/secrets/slack-url, streams: [otp]}
        - {type: pagerduty, key_env: PAGERDUTY_KEY, severities: [page]}
        - {type: sns, topic_arn: "arn:aws:sns:eu-central-1:111122223333:mailgap"}
        - {type: webhook, url_env: HOOK_URL, authorization_file: /run/secrets/token}

    Each may have a `name`, `streams`, `kinds`, `severities` (page, ticket) and `at_least`.
    """  # noqa: D301 Click wants the backslash itself
    logs.set_up(log_level, log_format)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    try:
        settings = load(flags, config=config, defaults={"http_bind": BIND})
        sinks = settings.sinks()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    if not sinks:
        raise click.UsageError("nobody to notify: give --sinks, a YAML file; --help shows one")
    sys.exit(asyncio.run(_live(settings, sinks)))


async def _live(settings: Settings, sinks: Sequence[Sink]) -> int:
    regions = regions_of(settings)
    notifier = Notifier(settings, sinks, None if regions is None else partial(account_says, regions))
    server = HttpServer(settings.http_bind, dict, notifier.not_ready)
    running = asyncio.create_task(_served(server, notifier))
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    names = [sink.name for sink in sinks]
    logs.log.info("started", extra=logs.fields("started", roles=["notify"], sinks=names, version=release()))
    stop = asyncio.create_task(told.wait())
    await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    running.cancel()
    await asyncio.wait({running}, timeout=STOP_BOUND)
    if not running.done() or running.cancelled() or (cause := running.exception()) is None:
        return 0
    _say(cause)
    return 1


async def _served(server: HttpServer, notifier: Notifier) -> None:
    await server.start()
    try:
        await notifier.run()
    finally:
        await server.stop()


def _say(cause: BaseException) -> None:
    """One line. A traceback only where the cause is a bug, and not Kafka or the network."""
    first = next(_leaves(cause))
    foreseen = isinstance(first, KafkaError | KafkaUnusableError | OSError)
    text = str(first).removeprefix(f"{type(first).__name__}: ")
    said = {"event": "stopped", "fields": {"error": type(first).__name__}}
    logs.log.error("stopped: %s: %s", type(first).__name__, text, exc_info=None if foreseen else cause, extra=said)


def _leaves(cause: BaseException) -> Iterator[BaseException]:
    if isinstance(cause, BaseExceptionGroup):
        for each in cause.exceptions:
            yield from _leaves(each)
    else:
        yield cause
