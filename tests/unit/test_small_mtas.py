"""What qmail, Haraka, Halon and the small clients say in a line that stands for itself, and that they say no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from service.assembler import Assembler
from service.facts import Accepted, Cause, Closed, Deferred, Elsewhere, Fact, Queued, Refused, Started, Unconfirmed
from service.parsing.smtp import parse_smtp

# Positional booleans stand for `floating` throughout.

AT = 1_709_640_000_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
SES = "email-smtp.eu-west-1.amazonaws.com"
S = b"S:" + ID.encode()


@dataclass(frozen=True)
class Record:
    value: bytes
    offset: int
    timestamp: int = AT
    key: bytes | None = None
    topic: str = "mail"
    partition: int = 0


def facts_of(record: str) -> list[tuple[bytes, Fact]]:
    parsed, trouble = parse_smtp(record.encode(), AT)
    assert trouble is None
    assert parsed.facts or parsed.ignored == 1
    return parsed.facts


# -- qmail -----------------------------------------------------------------------------------------------------------

TAI64N = f"@{(AT // 1000 + 2**62 + 10):016x}{5_000_000:08x}"
SUCCESS = f"delivery 9: success: 192.0.2.10_accepted_message./Remote_host_said:_250_Ok_{ID}/"
FAILURE = (
    "delivery 9: failure: 192.0.2.10_failed_after_I_sent_the_message./Remote_host_said:_554_Message_rejected:_Email_"
    "address_is_not_verified./"
)


@pytest.mark.parametrize(
    ("header", "at", "floating"),
    [
        (f"{TAI64N} ", AT + 5, False),
        (f"{AT // 1000}.000000 ", AT, False),
        ("Mar  5 12:00:00 mx1 qmail: 1709640000.123809 ", AT, True),
        ("Mar  5 12:00:00 mx1 qmail-send: ", AT, True),
    ],
)
def test_qmail_knows_an_accepted_mail_by_its_id_alone(header: str, at: int, floating: bool) -> None:  # noqa: FBT001
    assert facts_of(header + SUCCESS) == [(S, Accepted(at, floating, (), ID, "", ""))]


def test_a_failure_for_good_in_the_words_of_ses() -> None:
    name = b"Q:mx1/qmail:delivery-9"
    reply = "554 Message rejected: Email address is not verified."
    assert facts_of(f"Mar  5 12:00:00 mx1 qmail: {FAILURE}") == [
        (name, Refused(AT, True, (), Cause.UNVERIFIED_IDENTITY, reply)),
        (name, Closed(AT, True, "removed")),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "new msg 3890",
        "starting delivery 9: msg 3890 to remote ann@shop.example",
        "status: local 0/120 remote 1/60",
        "delivery 9: success: did_0+0+1/",
        "delivery 9: success: 192.0.2.99_accepted_message./Remote_host_said:_250_OK_id=19LGuQ-0003OJ-00/",
        f"delivery 9: success: 192.0.2.99_accepted_message./Remote_host_said:_250_Ok_{ODD_ID}",
        FAILURE.replace("failure", "deferral").replace("554_Message_rejected", "454_Throttling_failure"),
        "delivery 9: failure: 192.0.2.99_does_not_like_recipient./Remote_host_said:_550_5.1.1_No_such_user/",
        f"warning: unable to open {SUCCESS}",
    ],
)
def test_what_qmail_says_of_a_mail_that_no_line_alone_can_end(line: str) -> None:
    for header in (f"{TAI64N} ", "Mar  5 12:00:00 mx1 qmail: "):
        assert facts_of(header + line) == []


DELIVERY = "delivery 9: msg 3890 to remote ann@shop.example: "
SUBMISSION = b"Q:mx1/qmail:3890"


def joined(*records: str) -> list[tuple[bytes, Fact]]:
    """The facts in these records, those of one delivery put together."""
    inputs = [Record(record.encode(), offset) for offset, record in enumerate(records)]
    assembler, ready = Assembler().take(inputs, AT)
    whole = [*ready, *assembler.rest()]
    return [found for each in whole for found in parse_smtp(each.value or b"", AT)[0].facts]


@pytest.mark.parametrize(
    ("header", "host"),
    [
        (f"{TAI64N} ", "-"),
        (f"{AT // 1000}.000000 ", "-"),
        ("2024-03-05 12:00:00.000000000 ", "-"),
        ("Mar  5 12:00:00 mx1 qmail: 1709640000.123809 ", "mx1"),
        ("<22>Mar  5 12:00:00 mx1 qmail: ", "mx1"),
        ("<22>1 2024-03-05T12:00:00Z mx1 qmail-send 7 - - ", "mx1"),
        (f"2024-03-05T12:00:00.123Z stdout F {TAI64N} ", "-"),
    ],
)
def test_the_two_lines_of_a_delivery_under_every_header(header: str, host: str) -> None:
    """Another delivery is woven in, and the numbers of another host's are no concern."""
    found = joined(
        f"{header}starting delivery 9: msg 3890 to remote ann@shop.example",
        f"{header}starting delivery 10: msg 3890 to local bob",
        "Mar  5 12:00:00 mx2 qmail: starting delivery 9: msg 1 to remote eve@shop.example",
        f"{header}delivery 10: success: did_1+0+0/",
        f"{header}{SUCCESS}",
    )
    assert [(name, fact.recipients) for name, fact in found] == [  # type: ignore[attr-defined]
        (f"Q:{host}/qmail:3890".encode(), ("bob",)),
        (f"Q:{host}/qmail:3890".encode(), ("ann@shop.example",)),
        (S, ("ann@shop.example",)),
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"message": "{}", "host": "mx1", "program": "qmail", "timestamp": "2024-03-05T12:00:00Z"},
        {"MESSAGE": "{}", "_HOSTNAME": "mx1", "SYSLOG_IDENTIFIER": "qmail"},
        {"message": "Mar  5 12:00:00 mx1 qmail: 1709640000.123809 {}", "log": {"file": {"path": "/var/log/mail"}}},
        {"log": "Mar  5 12:00:00 mx1 qmail: {}\n", "stream": "stdout", "time": "2024-03-05T12:00:00Z"},
    ],
)
def test_the_two_lines_of_a_delivery_in_a_shippers_documents(document: dict[str, Any]) -> None:
    lines = [
        orjson.dumps({key: said.replace("{}", line) if isinstance(said, str) else said for key, said in
                      document.items()}).decode()
        for line in ("starting delivery 9: msg 3890 to remote ann@shop.example", SUCCESS)
    ]  # fmt: skip
    assert [(name, fact.recipients) for name, fact in joined(*lines)] == [  # type: ignore[attr-defined]
        (SUBMISSION, ("ann@shop.example",)),
        (S, ("ann@shop.example",)),
    ]


def test_a_delivery_that_starts_again_was_cut_off() -> None:
    """qmail counts from 1 again when it is started again."""
    header = "Mar  5 12:00:00 mx1 qmail: "
    assert joined(
        f"{header}starting delivery 9: msg 1 to remote bob@shop.example",
        f"{header}starting delivery 9: msg 3890 to remote ann@shop.example",
        f"{header}{SUCCESS}",
    )[0] == (SUBMISSION, Accepted(AT, True, TO, ID, "mx1/qmail:3890", ""))


@pytest.mark.parametrize(
    ("end", "kind", "cause"),
    [
        ("deferral: 192.0.2.10_failed./Remote_host_said:_454_Throttling_failure:_Daily_message_quota_exceeded./",
         Deferred, Cause.QUOTA_EXCEEDED),
        ("deferral: Connected_to_192.0.2.10_but_greeting_failed./Remote_host_said:_421_Too_many_concurrent_SMTP_"
         "connections/", Deferred, Cause.RATE_EXCEEDED),
        ("failure: auth_failed./Remote_host_said:_535_Authentication_Credentials_Invalid/", Refused, Cause.AUTH_FAILED),
        ("deferral: Sorry,_I_wasn't_able_to_establish_an_SMTP_connection._(#4.4.1)/", Deferred, Cause.UNREACHABLE),
        ("deferral: CNAME_lookup_failed_temporarily._(#4.4.3)/", Deferred, Cause.UNREACHABLE),
        ("deferral: Connected_to_192.0.2.10_but_connection_died._(#4.4.2)/", Deferred, Cause.UNREACHABLE),
        ("deferral: Connected_to_192.0.2.10_but_connection_died._Possible_duplicate!_(#4.4.2)/", Deferred,
         Cause.AMBIGUOUS),
        ("deferral: TLS_connect_failed:_timed_out;_connecting_to_192.0.2.10/", Deferred, Cause.UNREACHABLE),
    ],
)  # fmt: skip
def test_what_a_delivery_that_failed_says_of_the_way_to_ses(end: str, kind: type[Fact], cause: Cause) -> None:
    ((name, fact),) = facts_of(f"Mar  5 12:00:00 mx1 qmail: {DELIVERY}{end}")
    assert (name, type(fact)) == (SUBMISSION, kind)
    assert (fact.recipients, fact.cause) == (TO, cause)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "end",
    [
        "success: POP_user_does_not_exist,_but_will_deliver_to_postmaster/",
        "deferral: 192.0.2.99_failed./Remote_host_said:_454_4.7.1_Please_see_Throttling_failure:/",
        "failure: 192.0.2.99_does_not_like_recipient./Remote_host_said:_550_5.1.1_No_such_user/",
        "failure: This_message_is_looping:_it_already_has_my_Delivered-To_line._(#5.4.6)/",
    ],
)
def test_a_delivery_that_is_not_about_ses(end: str) -> None:
    assert facts_of(f"Mar  5 12:00:00 mx1 qmail: {DELIVERY}{end}") == [(SUBMISSION, Elsewhere(AT, True, TO, ""))]


@pytest.mark.parametrize(("ip", "on"), [("10.0.0.9", "19LGuQ-0003OJ-00"), ("192.0.2.99", "")])
def test_only_a_server_of_ones_own_says_under_which_queue_id_a_mail_goes_on(ip: str, on: str) -> None:
    end = f"success: {ip}_accepted_message./Remote_host_said:_250_OK_id=19LGuQ-0003OJ-00/"
    assert facts_of(f"Mar  5 12:00:00 mx1 qmail: {DELIVERY}{end}") == [(SUBMISSION, Elsewhere(AT, True, TO, ip, on))]


def test_a_mail_begins_and_ends() -> None:
    header = "Mar  5 12:00:00 mx1 qmail: 1709640000.123809 "
    assert facts_of(f"{header}info msg 3890: bytes 372 from <App@Shop.example> qp 31835 uid 33") == [
        (SUBMISSION, Started(AT, True, "uid=33")),
        (SUBMISSION, Queued(AT, True, "App@shop.example", 0)),
    ]
    assert facts_of(f"{header}end msg 3890") == [
        (SUBMISSION, Elsewhere(AT, True, (), "")),
        (SUBMISSION, Closed(AT, True, "removed")),
    ]
    for sender in ("", "#@[]"):
        assert facts_of(f"{header}info msg 3890: bytes 372 from <{sender}> qp 31835 uid 82")[1] == (
            SUBMISSION,
            Queued(AT, True, "", 0),
        )


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
TO = ("ann@shop.example",)


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


@pytest.mark.parametrize("route", ["host: {} protocol: smtp", "protocol: smtp host: {}"])
@pytest.mark.parametrize("header", ["Mar  5 12:00:00 mx1 nullmailer[7]: ", f"{TAI64N} "])
def test_nullmailer_tries_a_file_again_and_says_so_in_two_lines(header: str, route: str) -> None:
    starts = f"{header}Starting delivery: {route.format(SES)} file: 1795508082.23096"
    found = joined(
        starts, f"{header}From: <a@b> to: <ann@shop.example>",
        f"{header}smtp: Failed: 454 Throttling failure: Maximum sending rate exceeded.", f"{header}Sending failed: x",
        starts, f"{header}smtp: Succeeded: 250 Ok {ID}", f"{header}Sent file.",
        f"{header}Delivery complete, 0 message(s) remain.",
    )  # fmt: skip
    host = "mx1" if "mx1" in header else "-"
    name = f"Q:{host}/nullmailer:1795508082.23096".encode()
    assert [(each, type(fact)) for each, fact in found] == [
        (name, Deferred), (name, Accepted), (S, Accepted), (name, Closed),
    ]  # fmt: skip
    assert {fact.region for _, fact in found[:3]} == {"eu-west-1"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("relay", "end", "kinds"),
    [
        (SES, "Failed: Connect failed", [Deferred]),
        (SES, f"Failed: {REJECTED}", [Refused, Closed]),
        (SES, "Succeeded: 250 Ok", [Unconfirmed, Closed]),
        ("mx.mail.example", "Failed: 450 4.2.1 Mailbox busy", [Elsewhere]),
        ("mx.mail.example", "Succeeded: 250 2.0.0 Ok: queued as 4A1B2C3D4E", [Elsewhere, Closed]),
    ],
)
def test_nullmailer_names_its_smart_host(relay: str, end: str, kinds: list[type[Fact]]) -> None:
    header = "Mar  5 12:00:00 mx1 nullmailer-send[7]: "
    found = joined(f"{header}Starting delivery: host: {relay} protocol: smtp file: 1.2", f"{header}smtp: {end}")
    assert [(name, type(fact)) for name, fact in found] == [(b"Q:mx1/nullmailer:1.2", kind) for kind in kinds]
