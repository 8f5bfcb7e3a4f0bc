"""`mailgap notify` with the real Alertmanager, and with moto's server in SNS's place."""

from __future__ import annotations

import asyncio
import json

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from service.demo.broker_servers import free_port
from tests.integration.prometheus import Alertmanager
from tests.integration.test_notify import NOW, _say, _sinks, _until, desk  # noqa: F401 the fixture
from tests.integration.world import ready
from tests.unit.notices import condition, gap

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus]
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}


@pytest.fixture
def aws(monkeypatch):
    """Where moto listens, a topic, and what was published to it."""
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", free_port())
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    sns = boto3.client("sns", endpoint_url=url, region_name="eu-central-1")
    sqs = boto3.client("sqs", endpoint_url=url, region_name="eu-central-1")
    topic = sns.create_topic(Name="mailgap")["TopicArn"]
    queue = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    got = []

    def published():
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        got.extend(json.loads(message["Body"]) for message in answer.get("Messages", ()))
        return got

    yield url, topic, published
    for client in (sns, sqs):
        client.close()
    server.stop()


def test_alertmanager_and_sns_are_told_and_told_the_end(desk, aws, tmp_path):  # noqa: F811
    url, topic, published = aws
    configuration = tmp_path / "alertmanager.yml"
    route = {"receiver": "pager", "group_by": ["stream"], "group_wait": "0s"}
    configuration.write_text(yaml.safe_dump({"route": route, "receivers": [{"name": "pager"}]}))
    with Alertmanager(tmp_path / "alertmanager", configuration) as manager:
        sinks = _sinks(
            desk,
            {"type": "alertmanager", "url": f"http://127.0.0.1:{manager.port}"},
            {"type": "sns", "topic_arn": topic, "url": url},
        )

        def alerts():
            return {(a["labels"].get("stream"), a["labels"]["kind"]): a for a in manager.get("/api/v2/alerts")}

        async def story():
            records = [gap(f"g{n}", at=NOW + n, stream="ot<p>") for n in range(2000)]
            await _say(desk, *records, condition("c", at=NOW))
            notify = desk.notify(sinks, "--trace-url", "https://trace.example/mails/{mail_id}", **AWS)
            await ready(notify)
            await _until(notify, lambda: len(alerts()) == 2 and len(published()) == 2)
            firing = alerts()
            print(json.dumps(list(firing.values()), indent=1))
            await _say(
                desk, *(gap(f"g{n}", "resolved", stream="ot<p>") for n in range(2000)), condition("c", "cleared")
            )
            await _until(notify, lambda: not alerts() and len(published()) == 4)
            notify.stopped()
            return firing

        firing = asyncio.run(story())
    one = firing["ot\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}p\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
                 "sent_no_ses_id"]  # fmt: skip
    assert one["annotations"]["number"] == "2000"
    assert one["annotations"]["examples"].count("mx1.shop.example/") == 5
    assert one["labels"]["severity"] == "ticket"
    assert firing[None, "source_stalled"]["labels"]["severity"] == "page"
    subjects = [message["Subject"] for message in published()]
    assert sorted(subject.startswith("mailgap: Resolved") for subject in subjects) == [False, False, True, True]
    assert all(message["MessageAttributes"]["alert_id"]["Value"] for message in published())
