"""What SES's events look like by the time they are on Kafka, and what people write in them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from service.facts import Bounced, Delivered, Described, Linked, Reason, Sent, ses_name
from service.parsing.dynamodb import image_of, plain
from service.parsing.ses import parse_ses

SEEN = 1_785_153_075_600
ID = "0106019fa36a2608-7f000101-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000"
STAMP = "2026-07-27T11:51:10.600Z"
MAIL = {
    "timestamp": STAMP,
    "source": "shop@app.example",
    "sourceArn": "arn:aws:ses:us-east-1:111122223333:identity/app.example",
    "sendingAccountId": "111122223333",
    "messageId": ID,
    "destination": ["ann@client.example"],
    "headersTruncated": False,
    "tags": {"ses:configuration-set": ["transactional"]},
}


def event(kind: str = "Send", payload: Any = None, **mail: Any) -> dict[str, Any]:
    return {"eventType": kind, "mail": MAIL | mail, kind[:1].lower() + kind[1:]: payload or {}}


SEND = event()


def parse(record: Any) -> Any:
    return parse_ses(record if isinstance(record, bytes) else json.dumps(record).encode(), SEEN)


def facts(record: Any) -> list[Any]:
    parsed, trouble = parse(record)
    assert trouble is None
    return [fact for _, fact in parsed.facts]


PLAIN = parse(SEND)


def text(value: Any) -> str:
    return json.dumps(value) + "\n"


def typed(value: Any) -> dict[str, Any]:
    """As DynamoDB writes it."""
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case None:
            return {"NULL": True}
        case list():
            return {"L": [typed(each) for each in value]}
        case dict():
            return {"M": {key: typed(each) for key, each in value.items()}}
        case _:
            return {"N": str(value)}


def sns(message: str) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": message}


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


ITEM = typed(SEND)["M"]
IMAGE = {"Keys": {"id": {"S": "1"}}, "NewImage": {**ITEM, "id": {"S": "1"}, "expires": {"N": "5"}}}
BRIDGE = {"version": "0", "detail-type": "Email Sent", "source": "aws.ses", "account": "1", "detail": SEND}


# -- how they came ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "record"),
    [
        ("an object of S3, gzip", gzip.compress(text(SEND).encode())),
        ("gzip, in base64", b64(gzip.compress(text(SEND).encode())).encode()),
        ("gzip of SNS", gzip.compress(text(sns(text(SEND))).encode())),
        ("gzip of a pretty document", gzip.compress(json.dumps(SEND, indent=2).encode())),
        ("a byte order mark", b"\xef\xbb\xbf" + text(SEND).encode()),
        ("a byte order mark under gzip", gzip.compress(b"\xef\xbb\xbf" + text(SEND).encode())),
        ("Firehose, in a transformation", {"records": [{"recordId": "1", "data": b64(text(SEND).encode())}]}),
        ("Firehose of EventBridge", {"records": [{"recordId": "1", "data": b64(text(BRIDGE).encode())}]}),
        ("Firehose of SNS", {"records": [{"recordId": "1", "data": b64(text(sns(text(SEND))).encode())}]}),
        ("Kinesis in a Lambda", {"Records": [{"kinesis": {"data": b64(text(SEND).encode()), "partitionKey": "1"}}]}),
        ("a record of Kinesis", {"Data": b64(text(SEND).encode()), "PartitionKey": "1", "SequenceNumber": "2"}),
        ("CloudEvents, in base64", {"specversion": "1.0", "type": "x", "data_base64": b64(text(SEND).encode())}),
        ("CloudEvents", {"specversion": "1.0", "type": "x", "source": "y", "data": SEND}),
        ("SQS, its body in base64 of gzip", {"body": b64(gzip.compress(text(SEND).encode()))}),
        ("a stream of DynamoDB", {"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": IMAGE}),
        ("a stream of DynamoDB in a Lambda", {"Records": [{"eventName": "MODIFY", "dynamodb": IMAGE}]}),
        ("an item of DynamoDB", ITEM),
        ("an exported item of DynamoDB", {"Item": ITEM}),
        ("an item that keeps the event as text", {"id": {"S": "1"}, "event": {"S": text(SEND)}}),
        ("an item that keeps the event below", {"id": {"S": "1"}, "payload": typed(SEND)}),
        ("EventBridge in CloudWatch Logs", {"messageType": "DATA_MESSAGE", "logEvents": [{"message": text(BRIDGE)}]}),
        ("a Lambda's destination", {"version": "1.0", "requestPayload": {"Records": [{"Sns": sns(text(SEND))}]}}),
        ("EventBridge's pipe from SQS", [{"messageId": "1", "body": text(SEND), "eventSource": "aws:sqs"}]),
        ("SNS, its message quoted twice", sns(text(text(SEND)))),
        ("a key of its own", {"ses": SEND}),
    ],
)  # fmt: skip
def test_however_it_came_it_says_the_same(shape: str, record: Any) -> None:
    assert parse(record) == PLAIN, shape


@pytest.mark.parametrize(
    "record",
    [
        text(SEND).encode() * 3,
        gzip.compress(text(SEND).encode() * 3),
        gzip.compress(text(SEND).encode()) * 3,
        gzip.compress(json.dumps(SEND).encode() * 3),
        json.dumps([SEND] * 3).encode(),
        "\r\n".join([json.dumps(SEND, indent=1)] * 3).encode(),
        json.dumps({"Records": [{"body": text(SEND)}] * 3}).encode(),
        json.dumps({"records": [{"data": b64(text(SEND).encode())}] * 3}).encode(),
        b"\xef\xbb\xbf" + b"\xef\xbb\xbf".join([text(SEND).encode()] * 3),
    ],
)
def test_several_documents_in_one_record(record: bytes) -> None:
    assert facts(record) == [fact for _, fact in PLAIN[0].facts] * 3


@pytest.mark.parametrize(
    "record",
    [
        {"eventName": "REMOVE", "eventSource": "aws:dynamodb", "dynamodb": {"Keys": {"id": {"S": "1"}}}},
        {"Records": [{"eventName": "REMOVE", "dynamodb": {"OldImage": ITEM}}]},
    ],
)
def test_an_item_that_was_deleted_says_nothing_new(record: Any) -> None:
    assert parse(record)[0].facts == []
    assert parse(record)[1] is None


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ({"eventName": "INSERT", "dynamodb": {"NewImage": {"a": {"S": "b"}}}}, "no SES event"),
        ({"data": b64(b"\x00\x01")}, "no SES event"),
        ({"Records": [{"s3": {"bucket": {}, "object": {"key": "x.gz"}}}]}, "no SES event"),
    ],
)
def test_what_holds_no_event_says_so(record: Any, word: str) -> None:
    parsed, trouble = parse(record)
    assert (parsed.facts, trouble.reason) == ([], Reason.NOT_AN_SES_EVENT)
    assert word in trouble.detail


def test_typed_json_of_every_type() -> None:
    item = {
        "a": {"S": "x"}, "b": {"N": "1"}, "c": {"BOOL": False}, "d": {"NULL": True}, "e": {"SS": ["x"]},
        "f": {"B": "eA=="}, "g": {"L": [{"M": {"h": {"S": "y"}}}, {"N": "2"}]}, "i": {"M": {}},
    }  # fmt: skip
    assert plain(item) == {
        "a": "x", "b": "1", "c": False, "d": None, "e": ["x"], "f": "eA==", "g": [{"h": "y"}, "2"], "i": {},
    }  # fmt: skip
    deep: dict[str, Any] = {"S": "x"}
    for _ in range(500):
        deep = {"M": {"a": deep}}
    assert plain({"a": deep}) is not None


@pytest.mark.parametrize(
    "document", [{}, {"a": 1}, {"a": {"S": "x"}, "b": 5}, {"a": {"S": "", "N": ""}}, {"a": {"X": ""}}]
)
def test_plain_json_is_not_typed(document: dict[str, Any]) -> None:
    assert plain(document) is None
    assert image_of(document) is None


# -- what is written in them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"Ann, B." <ann@Client.EXAMPLE>', "ann@client.example"),
        ("Ann <ann@client.example>", "ann@client.example"),
        ("=?utf-8?q?An=3Cn=3E?= <ann@client.example>", "ann@client.example"),
        ("ann+july=27@Client.example", "ann+july=27@client.example"),
        ("<@hub.example,@mx.example:ann@client.example>", "ann@client.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("Ann <ann@BÜCHER.Example>", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ('"ann b"@client.example', '"ann b"@client.example'),
        ("Ann@client.example", "Ann@client.example"),
    ],
)
def test_recipients_as_people_write_them(written: str, meant: str) -> None:
    described, delivered = facts(
        event("Delivery", {"timestamp": STAMP, "recipients": [written]}, destination=[written])
    )
    assert (described.recipients, delivered.recipients) == ((meant,), (meant,))
    bounce = {"timestamp": STAMP, "bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": written}]}
    assert facts(event("Bounce", bounce))[1].recipients == (meant,)


def test_blind_copies_are_recipients_like_others() -> None:
    headers = [{"name": "To", "value": "ann@client.example"}]
    common = {"to": ["ann@client.example"], "bcc": ["bob@client.example"], "messageId": ID}
    destination = ["ann@client.example", "bob@client.example"]
    (described, _) = facts(event(destination=destination, headers=headers, commonHeaders=common))
    assert described.recipients == tuple(destination)


PEOPLE = [f"r{number}@client.example" for number in range(50)]


def test_fifty_recipients_whose_events_come_in_parts() -> None:
    reported: list[str] = []
    for start in range(0, 50, 7):
        part = PEOPLE[start : start + 7]
        described, delivered = facts(event("Delivery", {"timestamp": STAMP, "recipients": part}, destination=PEOPLE))
        assert described.recipients == tuple(PEOPLE)
        assert isinstance(delivered, Delivered)
        reported += delivered.recipients
    assert reported == PEOPLE


def test_a_bounce_of_a_forwarded_address_is_told_as_it_stands() -> None:
    """The judge knows what to make of somebody who was never a recipient; the parser must not guess."""
    bounced = {"emailAddress": "ann@elsewhere.example", "action": "failed", "status": "5.1.1"}
    (_, bounce) = facts(
        event("Bounce", {"timestamp": STAMP, "bounceType": "Permanent", "bouncedRecipients": [bounced]})
    )
    assert isinstance(bounce, Bounced)
    assert bounce.recipients == ("ann@elsewhere.example",)


def test_accounts_regions_and_sets_in_one_stream() -> None:
    mails = [
        {"messageId": f"id-{n}", "sendingAccountId": account, "sourceArn": f"arn:aws:ses:{region}:{account}:identity/x",
         "tags": {"ses:configuration-set": [configuration_set]}}
        for n, (account, region, configuration_set) in enumerate(
            [("111122223333", "us-east-1", "a"), ("111122223333", "eu-west-1", "a"), ("444455556666", "us-east-1", "b")]
        )
    ]  # fmt: skip
    parsed, trouble = parse([event(**mail) for mail in mails])
    assert trouble is None
    told = {name: fact for name, fact in parsed.facts if isinstance(fact, Described)}
    assert {(name, f.account, f.region, f.configuration_set) for name, f in told.items()} == {
        (ses_name("id-0"), "111122223333", "us-east-1", "a"),
        (ses_name("id-1"), "111122223333", "eu-west-1", "a"),
        (ses_name("id-2"), "444455556666", "us-east-1", "b"),
    }


def test_a_partition_of_aws_of_its_own() -> None:
    arn = "arn:aws-us-gov:ses:us-gov-west-1:111122223333:identity/app.example"
    assert facts(event(sourceArn=arn))[0].region == "us-gov-west-1"


LEGACY = {
    "notificationType": "Bounce",
    "mail": {
        "timestamp": STAMP, "messageId": ID, "source": "shop@app.example", "sourceIp": "192.0.2.1",
        "sourceArn": "arn:aws:ses:us-east-1:111122223333:identity/app.example", "callerIdentity": "order-service",
        "sendingAccountId": "111122223333", "destination": ["ann@client.example"], "headersTruncated": "false",
        "headers": [{"name": "Message-ID", "value": "<1@app.example>"}],
        "commonHeaders": {"messageId": "<1@app.example>", "from": ["shop@app.example"]},
    },
    "bounce": {"timestamp": STAMP, "bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "x",
               "bouncedRecipients": [{"emailAddress": "ann@client.example"}]},
}  # fmt: skip


@pytest.mark.parametrize(
    "wrapped", [lambda e: e, lambda e: sns(text(e)), lambda e: {"Records": [{"body": text(sns(text(e)))}]}]
)
def test_a_legacy_notification_however_it_came(wrapped: Any) -> None:
    described, bounced, linked = facts(wrapped(LEGACY))
    assert (described.application, described.message_id) == ("order-service", "1@app.example")
    assert isinstance(bounced, Bounced)
    assert isinstance(linked, Linked)


def test_both_notifications_of_one_bounce_are_one_fact() -> None:
    """An identity's notification and event publishing report the same bounce, under envelopes of their own."""
    published = event("Bounce", LEGACY["bounce"], destination=["ann@client.example"])
    assert facts(published)[1] == facts(LEGACY)[1]


@pytest.mark.parametrize("also", [{"id": "1", "ttl": 5}, {"estado": "x", "Type": "Notification"}, {"@timestamp": 1.0}])
def test_what_others_add_to_an_event_changes_nothing(also: dict[str, Any]) -> None:
    assert facts({**also, **SEND}) == [PLAIN[0].facts[0][1], Sent(PLAIN[0].facts[1][1].at)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ann@client.example (Ann)", ["ann@client.example"]),
        ("'ann@client.example'", ["ann@client.example"]),
        ("ann@client.example, Bob <bob@client.example>", ["ann@client.example", "bob@client.example"]),
        ("Lee, Ann <ann@client.example>", ["ann@client.example"]),
        ("an,n@client.example", ["an,n@client.example"]),
    ],
)
def test_destinations_that_hold_more_than_an_address(written: str, meant: list[str]) -> None:
    (described,) = [fact for fact in facts(event(destination=[written])) if isinstance(fact, Described)]
    assert described.recipients == tuple(meant)


@pytest.mark.parametrize("encoded", [True, False])
def test_what_api_gateway_hands_a_lambda(encoded: bool) -> None:  # noqa: FBT001
    body = json.dumps(SEND)
    request = {"body": base64.b64encode(body.encode()).decode() if encoded else body, "isBase64Encoded": encoded}
    assert parse(request | {"httpMethod": "POST", "headers": {}}) == PLAIN
    assert parse({"body": "no base64!", "isBase64Encoded": True})[1] is not None


@pytest.mark.parametrize("ses_id", [f"{ID}\n{ID}", "\x1b[2J", "a\x00b"])
def test_an_id_of_control_characters_is_none(ses_id):
    parsed, trouble = parse(event(messageId=ses_id))
    assert parsed.facts == []
    assert (trouble.reason, trouble.detail) == (Reason.BAD_FIELD, "mail.messageId holds control characters")
