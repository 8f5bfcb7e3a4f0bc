"""What SES says, however it came: `scan` over records as bridges, Firehose and S3 leave them."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from tests.stories.logs import Log, moment, scan, ses_id

AT = moment("2024-03-05 12:00")
PEOPLE = [f"r{number}@client.example" for number in range(50)]


def event(kind: str, number: int = 0, *, to: list[str] | None = None, **payload: Any) -> dict[str, Any]:
    at = AT + timedelta(minutes=number, seconds=1)
    mail = {
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "messageId": ses_id(at, number),
        "source": "shop@app.example", "destination": to or [f"r{number}@client.example"],
        "sendingAccountId": "111122223333", "sourceArn": "arn:aws:ses:us-east-1:111122223333:identity/app.example",
    }  # fmt: skip
    payload = {"timestamp": (at + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S.000Z"), **payload}
    return {"eventType": kind, "mail": mail, kind.lower(): payload}


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def outcomes(documents: list[dict[str, Any]]) -> dict[str, str]:
    return {recipient["address"]: recipient["outcome"] for each in documents for recipient in each["recipients"]}


def test_fifty_recipients_whose_events_come_in_parts(tmp_path):
    parts = [PEOPLE[start : start + 7] for start in range(0, 49, 7)]
    told = [event("Send", to=PEOPLE), *[event("Delivery", to=PEOPLE, recipients=part) for part in parts]]
    found = outcomes(scan(tmp_path, "", ses=lines(*told), written=AT))
    assert found == {**dict.fromkeys(PEOPLE[:49], "delivered"), PEOPLE[49]: "pending"}


@pytest.mark.parametrize(
    "written_as", ["r0@CLIENT.example", '"R" <r0@client.example>', "<@hub.example:r0@client.example>"]
)
def test_a_recipient_is_the_same_however_written(tmp_path, written_as):
    log = Log()
    log.mail(AT)
    delivery = event("Delivery", to=[written_as], recipients=[written_as])
    (document,) = scan(tmp_path, log.text(), ses=lines(delivery), written=AT)
    assert outcomes([document]) == {"r0@client.example": "delivered"}
    assert document["queue_ids"] == ["mx1/4A000"]


def test_a_recipient_beyond_ascii_is_the_same_in_both_scripts(tmp_path):
    log = Log()
    log.mail(AT)
    text = log.text().replace("r0@client.example", "ann@bücher.example")
    delivery = event("Delivery", to=["ann@xn--bcher-kva.example"], recipients=["ann@xn--bcher-kva.example"])
    assert outcomes(scan(tmp_path, text, ses=lines(delivery), written=AT)) == {"ann@xn--bcher-kva.example": "delivered"}


TOLD = [event("Send"), event("Delivery", recipients=PEOPLE[:1]), event("Send", 1), event("Send", 2), event("Reject", 2)]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda events: gzip.compress(lines(*events)), id="an object of S3"),
        pytest.param(lambda events: b"".join(gzip.compress(lines(each)) for each in events), id="many members"),
        pytest.param(lambda events: lines(*events).replace(b"\n", b""), id="concatenated"),
        pytest.param(lambda events: lines({"Records": [
            {"kinesis": {"data": b64(lines(each))}} for each in events]}), id="Kinesis"),
        pytest.param(lambda events: lines({"records": [{"data": b64(lines(*events))}]}), id="Firehose"),
        pytest.param(lambda events: lines({"awslogs": {"data": b64(gzip.compress(lines(
            {"messageType": "DATA_MESSAGE", "logEvents": [{"message": json.dumps(each)} for each in events]}
        )))}}), id="CloudWatch Logs"),
        pytest.param(lambda events: b"\xef\xbb\xbf" + json.dumps(events, indent=1).encode(), id="pretty, with a mark"),
    ],
)  # fmt: skip
def test_events_however_they_came(tmp_path, shape):
    found = outcomes(scan(tmp_path, "", ses=shape(TOLD), written=AT))
    assert found == {"r0@client.example": "delivered", "r1@client.example": "pending", "r2@client.example": "rejected"}


def test_lines_of_a_container_that_were_cut(tmp_path):
    """A file of the kubelet's, in which two streams are woven into one another."""
    log = Log()
    for minute in range(3):
        log.mail(AT + timedelta(minutes=minute))
    cut = []
    for line in log.text().splitlines():
        cut += [f"2024-03-05T12:00:00.000000001Z stdout P {line[:70]}", "2024-03-05T12:00:00.000000001Z stderr P x"]
        cut += ["2024-03-05T12:00:00.000000001Z stderr F y", f"2024-03-05T12:00:00.000000001Z stdout F {line[70:]}"]
    documents = scan(tmp_path, "\n".join(cut) + "\n", written=AT)
    assert [document["queue_ids"] for document in documents] == [["mx1/4A000"], ["mx1/4A001"], ["mx1/4A002"]]
    assert log.misdated(documents) == []
