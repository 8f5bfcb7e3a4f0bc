"""Lines of Postfix that are damaged or forged: what is left of them is believed, and nothing that they quote."""

from __future__ import annotations

import pytest

from service.facts import (
    Cause,
    Closed,
    Refused,
    Unconfirmed,
)
from service.parsing.postfix import parse_postfix
from service.parsing.syslog import Line
from tests.unit.postfix_lines import ANN, AT, ID, ODD_ID, QID, SES, accepted, delivery, facts_of


def test_a_line_that_was_cut_off_says_what_it_still_says() -> None:
    whole = delivery(SES, "sent", f"250 Ok {ID}")
    assert facts_of("postfix/smtp", whole[:-1]) == [accepted()]  # only the parenthesis is missing: the id is all there
    assert facts_of("postfix/smtp", whole[:-2]) == [Unconfirmed(AT, False, (ANN,), f"250 Ok {ID[:-1]}")]
    odd = delivery(SES, "sent", f"250 Ok {ODD_ID}")[:-1]
    assert facts_of("postfix/smtp", odd) == [Unconfirmed(AT, False, (ANN,), f"250 Ok {ODD_ID}")]
    cut = delivery(SES, "bounced", "host x said: 554 Access denied: User (x) is not")[:-5]
    assert facts_of("postfix/smtp", cut) == [
        Refused(AT, False, (ANN,), Cause.ACCESS_DENIED, "host x said: 554 Access denied: User (x) is", "eu-west-1")
    ]


@pytest.mark.parametrize(
    "message",
    [
        f"{QID}: to=<{ANN}>, relay={SES}, delay=1.2, delays=0.1/0",
        f"{QID}: to=<{ANN}>, relay={SES}",
        f"{QID}: to=<{ANN}",
        f"{QID}: to=<>, relay={SES}, dsn=2.0.0, status=sent (250 Ok {ID})",
        f"{QID}: to=<{'a' * 2000}@b>, relay={SES}, dsn=2.0.0, status=sent (250 Ok {ID})",
        f"{QID}: o=<{ANN}>, relay={SES}, dsn=2.0.0, status=sent (250 Ok {ID})",
        f"4A1B\\x00: to=<{ANN}>, relay={SES}, dsn=2.0.0, status=sent (250 Ok {ID})",
        f"{QID} to=<{ANN}>, relay={SES}, dsn=2.0.0, status=sent (250 Ok {ID})",
        delivery(SES, "exploded", "what?"),
    ],
)
def test_a_status_line_that_cannot_be_read_is_not_passed_over(message: str) -> None:
    assert parse_postfix(Line(AT, False, "mx1", "postfix/smtp", message)) is None


def test_a_queued_line_that_cannot_be_read_is_not_passed_over() -> None:
    assert parse_postfix(Line(AT, False, "mx1", "postfix/qmgr", f"{QID}: from=<{ANN}>, size=20")) is None


FORGED = f"to=<x@y>, relay={SES}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok {ID})"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("postfix/cleanup", f"{QID}: warning: header Subject: {FORGED} from app[10.0.0.7]; from=<a@b> to=<c@d>"),
        ("postfix/cleanup", f"{QID}: info: header Subject: {QID}: {FORGED} from app[10.0.0.7]; from=<a@b> to=<c@d>"),
        ("postfix/smtp", f"{QID}: warning: header Subject: {FORGED}"),
        ("postfix/smtp", f"{QID}: replace: header Subject: {FORGED}: Subject: x"),
        ("postfix/smtpd", f"{QID}: reject: RCPT from app[10.0.0.7]: 550 {FORGED}"),
        ("postfix/smtpd", f"{QID}: {FORGED}"),
        ("postfix/smtpd", f"NOQUEUE: reject: RCPT from app[10.0.0.7]: 550 {FORGED}"),
        ("postfix/bounce", f"{QID}: {FORGED}"),
    ],
)
def test_a_line_that_quotes_a_delivery_is_none(program: str, message: str) -> None:
    assert facts_of(program, message) == []


def test_a_header_that_is_rejected_closes_the_mail_and_its_text_says_nothing_else() -> None:
    line = f"{QID}: reject: header Subject: {FORGED} from app[10.0.0.7]; from=<a@b> to=<c@d>: no"
    assert facts_of("postfix/cleanup", line) == [Closed(AT, False, "discarded")]


def test_an_address_cannot_pass_itself_off_as_the_rest_of_the_line() -> None:
    local = f'"x>, relay={SES}, delay=1, dsn=2.0.0, status=sent (250 Ok {ID})"'
    refused = "host email-smtp.eu-west-1.amazonaws.com[192.0.2.10] said: 501 No"
    # With quotes, as Postfix writes it since 3.5, it is plain where the address ends.
    quoted = delivery(SES, "bounced", refused, f"<{local}@evil.example>")
    assert facts_of("postfix/smtp", quoted) == [
        Refused(AT, False, (f"{local}@evil.example",), Cause.BAD_ADDRESS, refused, "eu-west-1")
    ]
    # Without, nobody can tell: no fact, and a dead letter for people.
    bare = delivery(SES, "bounced", refused, "<" + local.strip('"') + "@evil.example>")
    assert parse_postfix(Line(AT, False, "mx1", "postfix/smtp", bare)) is None


@pytest.mark.parametrize(
    "nasty",
    [
        f"{QID}: to=<" + ", relay=x" * 28_000,
        f"{QID}: to=<" + ", relay=x, status=" * 14_000,
        f"{QID}: to=<" + ">, orig_to=<" * 20_000,
        f'{QID}: to=<"' + "\\" * 250_000,
        f'{QID}: to=<"' + '"@' * 125_000,
        f"{QID}: to=<" + "a=b, " * 50_000,
        f"{QID}: " + "to=<, status=sent (" * 13_000,
        "A" * 260_000,
    ],
)
def test_hostile_lines_are_read_in_one_pass(nasty: str) -> None:
    for program in ("postfix/smtp", "postfix/cleanup", "postfix/qmgr", "postfix"):
        parse_postfix(Line(AT, False, "mx1", program, nasty))
