"""What Haraka, Halon and the small clients say in a line that stands for itself, and that they say no more."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.facts import Accepted, Cause, Closed, Deferred, Elsewhere, Fact, Queued, Refused, Started, Unconfirmed
from tests.unit.small_mtas import AT, ID, ODD_ID, SES, TAI64N, TO, S, facts_of

# Positional booleans stand for `floating` throughout.


# -- Haraka ----------------------------------------------------------------------------------------------------------

UUID = "5A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9.1.1"
HARAKA = f"[NOTICE] [{UUID}] [outbound] "


def delivered(host: str = SES, ip: str = "192.0.2.10", response: str = f"Ok {ID}") -> str:
    return (
        f"{HARAKA}delivered file=1709640000000_1709640000000_0_1_a_2_mx1 domain=shop.example host={host} ip={ip} "
        f'port=587 mode=SMTP tls=Y auth=Y response="{response}" delay=0.9 fails=0 rcpts=1/0/0'
    )


@pytest.mark.parametrize(
    ("header", "host", "at", "floating"),
    [
        ("", "-", AT, False),
        ("2024-03-05T12:00:00.250Z ", "-", AT + 250, False),
        ("Mar  5 12:00:00 mx1 haraka[7]: ", "mx1", AT, True),
    ],
)
def test_haraka_names_no_recipient_of_what_ses_took(
    header: str,
    host: str,
    at: int,
    floating: bool,  # noqa: FBT001
) -> None:
    fact = Accepted(at, floating, (), ID, f"{host}/{UUID}", "eu-west-1")
    name = f"Q:{host}/{UUID}".encode()
    assert facts_of(header + delivered()) == [(name, fact), (S, fact), (name, Closed(at, floating, "removed"))]
    assert facts_of(header + delivered().replace("rcpts=1/0/0", "rcpts=1/0/1")) == [(S, fact)], (
        "one of them was refused"
    )


def test_haraka_put_it_off_and_sent_it_later() -> None:
    name = f"Q:-/{UUID}".encode()
    reply = "454 Throttling failure: Maximum sending rate exceeded."
    assert facts_of(f"{HARAKA}recipient <ann@shop.example> deferred: {reply}") == [
        (name, Deferred(AT, False, ("ann@shop.example",), Cause.RATE_EXCEEDED, reply))
    ]


def test_haraka_in_json() -> None:
    name = f"Q:-/{UUID}".encode()
    entry = {"level": "NOTICE", "uuid": UUID, "source": "outbound"}
    fields = {"file": "a_1", "domain": "shop.example", "host": SES, "ip": "192.0.2.10", "port": 587, "mode": "SMTP"}
    sent = entry | {
        "message": "delivered",
        **fields,
        "response": f"Ok {ID}",
        "delay": 0.5,
        "fails": 0,
        "rcpts": "1/0/0",
    }
    fact = Accepted(AT, False, (), ID, f"-/{UUID}", "eu-west-1")
    assert facts_of(orjson.dumps(sent).decode()) == [(name, fact), (S, fact), (name, Closed(AT, False, "removed"))]
    reply = "554 Message rejected: Email address is not verified."
    refused = entry | {
        "message": f"recipient <ann@shop.example> rejected: {reply}",
        "timestamp": "2024-03-05T12:00:00Z",
    }
    assert facts_of(orjson.dumps(refused).decode()) == [
        (name, Refused(AT, False, ("ann@shop.example",), Cause.UNVERIFIED_IDENTITY, reply))
    ]
    assert facts_of(orjson.dumps(entry | {"message": "loading", "uuid": "x y"}).decode()) == []


def test_haraka_without_an_id() -> None:
    name = f"Q:-/{UUID}".encode()
    assert facts_of(delivered(response="Ok")) == [
        (name, Unconfirmed(AT, False, (), "Ok")),
        (name, Closed(AT, False, "removed")),
    ]


def test_haraka_refused_for_good() -> None:
    name = f"Q:-/{UUID}".encode()
    reply = "501 Invalid RCPT TO address provided"
    assert facts_of(f"{HARAKA}recipient <ann@shop.example> rejected: {reply}") == [
        (name, Refused(AT, False, ("ann@shop.example",), Cause.BAD_ADDRESS, reply))
    ]
    reply = "Too many failures (Upstream error: 454 Throttling failure: Daily message quota exceeded.)"
    assert facts_of(f"[INFO] [{UUID}] [outbound] bouncing mail: {reply}") == [
        (name, Refused(AT, False, (), Cause.QUOTA_EXCEEDED, reply)),
        (name, Closed(AT, False, "removed")),
    ]


@pytest.mark.parametrize(
    "line",
    [
        delivered("mx.mail.example", "192.0.2.99", "2.0.0 Ok: queued as 4A1B2C3D4E"),
        delivered("mx.mail.example", "192.0.2.99", f"Ok {ODD_ID}"),
        f'[NOTICE] [{UUID}] [core] recipient <a@b> code=OK msg="" sender="{delivered()}"',
        f"[INFO] [{UUID}] [outbound] Temp failing x for 64 seconds: Upstream error: 454 Throttling failure: Daily",
        f"{HARAKA}recipient <a@b> deferred: 450 4.2.1 Mailbox busy",
        f"{HARAKA}recipient <a@b> rejected: 550 5.1.1 No such user",
        f"[INFO] [{UUID}] [outbound] bouncing mail: 550 5.7.1 No",
        "[NOTICE] [-] [core] Server is now ready",
    ],
)
def test_what_haraka_says_besides(line: str) -> None:
    assert facts_of(line) == []


# -- Halon -----------------------------------------------------------------------------------------------------------

HALON_ID = "18c190a3-93f5-47d7-bd00-005056914940:1"
HALON: dict[str, Any] = {
    "type": "SMTP",
    "hostname": "MX1",
    "messageid": HALON_ID,
    "ts_attempt": AT / 1000,
    "status": "delivered",
    "result_code": 250,
    "result_reason": f"Ok {ID}",
    "connection_remotemx": SES,
    "connection_remoteip": "192.0.2.10",
    "sender": "a@b.example",
    "recipient_localpart": "ann",
    "recipient_domain": "Shop.EXAMPLE",
}
HALON_NAME = f"Q:mx1/{HALON_ID}".encode()
QUEUED = (HALON_NAME, Queued(AT, False, "a@b.example", 1))
REFUSAL = {"result_code": 554, "result_reason": "Message rejected: Sending paused for this account."}
REPLY = "554 Message rejected: Sending paused for this account."


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        ({}, Accepted(AT, False, TO, ID, f"mx1/{HALON_ID}", "eu-west-1")),
        ({"result_reason": "Ok"}, Unconfirmed(AT, False, TO, "250 Ok")),
        ({"result_reason": "2.0.0 queued", "connection_remotemx": "mx.mail.example"},
         Elsewhere(AT, False, TO, "mx.mail.example")),
        ({"status": "delayed", **REFUSAL}, Deferred(AT, False, TO, Cause.ACCOUNT_PAUSED, REPLY, "eu-west-1")),
        ({"status": "failed", **REFUSAL}, Refused(AT, False, TO, Cause.ACCOUNT_PAUSED, REPLY, "eu-west-1")),
        ({"status": "failed", "result_code": None, "error_message": "Connection refused"},
         Refused(AT, False, TO, Cause.UNREACHABLE, "Connection refused", "eu-west-1")),
    ],
)  # fmt: skip
def test_halon_flat(more: dict[str, Any], fact: Fact) -> None:
    found = facts_of(orjson.dumps(HALON | more).decode())
    assert found[:2] == [QUEUED, (HALON_NAME, fact)]
    assert found[2:] == ([(S, fact)] if isinstance(fact, Accepted) else [])


def test_halon_nested() -> None:
    message = {
        "id": {"transaction": "18c190a3-93f5-47d7-bd00-005056914940", "queue": 1},
        "senderaddress": {"localpart": "a", "domain": "b.example"},
        "recipientaddress": {"localpart": "ann", "domain": "shop.example"},
    }
    attempt = {
        "result": {"code": 250, "enhanced": [], "reason": [f"Ok {ID}"]},
        "connection": {"remoteip": "192.0.2.10", "remotemx": SES},
    }
    document = {"type": "delivery", "time": AT, "message": message, "attempt": attempt}
    fact = Accepted(AT, False, TO, ID, f"-/{HALON_ID}", "eu-west-1")
    name = f"Q:-/{HALON_ID}".encode()
    assert facts_of(orjson.dumps(document).decode()) == [
        (name, Queued(AT, False, "a@b.example", 1)),
        (name, fact),
        (S, fact),
    ]
    attempt["result"] = {"code": 454, "reason": ["Throttling failure: Maximum sending rate exceeded."]}
    found = facts_of(orjson.dumps(document | {"action": "QUEUE"}).decode())
    assert [type(each) for _, each in found] == [Queued, Deferred]


def test_halon_queued_and_removed() -> None:
    document = {"type": "queue", "time": AT, "id": HALON_ID, "transportid": "ses", "sender": "a@B.example",
                "recipient": TO[0], "connection": {"remoteip": "10.0.0.7"}}  # fmt: skip
    name = f"Q:-/{HALON_ID}".encode()
    assert facts_of(orjson.dumps(document).decode()) == [
        (name, Started(AT, False, "10.0.0.7")),
        (name, Queued(AT, False, "a@b.example", 1)),
    ]
    assert facts_of(orjson.dumps(HALON | {"status": "removed"}).decode()) == [
        (HALON_NAME, Closed(AT, False, "deleted"))
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"type": "smtp"},
        {"messageid": None},
        {"messageid": "x y z 1234"},
        {"recipient_localpart": ""},
        {"recipient_domain": 7},
        {"status": "unheard of"},
    ],
)
def test_a_document_that_is_none_of_halons(more: dict[str, Any]) -> None:
    assert facts_of(orjson.dumps(HALON | more).decode()) == []


# -- small clients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        f"Mar  5 12:00:00 mx1 nullmailer[7]: smtp: Succeeded: 250 Ok {ID}",
        f"Mar  5 12:00:00 mx1 nullmailer-send: smtp: Succeeded: 250 Ok {ID}",
        f"{TAI64N} smtp: Succeeded: 250 Ok {ID}",
    ],
)
def test_nullmailer_knows_an_accepted_mail_by_its_id_alone(line: str) -> None:
    ((name, fact),) = facts_of(line)
    assert name == S
    assert isinstance(fact, Accepted)
    assert (fact.recipients, fact.submission) == ((), "")


REJECTED = "554 Message rejected: Email address is not verified."


@pytest.mark.parametrize(
    ("line", "kind", "cause"),
    [
        (f"nullmailer[7]: smtp: Failed: {REJECTED}", Refused, Cause.UNVERIFIED_IDENTITY),
        (f"sSMTP[7]: {REJECTED}", Refused, Cause.UNVERIFIED_IDENTITY),
        ("sSMTP[7]: Authorization failed (535 Authentication Credentials Invalid)", Refused, Cause.AUTH_FAILED),
        ("sSMTP[7]: RCPT TO:<a@b> (501 Invalid RCPT TO address provided)", Refused, Cause.BAD_ADDRESS),
        ("sSMTP[7]: 454 Throttling failure: Maximum sending rate exceeded.", Deferred, Cause.RATE_EXCEEDED),
        (f"sSMTP[7]: Cannot open {SES}:587", Deferred, Cause.UNREACHABLE),
        (f"dma[1a2b.55d5]: remote delivery to {SES} [192.0.2.10] failed after final DATA: {REJECTED}", Refused,
         Cause.UNVERIFIED_IDENTITY),
    ],
)  # fmt: skip
def test_a_failure_stands_under_a_name_of_its_own(line: str, kind: type[Fact], cause: Cause) -> None:
    (name, fact), *closed = facts_of(f"Mar  5 12:00:00 mx1 {line}")
    client = line.partition("[")[0].lower()
    assert name.startswith(f"Q:mx1/{client}:".encode())
    assert isinstance(fact, kind)
    assert (fact.recipients, fact.cause) == ((), cause)  # type: ignore[attr-defined]
    assert closed == ([(name, Closed(AT, True, "removed"))] if kind is Refused else [])


@pytest.mark.parametrize(
    "line",
    [
        "nullmailer[7]: Starting delivery, 1 message(s) in queue.",
        f"nullmailer[7]: Starting delivery: host: {SES} protocol: smtp file: 1795508082.23096",
        "nullmailer[7]: From: <a@b> to: <smtp: Succeeded: 250 Ok>",
        "nullmailer[7]: smtp: Failed: 454 Throttling failure: Maximum sending rate exceeded.",
        "nullmailer[7]: smtp: Failed: 550 5.1.1 No such user",
        "sSMTP[7]: Sent mail for a@b.example (221 Bye) uid=33 username=www outbytes=400",
        "sSMTP[7]: Cannot open mail.shop.example:25",
        "sSMTP[7]: 550 5.1.1 No such user",
        "dma[1a2b.55d5]: <ann@shop.example> delivery successful",
        "dma[1a2b.55d5]: remote delivery to mx.mail.example [192.0.2.99] failed after final DATA: 554 No",
        f"dma[1a2b.55d5]: remote delivery deferred: {SES} [192.0.2.10] failed after MAIL FROM: 454 Throttling failure",
    ],
)
def test_what_small_clients_say_besides(line: str) -> None:
    assert facts_of(f"Mar  5 12:00:00 mx1 {line}") == []
