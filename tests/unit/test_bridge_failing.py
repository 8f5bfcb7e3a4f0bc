"""What fails for a while stays in the queue, and is asked for with pauses; what can never be read does not stop it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from service.aws.certificates import Certificates
from service.aws.clients import AwsError, Trouble
from service.bridge import bridge as bridges
from service.bridge.bridge import Bridge, Duties
from service.bridge.objects import Objects
from service.bridge.opening import Rules
from service.bridge.queue import Queue
from service.commands.bridge import takes_anybody_s
from service.contract import dead_letter
from service.settings import load
from tests.integration.world import eventually
from tests.sns import HOST, NOW, Party, folder, signed

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "EXAMPLE7c191be45-1"
EVENT = json.dumps({
    "eventType": "Send", "send": {},
    "mail": {
        "timestamp": "2026-11-24T12:00:00.000Z", "messageId": ID, "source": "shop@app.example",
        "destination": ["ann@client.example"],
    },
})  # fmt: skip
OBJECT = json.dumps({
    "Records": [
        {
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}},
        }
    ]
})  # fmt: skip


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "call")


class Sqs:
    """A queue whose records come again until they are deleted, as boto3's client shows it."""

    def __init__(self, *bodies: str, receives: int = 1, delete: Exception | None = None) -> None:
        self.waiting = deque((str(number), body) for number, body in enumerate(bodies))
        self.receives, self.error = receives, delete
        self.polls, self.deleted = 0, list[str]()

    def receive_message(self, **_: Any) -> dict[str, Any]:
        self.polls += 1
        attributes = {"ApproximateReceiveCount": str(self.receives + self.polls - 1)}
        return {
            "Messages": [
                {"MessageId": n, "ReceiptHandle": n, "Body": body, "Attributes": attributes}
                for n, body in self.waiting
                if n not in self.deleted
            ]
        }

    def change_message_visibility_batch(self, **_: Any) -> dict[str, Any]:
        return {}

    def delete_message_batch(self, *, Entries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        if self.error is not None:
            raise self.error
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]
        return {"Successful": Entries}


class S3:
    """Refuses, or has the same in every object."""

    def __init__(self, has: Exception | bytes) -> None:
        self.has = has

    def get_object(self, **_: Any) -> dict[str, Any]:
        if isinstance(self.has, Exception):
            raise self.has
        return {"Body": BytesIO(self.has)}


class Kafka:
    """Takes everything."""

    topic = "ses-events"

    def __init__(self) -> None:
        self.sent, self.buried = list[bytes](), list[tuple[str, bytes]]()

    async def send(self, _key: bytes | None, value: bytes, *_: Any) -> None:
        self.sent.append(value)

    async def bury(self, value: bytes, _at: int, headers: list[tuple[str, bytes]]) -> None:
        letter = dead_letter.read(headers)
        self.buried.append((letter.reason.value, value))


class Pauses:
    """Pauses of no length, counted."""

    taken = 0

    def __init__(self, *_: float, **__: float) -> None:
        pass

    def next(self) -> float:
        Pauses.taken += 1
        return 0.0

    def reset(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    Pauses.taken = 0
    monkeypatch.setattr(bridges, "BackOff", Pauses)


async def bridged(
    sqs: Sqs, until: Callable[[Kafka], bool], s3: S3 | None = None, signatures: Certificates | None = None
) -> Kafka:
    """What Kafka has got of it by then."""
    kafka = Kafka()
    rules = Rules(buckets=frozenset({"b"}))
    objects = Objects(s3) if s3 else None
    duties = Duties(rules, kafka, objects, signatures, max_age=10**15, visibility=60, receives=3)  # type: ignore[arg-type]
    bridge = Bridge([Queue(sqs, "http://127.0.0.1/1/mail-events", 1, 60)], duties, pollers=1)
    running = asyncio.create_task(bridge.run())

    async def so_far() -> bool:
        return running.done() or until(kafka)

    await eventually(so_far, 60, lambda: "it never came to that")
    bridge.stop()
    await running
    return kafka


@pytest.mark.parametrize(
    "poison",
    ['{"Type": {"a": 1}}', '{"Type": ["Notification"], "TopicArn": "x"}', OBJECT.replace('"key": "k"', '"k": "k"')],
)
async def test_a_record_that_is_no_event_does_not_stop_what_stands_behind_it(poison):
    sqs = Sqs(poison, EVENT)
    kafka = await bridged(sqs, lambda _: len(sqs.deleted) == 2, S3(refused("NoSuchKey")))
    assert kafka.sent == [EVENT.encode()]
    assert kafka.buried == [("not_an_ses_event", poison.encode())]


async def test_a_bug_that_one_record_meets_is_a_dead_letter(monkeypatch):
    def buggy(body: bytes, *_: Any) -> Any:
        raise RecursionError(body)

    monkeypatch.setattr(bridges, "open_record", buggy)
    sqs = Sqs(EVENT)
    kafka = await bridged(sqs, lambda _: len(sqs.deleted) == 1)
    assert kafka.buried == [("internal_error", EVENT.encode())]


@pytest.mark.parametrize("code", ["SlowDown", "ExpiredToken", "InternalError"])
async def test_an_object_that_cannot_be_read_for_now_stays_however_often_it_comes(code):
    sqs = Sqs(OBJECT, receives=50)
    kafka = await bridged(sqs, lambda _: sqs.polls > 5, S3(refused(code)))
    assert (sqs.deleted, kafka.buried) == ([], [])
    assert Pauses.taken >= 5, "a pause after each batch of which nothing could be done"


async def test_so_does_one_that_aws_does_not_answer_about():
    sqs = Sqs(OBJECT, receives=50)
    kafka = await bridged(sqs, lambda _: sqs.polls > 5, S3(EndpointConnectionError(endpoint_url="https://s3")))
    assert (sqs.deleted, kafka.buried) == ([], [])


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "PermanentRedirect"])
async def test_one_that_is_refused_is_given_up_after_some_receipts_and_not_before(code):
    """The operator may mend a policy or a region in the meantime."""
    sqs = Sqs(OBJECT)
    kafka = await bridged(sqs, lambda _: bool(sqs.deleted), S3(refused(code)))
    assert sqs.polls >= 3
    assert kafka.buried == [("unreadable_object", OBJECT.encode())]


async def test_one_that_is_not_there_is_given_up_at_once():
    sqs = Sqs(OBJECT)
    kafka = await bridged(sqs, lambda _: bool(sqs.deleted), S3(refused("NoSuchKey")))
    assert kafka.buried == [("unreadable_object", OBJECT.encode())]


async def test_a_queue_that_lets_nothing_be_deleted_is_not_read_in_a_loop():
    sqs = Sqs(EVENT, delete=refused("AccessDenied"))
    kafka = await bridged(sqs, lambda _: sqs.polls > 5)
    assert Pauses.taken >= 5
    assert len(kafka.sent) <= sqs.polls


async def test_an_event_beyond_all_measure_is_cut_for_the_dead_letters(monkeypatch):
    monkeypatch.setattr(bridges, "LARGEST", 1000)
    sqs = Sqs("x" * 5000)
    kafka = await bridged(sqs, lambda _: bool(sqs.deleted))
    assert kafka.buried == [("bad_json", b"x" * 1000)]


@pytest.mark.parametrize(
    ("more", "anybody"),
    [
        ({}, True),
        ({"allowed_accounts": "123456789012"}, False),
        ({"allowed_topics": "arn:aws:sns:eu-west-1:123456789012:ses"}, False),
        ({"verify_sns": False}, False),
    ],
)
def test_whose_signatures_are_taken(more, anybody):
    assert takes_anybody_s(load({"verify_sns": True, **more}, {})) is anybody


async def test_an_object_of_something_else_does_not_flood_the_log(caplog):
    lines = b"".join(b'{"order": %d}\n' % number for number in range(1000))
    sqs = Sqs(OBJECT)
    with caplog.at_level("WARNING", "mailgap.bridge"):
        kafka = await bridged(sqs, lambda _: bool(sqs.deleted), S3(lines))
    assert [reason for reason, _ in kafka.buried] == ["not_an_ses_event"] * 1000
    assert len(caplog.records) == 1, "once an object and reason"


def _unreachable(region: str) -> AwsError:
    from service.aws.certificates import fetched  # noqa: PLC0415 what it raises for a host that no network leads to

    with pytest.raises(AwsError) as raised:
        fetched(f"sns.{region}.amazonaws.com", "SimpleNotificationService.pem")
    return raised.value


@pytest.fixture
def _no_network(monkeypatch):
    def nowhere(*_: Any, **__: Any) -> Any:
        raise OSError("no way there")

    monkeypatch.setattr("http.client.HTTPSConnection.request", nowhere)


@pytest.mark.usefixtures("_no_network")
def test_a_host_of_no_region_is_the_record_s_own_trouble():
    assert _unreachable("eu-west-1").trouble is Trouble.UNREACHABLE
    assert _unreachable("xx-nowhere-1").trouble is Trouble.OTHER


@pytest.mark.usefixtures("_no_network")
async def test_a_certificate_that_cannot_be_fetched_keeps_a_genuine_record_and_not_a_forged_one():
    party = Party("sns.amazonaws.com", 2, dns="sns.amazonaws.com")
    genuine = json.dumps(signed(party, at=NOW))
    forged = genuine.replace(HOST, "sns.xx-nowhere-1.amazonaws.com")
    sqs = Sqs(genuine, forged)
    kafka = await bridged(sqs, lambda _: sqs.polls > 5, signatures=Certificates())
    assert (kafka.sent, kafka.buried) == ([], [("bad_certificate", forged.encode())])
    assert sqs.deleted == ["1"]


OTHER = {"eventType": "Delivery", "delivery": {}, "mail": json.loads(EVENT)["mail"] | {"messageId": "FORGED"}}
POINTER = json.loads(OBJECT)["Records"][0]["s3"]


@pytest.mark.parametrize(
    "beside",
    [
        OTHER,
        {"Records": [{"body": json.dumps(OTHER)}]},
        {"source": "aws.s3", "detail-type": "Object Created", "detail": POINTER},
    ],
    ids=["an event", "a batch", "a pointer to an object"],
)
async def test_what_was_written_beside_a_genuine_message_is_refused(tmp_path, beside):
    """SNS signs some fields of its envelope, and an event may hide in all others."""
    root = Party("Root", 0)
    party = Party("sns.amazonaws.com", 2, root, dns="sns.amazonaws.com")
    (tmp_path / "roots.pem").write_bytes(root.pem)
    certificates = Certificates(folder(tmp_path / "sns", party), str(tmp_path / "roots.pem"))
    genuine = signed(party, at=NOW, Message=EVENT) | {"UnsubscribeURL": "https://x.example/", "MessageAttributes": {}}
    bodies = [json.dumps(each) for each in (genuine, genuine | {"OfTomorrow": "x"}, genuine | beside)]
    sqs = Sqs(*bodies)
    kafka = await bridged(sqs, lambda _: len(sqs.deleted) == 3, S3(refused("NoSuchKey")), certificates)
    assert sorted(kafka.sent) == sorted(body.encode() for body in bodies[:2]), (
        "a field that SNS may have one day says nothing"
    )
    assert kafka.buried == [("bad_signature", bodies[2].encode())]
