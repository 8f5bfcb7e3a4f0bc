"""Structured logs: the mail in the fields of pino, winston, bunyan, loguru, structlog, zap, logback and logfmt."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.facts import Accepted, Cause, Deferred, Fact, Identified, Queued, Refused, Unconfirmed
from service.parsing.applications.names import mid_submission
from service.parsing.smtp import parse_smtp

# Lines of logs stand as they were written.
# ruff: noqa: E501

SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
MID = "py.1@shop.example"
ANN = "ann@a.example"
RATE = "454 Throttling failure: Maximum sending rate exceeded."
INFO: dict[str, Any] = {
    "accepted": [ANN],
    "rejected": [],
    "ehlo": ["SIZE 33554432", "8BITMIME"],
    "response": f"250 Ok {ID}",
    "envelope": {"from": "shop@shop.example", "to": [ANN]},
    "messageId": f"<{MID}>",
}
UNDER_MID = "Q:" + mid_submission(MID)
UNDER_ID = "S:" + ID


def said(value: dict[str, Any] | str) -> list[tuple[str, Fact]]:
    parsed, unparsable = parse_smtp(value.encode() if isinstance(value, str) else orjson.dumps(value), SEEN)
    assert unparsable is None
    return [(name.decode(), fact) for name, fact in parsed.facts]


# -- accepted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {"level": 30, "time": SEEN, "pid": 1, "hostname": "vm", "info": INFO, "msg": "mail sent"},
        {"level": 30, "time": SEEN, "pid": 1, "hostname": "vm", **INFO, "msg": "mail sent"},
        {"level": "info", "message": "sent", "timestamp": "2024-03-05T12:00:00.000Z", **INFO},
        {"name": "app", "hostname": "vm", "level": 30, "info": INFO, "msg": "", "time": "2024-03-05T12:00:00Z", "v": 0},
        {"log": orjson.dumps({"level": 30, "time": SEEN, **INFO}).decode() + "\n", "stream": "stdout", "time": "x"},
        {"message": "Email sent: " + orjson.dumps(INFO).decode(), "timestamp": SEEN},
    ],
)
def test_nodemailers_info_under_any_logger(entry: dict[str, Any]) -> None:
    facts = said(entry)
    assert [name for name, _ in facts] == [UNDER_MID, UNDER_MID, UNDER_MID, UNDER_ID]
    assert [type(fact) for _, fact in facts] == [Identified, Queued, Accepted, Accepted]
    accepted = facts[-1][1]
    assert isinstance(accepted, Accepted)
    assert (accepted.at, accepted.recipients, accepted.submission) == (SEEN, (ANN,), mid_submission(MID))


LOGURU = {
    "text": "2024-03-05 12:00:00.000 | INFO     | __main__:<module>:36 - mail sent\n",
    "record": {
        "extra": {"response": f"250 Ok {ID}", "message_id": f"<{MID}>"},
        "level": {"icon": "i", "name": "INFO", "no": 20},
        "message": "mail sent",
        "time": {"repr": "2024-03-05 12:00:00.000000+00:00", "timestamp": SEEN / 1000},
    },
}


@pytest.mark.parametrize(
    "entry",
    [
        LOGURU,
        {
            "message_id": f"<{MID}>",
            "smtp_response": f"250 Ok {ID}",
            "event": "mail.sent",
            "timestamp": "2024-03-05T12:00:00.000000Z",
        },  # structlog
        {"level": "info", "ts": SEEN / 1000, "msg": "sent", "messageID": MID, "reply": f"250 Ok {ID}"},  # zap
        {"time": "2024-03-05T12:00:00Z", "level": "INFO", "msg": f"250 Ok {ID}", "message_id": MID},  # slog
        {
            "@timestamp": "2024-03-05T12:00:00.000Z",
            "logger_name": "c.s.Mailer",
            "message": "SMTP response",
            "smtp": {"response": f"250 Ok {ID}", "message_id": f"<{MID}>"},
        },  # logback with logstash-encoder
        {"@timestamp": "2024-03-05T12:00:00.000Z", "message": f"Mail sent: 250 Ok {ID}", "Message-ID": f"<{MID}>"},
        {"time": SEEN, "smtp_code": 250, "smtp_reply": [250, f"Ok {ID}"], "headers_message_id": f"<{MID}>"},
        {"time": SEEN, "msg": "sent", "sesMessageId": ID, "messageId": f"<{MID}>"},
        f'time=2024-03-05T12:00:00Z level=INFO msg="mail sent" reply="250 Ok {ID}" message_id=<{MID}>',
        f"2024-03-05T12:00:00Z [info     ] mail sent        message_id=<{MID}> reply='250 Ok {ID}'",
    ],
)
def test_one_field_holds_the_reply_and_another_the_message_id(entry: dict[str, Any] | str) -> None:
    (first, identified), (second, accepted), (third, again) = said(entry)
    assert (first, second, third) == (UNDER_MID, UNDER_MID, UNDER_ID)
    assert isinstance(identified, Identified)
    assert isinstance(accepted, Accepted)
    assert accepted == again
    if not isinstance(entry, str):
        assert accepted.at == SEEN


@pytest.mark.parametrize(
    "entry",
    [
        {"level": 30, "MessageId": ID, "$metadata": {"httpStatusCode": 200, "requestId": "3f1d1c5e"}, "msg": "sent"},
        {"msg": "sent", "result": {"MessageId": ID, "ResultMetadata": {}}},
        {"event": "ses.send_email", "response": {"MessageId": ID, "ResponseMetadata": {"HTTPStatusCode": 200}}},
        {"message": f"Email sent! Message ID: {ID}"},
        {"MessageId": ID},
        {"envelope": {"from": "s@b.example", "to": []}, "messageId": f"<{ID}@email.amazonses.com>", "response": ID},
        f"send_messages.sent from='s@b.example' recipients='' message_id='{ID}' request_id='x'",
    ],
)
def test_what_send_email_returned_is_sess_id(entry: dict[str, Any] | str) -> None:
    ((name, fact),) = said(entry)
    assert name == UNDER_ID
    assert isinstance(fact, Accepted)
    assert fact.submission == ""


def test_a_bulk_call_returns_an_id_a_mail() -> None:
    other = ID.replace("1111", "9999", 1)
    facts = said(
        {
            "msg": "sent",
            "BulkEmailEntryResults": [
                {"Status": "SUCCESS", "MessageId": ID},
                {"Status": "SUCCESS", "MessageId": other},
            ],
        }
    )
    assert [name for name, _ in facts] == ["S:" + ID, "S:" + other]


def test_a_reply_without_an_id_has_lost_it() -> None:
    facts = said({"msg": "sent", "response": "250 Ok", "messageId": f"<{MID}>", "to": ANN})
    assert [type(fact) for _, fact in facts] == [Identified, Unconfirmed]


@pytest.mark.parametrize(
    "entry",
    [
        {"msg": "mail sent", "messageId": f"<{MID}>"},
        {"event": "email_sent", "message_id": MID, "to": ANN},
        {
            "component": "smtp-transport",
            "tnx": "send",
            "messageId": f"<{MID}>",
            "msg": f"Sending message <{MID}> to <x>",
        },
    ],
)
def test_the_message_id_alone_is_a_mail_that_was_handed_over(entry: dict[str, Any]) -> None:
    ((name, fact),) = said(entry)
    assert name == UNDER_MID
    assert isinstance(fact, Identified)


# -- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {
            "level": 50,
            "time": SEEN,
            "err": {
                "type": "Error",
                "message": f"Message failed: {RATE}",
                "code": "EMESSAGE",
                "stack": f"Error: Message failed: {RATE}\n    at x (y:1)",
                "response": RATE,
                "responseCode": 454,
            },
            "msg": "x",
        },
        {"level": "error", "message": "mail failed", "error": {"code": "EMESSAGE", "response": RATE}},
        {
            "level": "error",
            "ts": 1.5,
            "msg": "mail failed",
            "error": '454 "Throttling failure: Maximum sending rate exceeded."',
            "stacktrace": "main.main\n\t/x.go:12",
        },
        {
            "event": "mail failed",
            "exception": 'Traceback (most recent call last):\n  File "x", line 1\n'
            "smtplib.SMTPDataError: (454, b'Throttling failure: Maximum sending rate exceeded.')",
        },
        {
            "record": {
                "message": "mail failed",
                "exception": {
                    "type": "SMTPDataError",
                    "traceback": True,
                    "value": "(454, b'Throttling failure: Maximum sending rate exceeded.')",
                },
            },
            "text": "...",
        },
        {"message": "failed", "stack_trace": f"x.SMTPSendFailedException: {RATE}\n\tat a.B.c(B.java:1)\n"},
        {"message": "failed", "error": {"type": "x.SMTPSendFailedException", "message": RATE}},
        (
            'time=2024-03-05T12:00:00Z level=ERROR msg="mail failed" err="454 \\"Throttling failure: Maximum sending rate '
            'exceeded.\\"" status=1'
        ),
    ],
)
def test_a_refusal_is_found_in_the_error_that_a_logger_took_apart(entry: dict[str, Any] | str) -> None:
    ((name, fact),) = said(entry)
    assert "/app:" in name
    assert isinstance(fact, Deferred)
    assert (fact.cause, fact.reply) == (Cause.RATE_EXCEEDED, RATE)


def test_a_refusal_stands_under_the_message_id_and_names_its_recipients() -> None:
    facts = said(
        {
            "msg": "mail failed",
            "message_id": MID,
            "from": "Shop <shop@Shop.example>",
            "to": f"Ann <{ANN}>, b@c.example",
            "err": "554 Message rejected: Email address is not verified.",
        }
    )
    assert [name for name, _ in facts] == [UNDER_MID] * 3
    identified, queued, refused = (fact for _, fact in facts)
    assert isinstance(identified, Identified)
    assert isinstance(queued, Queued)
    assert (queued.sender, queued.recipient_count) == ("shop@shop.example", 2)
    assert isinstance(refused, Refused)
    assert (refused.recipients, refused.cause) == ((ANN, "b@c.example"), Cause.UNVERIFIED_IDENTITY)


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        ({"code": "ECONNECTION", "command": "CONN"}, Cause.UNREACHABLE),
        ({"err": {"code": "ETIMEDOUT", "command": "CONN", "message": "Greeting never received"}}, Cause.TIMEOUT),
        (
            {"msg": "x", "err": {"name": "SMTPServerDisconnected", "message": "Connection unexpectedly closed"}},
            Cause.UNREACHABLE,
        ),
        (
            {
                "eventSource": "ses.amazonaws.com",
                "eventName": "SendEmail",
                "errorCode": "Throttling",
                "errorMessage": "Maximum sending rate exceeded.",
            },
            Cause.RATE_EXCEEDED,
        ),
    ],
)
def test_a_fault_is_known_by_its_code(entry: dict[str, Any], cause: Cause) -> None:
    ((_, fact),) = said(entry)
    assert isinstance(fact, Deferred)
    assert fact.cause is cause


# -- none of our business --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {"msg": "GET /orders", "status": 200, "response": "500 Internal Server Error"},
        {"msg": "upstream failed", "response": "503 Service Unavailable"},
        {"msg": "job done", "messageId": "123e4567-e89b-12d3-a456-426614174000"},  # SQS
        {"msg": "mail received", "messageId": f"<{MID}>", "from": ANN},
        {"msg": "bounce received", "messageId": ID},
        {"msg": "parsed", "message_id": f"<{MID}>"},
        {"msg": "sent", "feedbackId": ID},
        {"msg": "contact form", "subject": f"250 Ok {ID}", "body": f"250 Ok {ID}"},
        {"event": "x", "exception": [{"frames": [{"locals": {"response": f"250 Ok {ID}"}}]}]},
        {"eventType": "Delivery", "mail": {"messageId": ID, "destination": [ANN]}, "delivery": {"recipients": [ANN]}},
        {
            "Type": "Notification",
            "Message": orjson.dumps({"notificationType": "Bounce", "mail": {"messageId": ID}}).decode(),
        },
        {
            "message": "4A1B2C3D4E: warning: header Subject: x: 250 Ok " + ID,
            "appname": "postfix/cleanup",
            "response": f"250 Ok {ID}",
        },
        {
            "message": f"Mar  5 11:59:58 mx1 postfix/cleanup[1]: 4A1B2C3D4E: warning: header Subject: 250 Ok {ID}",
            "response": f"250 Ok {ID}",
        },
    ],
)
def test_what_merely_looks_like_it_makes_no_fact(entry: dict[str, Any]) -> None:
    assert said(entry) == []


def test_an_object_with_many_fields_is_read_as_far_as_anybody_writes() -> None:
    assert said({f"k{n}": n for n in range(5000)} | {"response": f"250 Ok {ID}"}) == []
    assert len(said({"response": f"250 Ok {ID}"} | {f"k{n}": n for n in range(1900)})) == 1
