"""Nullmailer: what it says of a delivery in two lines, and since version 2 in four (`service.assembler` joins them)."""

from __future__ import annotations

import orjson
import pytest

from service.facts import (
    Accepted,
    Cause,
    Closed,
    Deferred,
    Elsewhere,
    Fact,
    Identified,
    Queued,
    Refused,
    Unconfirmed,
)
from tests.unit.small_mtas import AT, ID, SES, TAI64N, S, joined

REJECTED = "554 Message rejected: Email address is not verified."
SYSLOG = "Mar  5 12:00:00 mx1 nullmailer[7]: "
NAME = b"Q:mx1/nullmailer:1795508082.23096"
STARTS = f"Starting delivery: host: {SES} protocol: smtp file: 1795508082.23096"


def four(header: str, end: str, to: str = "<ann@shop.example>, <bob@shop.example>") -> list[str]:
    """The lines of one attempt of version 2."""
    envelope, identified = f"From: <app@shop.example> to: {to}", "Message-Id: <1795508082.9.nullmailer@mx1>"
    return [f"{header}{text}" for text in (STARTS, envelope, identified, f"smtp: {end}", "Sent file.")]


@pytest.mark.parametrize(
    ("header", "host"),
    [
        (SYSLOG, "mx1"),
        ("<22>1 2024-03-05T12:00:00Z mx1 nullmailer-send 7 - - ", "mx1"),
        (f"{TAI64N} ", "-"),
        ("", "-"),
        ("2024-03-05T12:00:00.123Z stdout F Mar  5 12:00:00 mx1 nullmailer[7]: ", "mx1"),
    ],
)
@pytest.mark.parametrize("to", ["<ann@shop.example>, <bob@shop.example>", "<ann@shop.example> <bob@shop.example>"])
def test_the_envelope_and_the_message_id_have_lines_of_their_own(header: str, host: str, to: str) -> None:
    found = joined(*four(header, f"Succeeded: 250 Ok {ID}", to))
    name = f"Q:{host}/nullmailer:1795508082.23096".encode()
    assert [each for each, _ in found] == [name, name, name, S, name]
    queued, identified, accepted, again, closed = (fact for _, fact in found)
    assert isinstance(queued, Queued)
    assert (queued.sender, queued.recipient_count) == ("app@shop.example", 2)
    assert isinstance(identified, Identified)
    assert identified.message_id == "1795508082.9.nullmailer@mx1"
    assert isinstance(accepted, Accepted)
    assert accepted == again
    assert accepted.recipients == ("ann@shop.example", "bob@shop.example")
    assert isinstance(closed, Closed)


def test_who_was_refused_is_known() -> None:
    found = joined(*four(SYSLOG, f"Failed: {REJECTED}", "<ann@shop.example>"))
    (refused,) = (fact for _, fact in found if isinstance(fact, Refused))
    assert (refused.recipients, refused.cause) == (("ann@shop.example",), Cause.UNVERIFIED_IDENTITY)


def test_the_notice_that_a_mail_failed_has_no_sender() -> None:
    found = joined(SYSLOG + STARTS, f"{SYSLOG}From: <> to: <app@shop.example>", f"{SYSLOG}smtp: Failed: {REJECTED}")
    assert found[0] == (NAME, Queued(AT, True, "", 1))


@pytest.mark.parametrize(
    "odd",
    [
        "From: <a b@shop.example> to: <ann@shop.example>",
        "From: <a@b> to: <x@y> smtp: Succeeded: 250 Ok",
        "From: <a@b> to: ",
        "Message-Id: no id at all",
        f"From: <a@b> to: <smtp: Succeeded: 250 Ok {ID}>",
    ],
)
def test_an_address_cannot_end_a_delivery(odd: str) -> None:
    found = joined(SYSLOG + STARTS, SYSLOG + odd, f"{SYSLOG}smtp: Failed: 454 Throttling failure: x")
    assert [(name, type(fact)) for name, fact in found] == [(NAME, Deferred)]


def test_the_lines_of_another_host_and_of_other_programs_are_woven_in() -> None:
    other = [line.replace("mx1 nullmailer", "mx2 nullmailer") for line in four(SYSLOG, f"Failed: {REJECTED}", "<c@d>")]
    noise = "Mar  5 12:00:00 mx1 cron[9]: From: <a@b> to: <c@d>"
    lines = [
        each for pair in zip(four(SYSLOG, f"Succeeded: 250 Ok {ID}"), other, strict=True) for each in (*pair, noise)
    ]
    found = joined(*lines)
    taken = [fact.recipients for _, fact in found if isinstance(fact, Accepted)]
    failed = [fact.recipients for _, fact in found if isinstance(fact, Refused)]
    assert (set(taken), failed) == ({("ann@shop.example", "bob@shop.example")}, [("c@d",)])


STAMP = "2024-03-05T12:00:00.123456789Z"


def test_every_line_of_a_delivery_may_be_cut_in_two() -> None:
    """A container's runtime cuts a line wherever it wants to, and a shipper makes two records of it."""
    whole = four(SYSLOG, f"Succeeded: 250 Ok {ID}")
    cut = [
        piece
        for line in whole
        for piece in (f"{STAMP} stdout P {line[:40]}", f"{STAMP} stdout F {line[40:]}")
    ]  # fmt: skip
    assert joined(*cut) == joined(*whole)


def test_a_delivery_in_cut_documents() -> None:
    whole = four(SYSLOG, f"Succeeded: 250 Ok {ID}")
    cut = [
        orjson.dumps({"log": text, "logtag": tag, "pod": "mx"}).decode()
        for line in whole
        for text, tag in ((line[:50], "P"), (line[50:], "F"))
    ]
    assert [fact for _, fact in joined(*cut)] == [fact for _, fact in joined(*whole)]


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
        (name, Queued), (name, Deferred), (name, Accepted), (S, Accepted), (name, Closed),
    ]  # fmt: skip
    assert {fact.region for _, fact in found[1:4]} == {"eu-west-1"}  # type: ignore[attr-defined]


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
