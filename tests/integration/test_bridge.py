"""SQS -> Kafka against moto and a real Kafka: what comes through, what is refused, and that nothing is lost."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.contract import bridged, dead_letter
from tests.integration.aws import ACCOUNT, bridge
from tests.integration.world import Reader, World, eventually, mailgap, ready
from tests.sns import TOPIC, Party, folder, signed


def event(number: int, kind: str = "Delivery", account: str = ACCOUNT) -> dict[str, Any]:
    """An event of a mail of now, whose id is told by the number."""
    now = int(time.time() * 1000)
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now / 1000))
    return {
        "eventType": kind,
        "mail": {
            "timestamp": at, "messageId": ses_id(number), "source": "shop@app.example", "sendingAccountId": account,
            "destination": ["ann@client.example"],
        },
        kind.lower(): {
            "timestamp": at, "recipients": ["ann@client.example"],
            "bounceType": "Permanent", "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": "ann@client.example", "status": "5.1.1"}],
        },
    }  # fmt: skip


def ses_id(number: int) -> str:
    return f"EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-{number:012d}-000000"


def eventbridge(said: dict[str, Any]) -> dict[str, Any]:
    return {"version": "0", "id": "1", "detail-type": "Email Delivered", "source": "aws.ses", "detail": said}


def s3_says(bucket: str, key: str) -> dict[str, Any]:
    what = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": what}]}


async def _records(world: World, topic: str, number: int, otherwise: Any) -> list[Any]:
    """At least so many of a topic; one that came twice, as it may, counts once."""
    found: list[Any] = []
    async with Reader(world.kafka, topic) as reader:

        async def there() -> bool:
            found.extend(await reader.news())
            return len({record.value for record in found}) >= number

        await eventually(there, 60, lambda: (len(found), otherwise()))
    return found


@pytest.mark.kafka
def test_whatever_carries_an_event_comes_to_kafka_and_the_rest_is_a_dead_letter(world, aws, prefix):
    urls = [aws.queue(f"{prefix}-{number}") for number in range(2)]
    sqs, sns, s3 = aws.client("sqs"), aws.client("sns"), aws.client("s3")
    bucket = f"events-{prefix}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    lines = "\n".join(json.dumps(event(number)) for number in (10, 11)) + json.dumps(event(12))
    s3.put_object(Bucket=bucket, Key="2026/11/a b+c.gz", Body=gzip.compress(lines.encode()))
    wrapped = aws.subscribed(f"{prefix}-wrapped", f"{prefix}-0")
    sns.publish(TopicArn=wrapped, Message=json.dumps(event(1)) + "\n", Subject="Amazon SES Email Event Notification")
    sns.publish(TopicArn=aws.subscribed(f"{prefix}-raw", f"{prefix}-1", raw=True), Message=json.dumps(event(2)))
    marked = {"team": {"StringValue": "crm", "DataType": "String"}}
    sqs.send_message(QueueUrl=urls[0], MessageBody=json.dumps(eventbridge(event(3))), MessageAttributes=marked)
    sqs.send_message(QueueUrl=urls[0], MessageBody=json.dumps(s3_says(bucket, "2026/11/a+b%2Bc.gz")))
    sqs.send_message(QueueUrl=urls[1], MessageBody="Successfully validated SNS topic for Amazon SES event publishing.")
    refused = {
        "bad_json": "{not json",
        "not_an_ses_event": json.dumps({"order": 7}),
        "foreign_account": json.dumps(event(4, account="999999999999")),
        "foreign_bucket": json.dumps(s3_says("of-another", "x")),
        "unreadable_object": json.dumps(s3_says(bucket, "gone")),
    }
    for body in refused.values():
        sqs.send_message(QueueUrl=urls[1], MessageBody=body)

    queues = "--queue", urls[0], "--queue", f"{prefix}-1"
    running = bridge(world, aws, *queues, "--bucket", bucket, "--allowed-account", ACCOUNT)
    found = asyncio.run(_records(world, world.ses, 7, running.text))
    letters = asyncio.run(_records(world, f"{world.prefix}-dead-letters", len(refused), running.text))

    async def empty() -> bool:
        return not any(map(aws.left, urls))

    asyncio.run(eventually(empty, 30, running.text))
    assert {record.key for record in found} == {ses_id(n).encode() for n in (1, 2, 3, 10, 11, 12)} | {None}
    by_key = {record.key: record for record in found}
    (third,) = (by_key[ses_id(3).encode()],)
    assert json.loads(third.value)["detail"]["mail"]["messageId"] == ses_id(3)
    headers = dict(third.headers)
    assert headers[bridged.ATTRIBUTE + "team"] == b"crm"
    assert headers[bridged.QUEUE] == f"{prefix}-0".encode()
    assert headers[bridged.OLDEST_AGE].isdigit()
    assert dict(by_key[ses_id(11).encode()].headers)[bridged.OBJECT] == f"s3://{bucket}/2026/11/a b+c.gz".encode()
    assert {dead_letter.read(letter.headers).reason for letter in letters} == set(refused)
    assert {letter.value.decode() for letter in letters} == set(refused.values())

    metrics = {
        name: running.metric(f"mailgap_bridge_{name}") for name in ("received_total", "deleted_total", "in_flight")
    }
    assert metrics == {"received_total": 10, "deleted_total": 10, "in_flight": 0}
    assert running.metric("mailgap_bridge_dead_letters_total", reason="foreign_account") == 1
    code, seconds = running.stopped()
    assert (code, seconds < 10) == (0, True), running.text()

    replayed = mailgap("dead-letters", "replay", "--all", *world.where())
    assert replayed.stdout == b"2 records were sent again\n", "what was refused for what it may be is not sent"


@pytest.mark.kafka
def test_a_fifo_queue_is_emptied_group_by_group(world, aws, prefix):
    """What is in work of a group keeps the rest of it back, so it comes ten at a time at most, and all of it."""
    sqs = aws.client("sqs")
    kind = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName=f"{prefix}.fifo", Attributes=kind)["QueueUrl"]
    for number in range(60):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event(number)), MessageGroupId=f"group-{number % 3}")
    sqs.send_message(QueueUrl=url, MessageBody="{not json", MessageGroupId="group-0")
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event(60)), MessageGroupId="group-0")
    running = bridge(world, aws, "--queue", url)
    found = asyncio.run(_records(world, world.ses, 61, running.text))

    async def empty() -> bool:
        return not aws.left(url)

    asyncio.run(eventually(empty, 30, running.text))
    assert {record.key for record in found} == {ses_id(n).encode() for n in range(61)}
    letters = asyncio.run(_records(world, f"{world.prefix}-dead-letters", 1, running.text))
    assert [letter.value for letter in letters] == [b"{not json"], "it keeps nothing of its group back"


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--queue", "not-there"), "queue not-there"),
        (("--queue", "q", "--endpoint-url", "http://127.0.0.1:9"), "AWS does not answer"),
        (("--queue", "q", "--verify-sns", "--sns-certificates", "/nowhere"), "there is no such folder"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_sentence(world, aws, arguments, said):
    running = bridge(world, aws, *arguments)
    assert running.ends(60) == 1
    assert said in running.text()
    assert "Traceback" not in running.text()
    assert running.text().count("\n") == 1


@pytest.mark.kafka
def test_a_forged_record_is_refused_and_a_genuine_one_accepted(world, aws, prefix, tmp_path):
    url, years = aws.queue(prefix), 36_500
    root = Party("Root", 0, days=years)
    authority = Party("Authority", 1, root, days=years)
    leaf = Party("sns.amazonaws.com", 2, authority, dns="sns.amazonaws.com", days=years)
    (tmp_path / "roots.pem").write_bytes(root.pem)
    now = datetime.now(UTC)
    bodies = {
        "genuine": signed(leaf, at=now, Message=json.dumps(event(1))),
        "forged": signed(leaf, at=now, Message=json.dumps(event(2))) | {"Message": json.dumps(event(3))},
        "replayed": signed(leaf, at=now - timedelta(hours=3), Message=json.dumps(event(4))),
        "raw": event(5),
        "of another topic": signed(leaf, at=now, Message=json.dumps(event(6)), TopicArn=TOPIC + "-other"),
    }
    for body in bodies.values():
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))
    trust = "--sns-certificates", folder(tmp_path / "sns", leaf, authority), "--sns-roots", str(tmp_path / "roots.pem")
    running = bridge(
        world, aws, "--queue", prefix, "--verify-sns", *trust, "--sns-max-age", "1h", "--allowed-topic", TOPIC
    )
    found = asyncio.run(_records(world, world.ses, 1, running.text))
    letters = asyncio.run(_records(world, f"{world.prefix}-dead-letters", 4, running.text))
    assert [record.key for record in found] == [ses_id(1).encode()]
    reasons = {letter.value.decode(): dead_letter.read(letter.headers).reason.value for letter in letters}
    assert {name: reasons.get(json.dumps(body)) for name, body in bodies.items()} == {
        "genuine": None,
        "forged": "bad_signature",
        "replayed": "too_old",
        "raw": "unsigned",
        "of another topic": "foreign_topic",
    }


@pytest.mark.kafka
@pytest.mark.slow
def test_nothing_is_lost_where_the_bridge_is_killed_ten_times(world, aws, prefix):
    """kill -9 in the midst of it: every event comes to Kafka, perhaps twice, and the queue is empty at the end."""
    url, number = aws.queue(prefix), 600
    sqs = aws.client("sqs")
    for start in range(0, number, 10):
        bodies = [json.dumps(event(start + n)) for n in range(10)]
        sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
        )
    wanted = {ses_id(n).encode() for n in range(number)}
    seen: list[bytes] = []

    async def story() -> None:
        async with Reader(world.kafka, world.ses) as reader:

            async def more() -> bool:
                news = [record.key for record in await reader.news()]
                seen.extend(news)
                return bool(news)

            for _ in range(10):
                running = bridge(world, aws, "--queue", prefix, "--visibility", "2s", "--pollers", "1")
                await eventually(more, 60, running.text)
                running.killed()
                assert len(set(seen)) < number, "killed in the midst of it"
            running = bridge(world, aws, "--queue", prefix, "--visibility", "2s")

            async def all_there() -> bool:
                await more()
                return wanted <= set(seen) and not aws.left(url)

            await eventually(all_there, 120, lambda: (len(set(seen)), running.text()))

    asyncio.run(story())
    assert set(seen) == wanted


@pytest.mark.kafka
@pytest.mark.slow
def test_verdicts_are_right_where_the_bridge_is_killed_ten_times(world, aws, prefix):
    """SNS -> SQS -> bridge -> Kafka -> worker, and kill -9 ten times in the midst of it: each mail has the outcome that
    was published of it, whatever came twice or late, and none is missing or made up."""
    number, kills, visibility = 120, 10, "2s"
    url = aws.queue(prefix)
    topic = aws.subscribed(prefix, prefix)
    wanted = {ses_id(n): "bounced" if n % 3 else "delivered" for n in range(number)}
    for last in (True, False):  # outcomes before the Send events: order is nobody's business
        for n, outcome in enumerate(wanted.values()):
            kind = ("Delivery" if outcome == "delivered" else "Bounce") if last else "Send"
            aws.client("sns").publish(TopicArn=topic, Message=json.dumps(event(n, kind)))
    worker = world.start()

    async def story() -> None:
        async with Reader(world.kafka, world.ses) as reader:
            for killed in range(kills):
                running = bridge(world, aws, "--queue", prefix, "--visibility", visibility, "--pollers", "1")

                async def more() -> bool:
                    return bool(await reader.news())

                await eventually(more, 60, running.text)
                running.killed()
                assert aws.left(url), f"killed in the midst of it, for the {killed + 1}. time"
            running = bridge(world, aws, "--queue", prefix, "--visibility", visibility)
            outcomes: dict[str, list[str]] = {}

            async def judged() -> bool:
                said = await world.documents()
                outcomes.clear()
                outcomes.update({key: [each["outcome"] for each in of[-1]["recipients"]] for key, of in said.items()})
                return outcomes == {key: [outcome] for key, outcome in wanted.items()} and not aws.left(url)

            await eventually(judged, 120, lambda: (len(outcomes), running.text(), worker.text()[-2000:]))

    asyncio.run(story())
    assert asyncio.run(world.read("dead-letters")) == []
    assert asyncio.run(world.documents("gaps")) == {}, "nothing is missing, and nothing is said to be"


@pytest.mark.kafka
@pytest.mark.slow
def test_a_bridge_stops_within_its_bound_and_gives_back_what_kafka_did_not_take(local_kafka, aws, prefix, tmp_path):
    broker = local_kafka()
    world = World(broker.bootstrap_servers, prefix, tmp_path)
    world.prepare()
    url = aws.queue(prefix)
    running = bridge(world, aws, "--queue", prefix, "--visibility", "10m")
    asyncio.run(ready(running))
    broker.close()
    aws.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(event(1)))

    async def in_work() -> bool:
        return running.metric("mailgap_bridge_in_flight") == 1

    asyncio.run(eventually(in_work, 60, running.text))
    running.send(signal.SIGTERM)
    assert running.ends(45) == 0, running.text()
    names = ["ApproximateNumberOfMessages"]
    found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert found == {"ApproximateNumberOfMessages": "1"}, "it is visible at once, and was not deleted"
