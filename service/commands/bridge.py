"""`mailgap bridge`: brings SES's events from SQS onto Kafka, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from service import logs
from service.commands.aws import need_boto, regions_of
from service.commands.common import Failure, logging_options, settings_of, settings_options
from service.commands.serving import serve, stop_on_signals
from service.edges.http import HttpServer
from service.edges.topics import KafkaUnusableError

if TYPE_CHECKING:
    from service.bridge.bridge import Bridge
    from service.bridge.queue import Queue
    from service.edges.outlet import Outlet
    from service.settings import Settings

log = logging.getLogger("mailgap.bridge")

_OPTIONS: Final = (
    *("bootstrap_servers", "ses_topics", "prefix", "http_bind", "queues", "region", "endpoint_url", "pollers", "wait"),
    *("visibility", "receives", "buckets", "allowed_accounts", "allowed_topics", "verify_sns", "sns_certificates"),
    *("sns_roots", "sns_max_age", "ask_aws"),
)


@click.command()
@settings_options(*_OPTIONS)
@logging_options
def bridge(log_level: str, log_format: str, config: str | None, **flags: Any) -> None:
    """Bring SES's events from SQS (by SNS, EventBridge, or as objects of S3) onto Kafka.

    A record is deleted from its queue only after Kafka has it (acks=all), so it may come twice, which does no harm, and
    is never lost. What is no SES event, or is refused, goes to the dead letters with the reason. Credentials come from
    where AWS's own tools find them; deploy/iam/bridge.json is all that they must allow.

    With --ask-aws SES's account (paused or not, quota, sent in 24 hours) is among the metrics: deploy/iam/account.json.

    Runs until SIGTERM or Ctrl-C. Several may run on the same queue.
    """
    logs.set_up(log_level, log_format)
    settings = settings_of(flags, config)
    if not settings.queues:
        raise click.UsageError("nothing to read: give --queue, the name or URL of an SQS queue")
    if len(settings.ses_topics) != 1:
        raise click.UsageError("give one --ses-topic: the topic that the events go to")
    need_boto()
    sys.exit(asyncio.run(_run(settings)))


async def _run(settings: Settings) -> int:
    from service.aws.certificates import CertificatesError  # noqa: PLC0415 only the bridge pays for loading boto3
    from service.aws.clients import AwsError  # noqa: PLC0415
    from service.aws.watching import watch  # noqa: PLC0415

    outlet = _outlet(settings)
    try:
        bridge = await _built(settings, outlet)
    except (AwsError, CertificatesError, KafkaUnusableError) as error:
        await outlet.stop()
        raise Failure(str(error)) from error
    if takes_anybody_s(settings):
        log.warning("--verify-sns alone takes what any topic of anybody's has signed: name yours by --allowed-topic")
    stop_on_signals(bridge.stop)
    server = HttpServer(settings.http_bind, dict, bridge.complaints, bridge.gauge)
    regions = regions_of(settings)
    watching = [asyncio.create_task(watch(regions.of()))] if regions else []
    try:
        return await serve(server, bridge.run, log, queues=list(settings.queues))
    finally:
        for task in watching:
            task.cancel()
        await outlet.stop()


def takes_anybody_s(settings: Settings) -> bool:
    """A signature says that SNS has signed it, for whoever has an account there: whose it is must be asked, too."""
    return settings.verify_sns and not (settings.allowed_accounts or settings.allowed_topics)


def _outlet(settings: Settings) -> Outlet:
    from service.edges.outlet import Outlet  # noqa: PLC0415
    from service.metrics import BRIDGE_ERRORS  # noqa: PLC0415

    topics = {
        settings.ses_topics[0]: "make it, or correct --ses-topic",
        settings.topics.dead_letters: "make ours with `mailgap topics create`",
    }
    return Outlet(settings, topics, log, BRIDGE_ERRORS.labels(",".join(settings.queues), "kafka").inc)


async def _built(settings: Settings, outlet: Outlet) -> Bridge:
    from service.aws.certificates import Certificates  # noqa: PLC0415
    from service.aws.clients import client  # noqa: PLC0415
    from service.bridge.bridge import Bridge, Duties  # noqa: PLC0415
    from service.bridge.objects import Objects  # noqa: PLC0415
    from service.bridge.opening import Rules  # noqa: PLC0415

    connections = len(settings.queues) * settings.pollers * 2 + 4
    where = settings.region, settings.endpoint_url, connections
    duties = Duties(
        rules=Rules(
            frozenset(settings.allowed_accounts), frozenset(settings.allowed_topics), frozenset(settings.buckets)
        ),
        outlet=outlet,
        objects=Objects(client("s3", *where)) if settings.buckets else None,
        signatures=Certificates(settings.sns_certificates, settings.sns_roots) if settings.verify_sns else None,
        max_age=round(settings.sns_max_age * 1000),
        visibility=settings.visibility,
        receives=settings.receives,
    )
    queues = _queues(settings, client("sqs", *where, validate=False))
    for queue in queues:
        await asyncio.to_thread(queue.find)
    await outlet.start()
    return Bridge(queues, duties, settings.pollers)


def _queues(settings: Settings, sqs: Any) -> list[Queue]:
    from service.bridge.queue import Queue  # noqa: PLC0415

    return [Queue(sqs, name, settings.wait, settings.visibility) for name in settings.queues]
