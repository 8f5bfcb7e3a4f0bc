"""What qmail says of a delivery: in one line, and in two that are joined (`service.assembler`)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.facts import Accepted, Cause, Closed, Deferred, Elsewhere, Fact, Queued, Refused, Started
from tests.unit.small_mtas import AT, ID, ODD_ID, TAI64N, TO, S, facts_of, joined

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


def test_a_line_of_a_delivery_that_was_cut_in_two_is_still_of_it() -> None:
    header = "Mar  5 12:00:00 mx1 qmail: "
    lines = [f"{header}starting delivery 9: msg 3890 to remote ann@shop.example", f"{header}{SUCCESS}"]
    stamp = "2024-03-05T12:00:00.123456789Z stdout"
    cut = [piece for line in lines for piece in (f"{stamp} P {line[:70]}", f"{stamp} F {line[70:]}")]
    assert len(joined(*lines)) == 2
    assert joined(*cut) == joined(*lines)


DELIVERY = "delivery 9: msg 3890 to remote ann@shop.example: "
SUBMISSION = b"Q:mx1/qmail:3890"


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
