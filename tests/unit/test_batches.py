"""Batches of cloud services and collectors, of log lines and of SES's events: every record in them is found."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import orjson
import pytest

from service.facts import Accepted, Closed, Name, Reason, Sent, ses_name
from service.parsing.batches import records_in
from service.parsing.packed import Unpacker
from service.parsing.ses import parse_ses
from service.parsing.smtp import parse_smtp

SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
AT = SEEN - 2000
QID = "4A1B2C3D4E"
REMOVED = f"{QID}: removed"
LINE = f"Mar  5 11:59:58 mx1 postfix/qmgr[7]: {REMOVED}"
MX1 = f"Q:mx1/{QID}".encode()
ID = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
SEND = {
    "eventType": "Send",
    "mail": {"timestamp": "2024-03-05T11:59:58.000Z", "messageId": ID, "source": "shop@app.example"},
    "send": {},
}


def raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else orjson.dumps(value)


def b64(value: Any) -> str:
    return base64.b64encode(raw(value)).decode()


def gz(value: Any) -> bytes:
    return gzip.compress(raw(value))


def cloudwatch(*messages: str, kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    return {
        "messageType": kind, "owner": "111122223333", "logGroup": "/mail", "logStream": "ecs/mx1",
        "subscriptionFilters": ["all"],
        "logEvents": [{"id": str(n), "timestamp": AT, "message": text} for n, text in enumerate(messages)],
    }  # fmt: skip


def firehose(*data: Any) -> dict[str, Any]:
    return {"records": [{"recordId": str(n), "data": b64(each)} for n, each in enumerate(data)]}


def kinesis(*data: Any) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": b64(each)}} for each in data]}


def otlp(*records: dict[str, Any], **resource: str) -> dict[str, Any]:
    attributes = [{"key": key.replace("_", "."), "value": {"stringValue": value}} for key, value in resource.items()]
    return {"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": list(records)}]}]}


def loki(labels: dict[str, str], *lines: str) -> dict[str, Any]:
    return {"streams": [{"stream": labels, "values": [[str(AT * 1_000_000), line] for line in lines]}]}


BATCHES = [
    ("CloudWatch Logs, gzip", lambda *items: gz(cloudwatch(*items))),
    ("CloudWatch Logs, opened", cloudwatch),
    ("CloudWatch Logs, gzip in base64", lambda *items: b64(gz(cloudwatch(*items))).encode()),
    ("CloudWatch Logs in a Lambda", lambda *items: {"awslogs": {"data": b64(gz(cloudwatch(*items)))}}),
    ("CloudWatch Logs in Firehose", lambda *items: firehose(*[gz(cloudwatch(item)) for item in items])),
    ("CloudWatch Logs in Kinesis in a Lambda", lambda *items: kinesis(gz(cloudwatch(*items)))),
    ("CloudWatch Logs in an object of S3", lambda *items: b"".join(gz(cloudwatch(item)) for item in items)),
    ("Firehose", lambda *items: firehose(*[item.encode() for item in items])),
    ("Firehose's HTTP endpoint", lambda *items: {"requestId": "x", "timestamp": AT, "records": [
        {"data": b64(item.encode())} for item in items]}),
    ("Kinesis in a Lambda", lambda *items: kinesis(*[item.encode() for item in items])),
    ("an object of S3", lambda *items: gz("\n".join(items).encode())),
    ("Loki's push", lambda *items: loki({"job": "mail"}, *items)),
    ("a query's answer of Loki", lambda *items: {"status": "success", "data": {"resultType": "streams", "result":
        loki({}, *items)["streams"]}}),
    ("OpenTelemetry", lambda *items: otlp(*[{"body": {"stringValue": item}} for item in items])),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "batch"), BATCHES, ids=[shape for shape, _ in BATCHES])
def test_lines_in_batches(shape: str, batch: Any) -> None:
    parsed, trouble = parse_smtp(raw(batch(LINE, "Mar  5 11:59:58 web cron[1]: x", LINE)), SEEN)
    assert ([name for name, _ in parsed.facts], parsed.ignored, trouble) == ([MX1, MX1], 1, None), shape


@pytest.mark.parametrize(("shape", "batch"), BATCHES, ids=[shape for shape, _ in BATCHES])
def test_events_in_batches(shape: str, batch: Any) -> None:
    event = orjson.dumps(SEND).decode()
    parsed, trouble = parse_ses(raw(batch(event, event)), SEEN)
    assert [(name, type(fact)) for name, fact in parsed.facts][1::2] == [(ses_name(ID), Sent)] * 2, shape
    assert trouble is None


def said(document: Any) -> list[tuple[Name, int]]:
    parsed, trouble = parse_smtp(raw(document), SEEN)
    assert trouble is None
    assert all(type(fact) is Closed for _, fact in parsed.facts)
    return [(name, fact.at) for name, fact in parsed.facts]


@pytest.mark.parametrize(
    ("shape", "document"),
    [
        ("the stream is the host", {"messageType": "DATA_MESSAGE", "logStream": "ecs/mx1", "logEvents": [
            {"timestamp": AT, "message": orjson.dumps({"program": "postfix/qmgr", "message": REMOVED, "host": "mx1",
                                                       "timestamp": AT}).decode()}]}),
        ("labels", loki({"host": "mx1", "program": "postfix/qmgr"}, REMOVED)),
        ("labels of Promtail's journal", loki({"hostname": "mx1", "syslog_identifier": "postfix/qmgr"}, REMOVED)),
        ("labels as text", {"streams": [{"labels": '{host="mx1", ident="postfix/qmgr"}', "entries": [
            {"ts": "2024-03-05T11:59:58.000000000Z", "line": REMOVED}]}]}),
        ("structured metadata", {"streams": [{"stream": {"host": "mx1"}, "values": [
            [str(AT * 1_000_000), REMOVED, {"appname": "postfix/qmgr"}]]}]}),
        ("attributes", otlp({"timeUnixNano": str(AT * 1_000_000), "body": {"stringValue": REMOVED}, "attributes": [
            {"key": "appname", "value": {"stringValue": "postfix/qmgr"}}]}, host_name="mx1")),
        ("a body of parts", otlp({"observedTimeUnixNano": AT * 1_000_000, "body": {"kvlistValue": {"values": [
            {"key": "MESSAGE", "value": {"stringValue": REMOVED}},
            {"key": "SYSLOG_IDENTIFIER", "value": {"stringValue": "postfix/qmgr"}},
            {"key": "x", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"kvlistValue": {}}]}}}]}}},
            host_name="mx1")),
    ],
)  # fmt: skip
def test_what_a_batch_says_of_its_records(shape: str, document: Any) -> None:
    assert said(document) == [(MX1, AT)], shape


@pytest.mark.parametrize(
    "document",
    [
        cloudwatch("CWL CONTROL MESSAGE: Checking health of destination Firehose.", kind="CONTROL_MESSAGE"),
        {"streams": []},
        {"streams": [{"stream": {}, "values": [[]]}, 5, {"values": 5}]},
        {"resourceLogs": []},
        {"resourceLogs": [5, {"scopeLogs": [5, {"logRecords": [5]}]}]},
        {"messageType": "DATA_MESSAGE", "logEvents": []},
        {"logEvents": [5]},
    ],
)
def test_an_empty_batch_says_nothing(document: Any) -> None:
    for parse in (parse_smtp, parse_ses):
        parsed, trouble = parse(raw(document), SEEN)
        assert (parsed.facts, parsed.ignored, trouble) == ([], 1, None)


@pytest.mark.parametrize(
    "document",
    [
        {"message": "x", "data": "abcdefgh"},
        {"message": "x", "data": b64(gz(b"x"))},
        {"data": "mere words"},
        {"data": {"a": 1}},
        {"records": [{"a": 1}]},
        {"Records": [{"s3": {}}]},
        {"records": []},
        {"awslogs": 5},
        {"messageType": "DATA_MESSAGE"},
        {"kinesis": "x"},
        {"streams": 3},
        {"messageType": {}, "logEvents": {}},
        {"messageType": []},
        {"resourceLogs": None},
    ],
)
def test_a_document_that_is_no_batch(document: dict[str, Any]) -> None:
    assert records_in(document, Unpacker()) is None


def test_a_lambdas_own_lines_among_its_events_are_no_events() -> None:
    batch = cloudwatch("START RequestId: 1", orjson.dumps(SEND).decode(), "END RequestId: 1")
    parsed, trouble = parse_ses(gz(batch), SEEN)
    assert ([type(fact) for _, fact in parsed.facts][1:], parsed.ignored, trouble) == ([Sent], 2, None)


@pytest.mark.parametrize("parse", [parse_smtp, parse_ses])
def test_what_cannot_be_opened_does_not_take_its_neighbours_with_it(parse: Any) -> None:
    good = LINE.encode() if parse is parse_smtp else raw(SEND)
    for bad, reason in ((gz(b"x")[:-2], Reason.NOT_TEXT), (gz(b"\0" * (8 << 20)), Reason.TOO_LARGE)):
        parsed, trouble = parse(raw(firehose(good, bad, good)), SEEN)
        assert len(parsed.facts) == 2 * (1 if parse is parse_smtp else 2)
        assert trouble.reason is reason


@pytest.mark.parametrize("parse", [parse_smtp, parse_ses])
def test_a_bomb_in_a_bomb_in_a_bomb(parse: Any) -> None:
    """Each layer is small; and what they become together is bounded, not what one becomes."""
    bomb = gz(b" " * (1 << 20))
    for record in (raw(firehose(*[bomb] * 20)), gz(firehose(*[bomb] * 20)), gz(gz(b" " * (64 << 20)))):
        parsed, trouble = parse(record, SEEN)
        assert parsed.facts == []
        assert trouble is not None


def test_batches_in_batches_come_to_an_end() -> None:
    document: Any = LINE.encode()
    for _ in range(20):
        document = raw(firehose(document))
    parsed, _ = parse_smtp(document, SEEN)
    assert parsed.facts == []
    _, trouble = parse_ses(document, SEEN)
    assert trouble is not None


@pytest.mark.parametrize("at", [None, 0, "0", [], {}, [1], {"a": 1}, True, "x"])
def test_a_time_that_is_none_leaves_the_records_own(at: Any) -> None:
    record = {"timeUnixNano": at, "body": {"stringValue": LINE}}
    assert said(otlp(record)) == [(MX1, AT)]


def test_the_facts_of_a_packed_record_are_those_of_its_lines() -> None:
    sent = (
        f"Mar  5 11:59:58 mx1 postfix/smtp[7]: {QID}: to=<ann@shop.example>, relay=email-smtp.eu-west-1.amazonaws.com"
        "[192.0.2.10]:587, delay=1, dsn=2.0.0, status=sent (250 Ok "
        "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000)"
    )
    plain = parse_smtp(f"{LINE}\n{sent}".encode(), SEEN)
    assert [type(fact) for _, fact in plain[0].facts] == [Closed, Accepted, Accepted]
    assert parse_smtp(gz(f"{LINE}\n{sent}".encode()), SEEN) == plain
