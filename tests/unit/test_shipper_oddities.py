"""Forms in which shippers and applications bring a line, and its stamp, that are seldom met."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from service.edges.inputs import lines
from service.facts import Accepted, Closed, Identified, Reason
from service.parsing.smtp import parse_smtp

# Lines of logs stand as they were written.
# ruff: noqa: E501

SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
AT = SEEN - 60_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
STATUS = (
    "4A1B2C3D4E: to=<ann@shop.example>, relay=email-smtp.eu-west-1.amazonaws.com[192.0.2.10]:587, delay=1, "
    f"delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok {ID})"
)
LINE = f"Mar  5 11:59:00 mx1 postfix/smtp[7]: {STATUS}"
FIELDS = f"__REALTIME_TIMESTAMP={AT}000\n_HOSTNAME=mx1\nSYSLOG_IDENTIFIER=postfix/smtp\n_TRANSPORT=syslog\n"
BINARY = FIELDS.encode() + b"MESSAGE\n" + len(STATUS).to_bytes(8, "little") + STATUS.encode() + b"\nPRIORITY=6\n\n"
REMOVED = FIELDS.replace("/smtp", "/qmgr") + "MESSAGE=4A1B2C3D4E: removed\n\n"


def accepted(raw: bytes) -> tuple[int, str]:
    parsed, trouble = parse_smtp(raw, SEEN)
    assert trouble is None
    fact = parsed.facts[0][1]
    assert isinstance(fact, Accepted)
    return fact.at, fact.submission


@pytest.mark.parametrize(
    "document",
    [
        {"streams": [{"stream": {"host": "mx1", "app": "postfix/smtp"}, "values": [[f"{AT}000000", STATUS]]}]},
        {"streams": [{"stream": {"host": "mx1", "application": "postfix"}, "values": [[f"{AT}000000", STATUS]]}]},
        {"schema": {"type": "string", "optional": False}, "payload": LINE},
        {"schema": None, "payload": {"message": LINE}},
        {"tag": "mail.log", "time": AT // 1000, "record": {"message": LINE}},
        {"insertId": "x", "textPayload": LINE, "timestamp": "2024-03-05T11:59:00Z", "resource": {"type": "gce_instance"}},
        {"insertId": "x", "jsonPayload": {"message": STATUS, "ident": "postfix/smtp", "host": "mx1"}, "timestamp": "2024-03-05T11:59:00Z"},
        {"insertId": "x", "jsonPayload": {"message": STATUS, "ident": "postfix/smtp"}, "timestamp": "2024-03-05T11:59:00Z",
         "resource": {"labels": {"pod_name": "mx1"}}},
        {"fields": {"message": STATUS, "procid": "7"}, "name": "syslog", "tags": {"appname": "postfix/smtp", "hostname": "mx1"}, "timestamp": AT // 1000},
        {"EventTime": "2024-03-05 11:59:00", "Hostname": "mx1", "SourceName": "postfix/smtp", "Message": STATUS},
        {"records": [{"time": "2024-03-05T11:59:00Z", "SyslogMessage": STATUS, "ProcessName": "postfix/smtp", "HostName": "mx1"}]},
        {"records": [{"time": "2024-03-05T11:59:00Z", "properties": {"SyslogMessage": STATUS, "ProcessName": "postfix/smtp", "HostName": "mx1"}}]},
        {"gl2_source_input": "x", "message": STATUS, "source": "mx1", "application_name": "postfix/smtp", "timestamp": "2024-03-05T11:59:00.000Z"},
        {"@timestamp": "2024-03-05T11:59:00.000Z", "message": STATUS, "syslog": {"identifier": "postfix/smtp", "pid": "7"}, "host": {"hostname": "mx1"}},
        LINE,
    ],
)  # fmt: skip
def test_every_shipper_names_host_program_and_time(document: Any) -> None:
    assert accepted(json.dumps(document).encode()) == (AT, "mx1/4A1B2C3D4E")


@pytest.mark.parametrize("app", ["shop", "postfix-exporter", "mail"])
def test_a_label_that_names_no_mail_server_is_no_program(app: str) -> None:
    document = {"streams": [{"stream": {"host": "mx1", "app": app}, "values": [[f"{AT}000000", LINE]]}]}
    assert accepted(json.dumps(document).encode()) == (AT, "mx1/4A1B2C3D4E")


@pytest.mark.parametrize(
    "raw",
    [
        (FIELDS + f"MESSAGE={STATUS}\n\n" + REMOVED).encode(),
        BINARY + REMOVED.encode(),
        b"__CURSOR=s=1;i=2\n" + BINARY + b"\n" + REMOVED.encode().rstrip(b"\n"),
    ],
)
def test_the_export_format_of_journald(raw: bytes) -> None:
    assert accepted(raw) == (AT, "mx1/4A1B2C3D4E")
    parsed, _ = parse_smtp(raw, SEEN)
    assert isinstance(parsed.facts[-1][1], Closed)
    entries = list(lines(io.BufferedReader(io.BytesIO(raw))))  # type: ignore[arg-type]
    assert len(entries) == 2
    assert accepted(entries[0].data) == (AT, "mx1/4A1B2C3D4E")
    assert entries[0].line == 1


@pytest.mark.parametrize("cut", range(0, len(BINARY), 7))
def test_an_export_that_was_cut_off_is_read_as_far_as_it_goes(cut: int) -> None:
    parse_smtp(BINARY[:cut], SEEN)
    list(lines(io.BufferedReader(io.BytesIO(BINARY[:cut]))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "header",
    [
        "Tue 2024-03-05 11:59:00 UTC mx1",
        "Tue 2024-03-05 12:59:00 +01 mx1",
        "1709639940.000000 mx1",
        "Tue 2024-03-05 11:59:00 CET mx1",
    ],
)
def test_what_journalctl_prints(header: str) -> None:
    raw = f"{header} postfix/smtp[7]: {STATUS}".encode()
    assert accepted(raw) == (AT, "mx1/4A1B2C3D4E")
    assert parse_smtp(raw, SEEN)[0].facts[0][1].floating is header.endswith("CET mx1")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("record", "at"),
    [
        (f"2024-03-05T11:59:00.000000+00:00 INFO    postfix/smtp[7]: {STATUS}", AT),
        (f"postfix/smtp[7]: {STATUS}", SEEN),
        (f"2024-03-05T11:59:00.000000000Z stdout F postfix/smtp[7]: {STATUS}", AT),
        (
            json.dumps(
                {"log": f"postfix/relay/smtp[7]: {STATUS}\n", "stream": "stdout", "time": "2024-03-05T11:59:00Z"}
            ),
            AT,
        ),
    ],
)
def test_a_containers_own_output_names_no_host(record: str, at: int) -> None:
    assert accepted(record.encode()) == (at, "-/4A1B2C3D4E")


@pytest.mark.parametrize(
    "record",
    [
        f"app saw postfix/smtp[7]: {STATUS}",
        f"2024-03-05T11:59:00Z INFO    shop[7]: postfix/smtp[7]: {STATUS}",
        json.dumps({"message": f"postfix/smtp[7]: {STATUS}", "program": "shop", "host": "web"}),
        f"nopostfix/smtp[7]: {STATUS}",
    ],
)
def test_who_quotes_a_tag_is_no_mail_server(record: str) -> None:
    assert parse_smtp(record.encode(), SEEN)[0].facts == []


def test_qmail_through_tai64nlocal() -> None:
    text = f"2024-03-05 11:59:00.123456789 delivery 12: success: 192.0.2.10_accepted_message./Remote_host_said:_250_Ok_{ID}/"
    parsed, trouble = parse_smtp(text.encode(), SEEN)
    assert trouble is None
    ((name, fact),) = parsed.facts
    assert name == b"S:" + ID.encode()
    assert isinstance(fact, Accepted)
    assert (fact.at, fact.floating) == (AT + 123, True)


def test_no_other_line_with_a_number_for_a_tag_is_qmail_s() -> None:
    assert (
        parse_smtp(f"2024-03-05 11:59:00.123 smtp 12: success: /Remote_host_said:_250_Ok_{ID}/".encode(), SEEN)[0].facts
        == []
    )


def test_a_status_line_in_an_unknown_document_is_not_lost_in_silence() -> None:
    for document in ({"vendor": {"raw": LINE}}, {"x": [{"y": STATUS}]}):
        parsed, trouble = parse_smtp(json.dumps(document).encode(), SEEN)
        assert not parsed.facts
        assert trouble is not None
        assert trouble.reason is Reason.UNPARSABLE_MAIL_LINE
    assert parse_smtp(json.dumps({"vendor": {"raw": "status=ok"}}).encode(), SEEN)[1] is None


# -- stamps of applications ------------------------------------------------------------------------------------------

MID = "<b1946ac9@app.example>"


@pytest.mark.parametrize(
    "record",
    [
        f'time="2024-03-05T11:59:00Z" level=info msg="email sent" message_id="{MID}"',
        f'level=info ts=2024-03-05T11:59:00.000Z msg="email sent" message_id={MID}',
        f"[05-Mar-2024 11:59:00 UTC] Message sent: {MID}",
        f"05-Mar-2024 11:59:00.000 INFO [main] com.x.Mailer.send Message sent: {MID}",
        f"05 Mar 2024 11:59:00,000 INFO [main] Mailer - Message sent: {MID}",
        f"[05/Mar/2024 11:59:00] INFO [app.mail:33] Message sent: {MID}",
        f"05/Mar/2024:12:59:00 +0100 Message sent: {MID}",
        f"I0305 11:59:00.123456       1 mail.go:12] Message sent: {MID}",
        f"2024-03-05T11:59:00.000000000Z stdout F Message sent: {MID}",
        "2024-03-05T11:59:00.000000000Z stdout F " + json.dumps({"msg": "email sent", "message_id": MID}),
        {"@t": "2024-03-05T11:59:00.0000000Z", "@mt": "email sent", "MessageId": MID},
        {"@t": "2024-03-05T11:59:00.0000000Z", "@m": "email sent", "MessageId": MID},
        {"asctime": "2024-03-05 11:59:00,000", "message": "email sent", "message_id": MID},
        {"timestampSeconds": AT // 1000, "timestampNanos": 5, "message": f"Message sent: {MID}"},
        {"timeMillis": AT, "level": "INFO", "message": f"Message sent: {MID}"},
        {
            "instant": {"epochSecond": AT // 1000, "nanoOfSecond": 1},
            "message": "email sent",
            "contextMap": {"messageId": MID},
        },
    ],
)
def test_an_application_s_own_stamp_dates_its_line(record: Any) -> None:
    raw = record if isinstance(record, str) else json.dumps(record)
    parsed, trouble = parse_smtp(raw.encode(), SEEN)
    assert trouble is None
    ((_, fact),) = parsed.facts
    assert isinstance(fact, Identified)
    assert fact.at == AT


def test_what_is_no_date_dates_nothing() -> None:
    for stamp in ("[99/Mar/2024 11:59:00]", "05 Xyz 2024 11:59:00", "I1399 11:59:00.1"):
        parsed, _ = parse_smtp(f"{stamp} Message sent: {MID}".encode(), SEEN)
        assert all(fact.at == SEEN for _, fact in parsed.facts)
