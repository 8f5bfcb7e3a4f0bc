"""What each line of Sendmail says about a mail, and what it must not be made to say."""

from __future__ import annotations

import pytest

from service.facts import (
    Accepted,
    Cause,
    Closed,
    Deferred,
    Elsewhere,
    Identified,
    LineFact,
    Queued,
    Refused,
    Started,
    Unconfirmed,
)
from service.parsing.sendmail import is_sendmail, parse_sendmail
from service.parsing.smtp import parse_smtp
from service.parsing.syslog import Line

# Positional booleans stand for `floating` throughout.

AT = 1_709_640_000_000
QID, QID2 = "425C0Clli021951", "425C0Cmli021971"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
SES = "email-smtp.eu-west-1.amazonaws.com. [192.0.2.10]"
MX = "mx.mail.example. [192.0.2.99]"
ANN = "ann@shop.example"


def parsed(message: str, relays: frozenset[str] = frozenset()) -> list[tuple[bytes, LineFact]] | None:
    return parse_sendmail(Line(AT, False, "Mx1", "sm-mta", message), relays)  # type: ignore[return-value]


def facts_of(rest: str, relays: frozenset[str] = frozenset()) -> list[LineFact]:
    found = parsed(f"{QID}: {rest}", relays)
    assert found is not None, "could not be read"
    return [fact for name, fact in found if name == f"Q:mx1/{QID}".encode()]


def delivery(relay: str, stat: str, to: str = f"<{ANN}>", dsn: str = "2.0.0", more: str = "") -> str:
    return f"to={to}, {more}delay=00:00:01, xdelay=00:00:00, mailer=relay, pri=30198, relay={relay}, dsn={dsn}, {stat}"


# -- in and done -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "application", "message_id", "sender", "count"),
    [
        ("from=<a@b.example>, size=198, class=0, nrcpts=3, msgid=<1@x>, proto=ESMTP, daemon=MTA, "
         "relay=app.shop.example [10.0.0.7]", "app.shop.example", "1@x", "a@b.example", 3),
        ("from=<a@b.example>, size=198, class=0, nrcpts=1, msgid=<1@x>, bodytype=8BITMIME, proto=ESMTPS, daemon=MSA, "
         "tls_verify=NONE, auth=PLAIN, relay=[10.0.0.7]", "10.0.0.7", "1@x", "a@b.example", 1),
        ("from=www, size=161, class=-60, nrcpts=1, msgid=<2@x>, relay=www@localhost", "www@localhost", "2@x", "www", 1),
        ("from=<>, size=161, class=0, nrcpts=1, proto=ESMTP, daemon=MTA, relay=localhost [127.0.0.1]",
         "localhost", "", "", 1),
        ("from=<a@b>, size=161, class=0, nrcpts=1, msgid=no-brackets, proto=SMTP, daemon=MTA, relay=x [10.0.0.1]",
         "x", "no-brackets", "a@b", 1),
        ('from=<"a, b"@c.example>, size=1, class=0, nrcpts=1, relay=x [10.0.0.1]', "x", "", '"a, b"@c.example', 1),
    ],
)  # fmt: skip
def test_arrival(line: str, application: str, message_id: str, sender: str, count: int) -> None:
    wanted: list[LineFact] = [Started(AT, False, application)]
    wanted += [Identified(AT, False, message_id)] if message_id else []
    assert facts_of(line) == [*wanted, Queued(AT, False, sender, count)]


def test_done() -> None:
    assert facts_of("done; delay=00:00:01, ntries=2") == [Closed(AT, False, "removed")]


def test_a_notice_has_no_sender_and_only_this_line_says_so() -> None:
    for kind in ("DSN", "return to sender", "sender notify", "postmaster notify"):
        assert parsed(f"{QID}: {QID2}: {kind}: Service unavailable") == [
            (f"Q:mx1/{QID2}".encode(), Queued(AT, False, "", 1))
        ]


def test_given_up() -> None:
    assert parsed(f"{QID}: {QID2}: DSN: Cannot send message for 5 days") == [
        (f"Q:mx1/{QID}".encode(), Refused(AT, False, (), Cause.OTHER_REFUSAL, "Cannot send message for 5 days")),
        (f"Q:mx1/{QID2}".encode(), Queued(AT, False, "", 1)),
    ]


@pytest.mark.parametrize(
    "rest",
    [
        "app.shop.example [10.0.0.7] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA",
        "from=<a@b>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA, relay=x [10.0.0.7]",
        "ruleset=check_rcpt, arg1=<c@d>, relay=x [10.0.0.7], reject=550 5.7.1 <c@d>... Relaying denied",
        "timeout waiting for input from email-smtp.eu-west-1.amazonaws.com. during client DATA status",
        "collect: premature EOM: Connection reset by x",
        "lost input channel from x [10.0.0.7] to MTA after data",
        "SYSERR(root): buildaddr: unknown mailer x",
        "AUTH=client, relay=email-smtp.eu-west-1.amazonaws.com., mech=PLAIN, bits=256",
        f"--- 250 2.0.0 Ok {ID}",
        f"<-- DATA stat=Sent (Ok {ID})",
        f"Milter change: header Subject: to=<{ANN}>, delay=00:00:01, stat=Sent (Ok {ID})",
        delivery(SES, "stat=queued"),
    ],
)
def test_lines_that_say_nothing_of_a_mail(rest: str) -> None:
    assert facts_of(rest) == []


@pytest.mark.parametrize(
    "message", ["NOQUEUE: connect from x [10.0.0.7]", "STARTTLS=client, relay=x", "", ": to=<a@b>"]
)
def test_lines_of_no_mail(message: str) -> None:
    assert parsed(message) == []


@pytest.mark.parametrize(
    ("program", "is_one"),
    [
        ("sendmail", True),
        ("sm-mta", True),
        ("sm-msp-queue", True),
        ("sm-client", True),
        ("sendmail-in", True),
        ("sendmail.mc", False),
        ("smtpd", False),
        ("", False),
    ],
)
def test_tags(program: str, is_one: bool) -> None:  # noqa: FBT001
    assert is_sendmail(program) is is_one


@pytest.mark.parametrize("queue_id", [QID, "6AO8Cllj021951", "t2N4h88k026236", "e6EBXrO12616", "SAA15929"])
def test_queue_ids(queue_id: str) -> None:
    line = f"Mar  5 12:00:00 mx1 sendmail[17]: {queue_id}: done; delay=00:00:01, ntries=1"
    found, trouble = parse_smtp(line.encode(), AT)
    assert (found.facts, trouble) == ([(f"Q:mx1/{queue_id}".encode(), Closed(AT, True, "removed"))], None)


# -- out -------------------------------------------------------------------------------------------------------------


def accepted(*to: str, ses_id: str = ID, region: str = "eu-west-1") -> Accepted:
    return Accepted(AT, False, to or (ANN,), ses_id, f"mx1/{QID}", region)


@pytest.mark.parametrize(
    ("to", "recipients"),
    [
        (f"<{ANN}>", (ANN,)),
        (ANN, (ANN,)),
        ("<Ann@Shop.EXAMPLE>,<bob@x.example>", ("Ann@shop.example", "bob@x.example")),
        ('<"odd, (one) : here"@x.example>,<bob@x.example>', ('"odd, (one) : here"@x.example', "bob@x.example")),
        (f'<"a\\"b, stat=x"@x.example>,{ANN}', ('"a\\"b, stat=x"@x.example', ANN)),
    ],
)
@pytest.mark.parametrize("more", ["", "ctladdr=<www@shop.example> (33/33), ", 'ctladdr="|x, y" (0/0), '])
def test_accepted_by_ses(to: str, recipients: tuple[str, ...], more: str) -> None:
    fact = accepted(*recipients)
    assert parsed(f"{QID}: {delivery(SES, f'stat=Sent (Ok {ID})', to, more=more)}") == [
        (f"Q:mx1/{QID}".encode(), fact),
        (b"S:" + ID.encode(), fact),
    ]


@pytest.mark.parametrize(
    ("relay", "text", "fact"),
    [
        (SES, f"Ok {ODD_ID}", accepted(ses_id=ODD_ID)),
        ("email-smtp.eu-west-1.amazonaws.com.", f"Ok {ID}", accepted()),
        ("[127.0.0.1] [127.0.0.1]", f"Ok {ID}", accepted(region="")),
        ("out.shop.example. [10.0.0.4]", "Ok", Unconfirmed(AT, False, (ANN,), "Ok")),
        (SES, "Ok", Unconfirmed(AT, False, (ANN,), "Ok")),
        (MX, f"Ok {ID}", accepted(region="")),
        (MX, f"Ok {ODD_ID}", Elsewhere(AT, False, (ANN,), "mx.mail.example")),
        (MX, "OK id=1YXWmo-0002Bt-9G", Elsewhere(AT, False, (ANN,), "mx.mail.example", "1YXWmo-0002Bt-9G")),
        (
            "[127.0.0.1] [127.0.0.1]",
            f"{QID2} Message accepted for delivery",
            Elsewhere(AT, False, (ANN,), "127.0.0.1", QID2),
        ),
    ],
)
def test_sent(relay: str, text: str, fact: LineFact) -> None:
    relays = frozenset({"out.shop.example"})
    assert facts_of(delivery(relay, f"stat=Sent ({text})"), relays) == [fact]


def test_old_forms() -> None:
    stat = f"stat=Sent (Ok {ID})"
    for line in (
        f"to=<{ANN}>, ctladdr=<a@b> (1/2), delay=00:00:10, xdelay=00:00:09, mailer=esmtp, relay={SES}, {stat}",
        f"to=<{ANN}>, delay=1+14:41:13, xdelay=00:00:55, mailer=esmtp, pri=3001977, relay={SES}, {stat}",
    ):
        assert facts_of(line) == [accepted()]


@pytest.mark.parametrize(
    ("line", "relay"),
    [
        ("to=root, ctladdr=root (0/0), delay=00:00:00, xdelay=00:00:00, mailer=local, pri=3, dsn=2.0.0, stat=Sent",
         "local"),
        ('to="|/usr/bin/x", delay=00:00:00, xdelay=00:00:00, mailer=prog, pri=3, dsn=2.0.0, stat=Sent', "prog"),
        ("to=/dev/null, delay=00:00:00, xdelay=00:00:00, mailer=*file*, pri=3, dsn=2.0.0, stat=Sent", "*file*"),
        ("to=root, delay=00:00:00, mailer=local, pri=3, stat=queued", "local"),
        ("to=root, delay=00:00:00, mailer=own, pri=3, stat=Sent", "own"),
        (delivery(MX, "reply=550 5.1.1 No such user, stat=User unknown", dsn="5.1.1"), "mx.mail.example"),
        (delivery(MX, "stat=Deferred: Connection refused by mx.mail.example.", dsn="4.4.1"), "mx.mail.example"),
        (delivery("mx.mail.example.", "stat=Deferred: Connection refused", dsn="4.4.1"), "mx.mail.example"),
    ],
)  # fmt: skip
def test_what_never_was_for_ses(line: str, relay: str) -> None:
    assert [(type(fact), getattr(fact, "relay", "")) for fact in facts_of(line)] == [(Elsewhere, relay)]


UNVERIFIED = (
    "554 Message rejected: Email address is not verified. The following identities failed the check in region "
    "EU-WEST-1: a@b.example, c@d.example"
)


@pytest.mark.parametrize(
    ("tail", "dsn", "kind", "cause", "text"),
    [
        (f"reply={UNVERIFIED}, stat=Service unavailable", "5.0.0", Refused, Cause.UNVERIFIED_IDENTITY, UNVERIFIED),
        ("reply=501 Invalid RCPT TO address provided, stat=Service unavailable", "5.5.4", Refused, Cause.BAD_ADDRESS,
         "501 Invalid RCPT TO address provided"),
        ("reply=454 Throttling failure: Daily message quota exceeded., stat=Deferred: 454 Throttling failure: Daily "
         "message quota exceeded.", "4.0.0", Deferred, Cause.QUOTA_EXCEEDED,
         "454 Throttling failure: Daily message quota exceeded."),
        ("stat=Deferred: 454 Throttling failure: Maximum sending rate exceeded.", "4.0.0", Deferred,
         Cause.RATE_EXCEEDED, "454 Throttling failure: Maximum sending rate exceeded."),
        ("stat=Deferred: Connection refused by email-smtp.eu-west-1.amazonaws.com.", "4.4.1", Deferred,
         Cause.UNREACHABLE, "Connection refused by email-smtp.eu-west-1.amazonaws.com."),
        ("stat=Deferred: Name server: email-smtp.eu-west-1.amazonaws.com.: host name lookup failure", "4.4.3", Deferred,
         Cause.UNREACHABLE, "Name server: email-smtp.eu-west-1.amazonaws.com.: host name lookup failure"),
        ("stat=Deferred", "4.4.2", Deferred, Cause.AMBIGUOUS, "Deferred"),
        ("stat=Deferred: Connection timed out with email-smtp.eu-west-1.amazonaws.com.", "4.4.2", Deferred,
         Cause.AMBIGUOUS, "Connection timed out with email-smtp.eu-west-1.amazonaws.com."),
        ("stat=Service unavailable", "5.0.0", Refused, Cause.OTHER_REFUSAL, "Service unavailable"),
        ("stat=User unknown", "5.1.1", Refused, Cause.BAD_ADDRESS, "User unknown"),
        ("stat=Data format error", "5.6.0", Refused, Cause.BAD_ADDRESS, "Data format error"),
        ("stat=Host unknown (Name server: x: host not found)", "5.1.2", Refused, Cause.UNREACHABLE,
         "Host unknown (Name server: x: host not found)"),
        ("stat=I/O error", "4.0.0", Deferred, Cause.OTHER_REFUSAL, "I/O error"),
    ],
)  # fmt: skip
def test_what_did_not_reach_ses_says_why(
    tail: str, dsn: str, kind: type[Deferred | Refused], cause: Cause, text: str
) -> None:
    assert facts_of(delivery(SES, tail, dsn=dsn)) == [kind(AT, False, (ANN,), cause, text, "eu-west-1")]


def test_a_mail_that_was_put_off_with_another_one_was_not_tried() -> None:
    text = "Connection reset by email-smtp.eu-west-1.amazonaws.com."
    line = delivery("email-smtp.eu-west-1.amazonaws.com.", f"stat=Deferred: {text}", dsn="4.4.2")
    assert facts_of(line) == [Deferred(AT, False, (ANN,), Cause.UNREACHABLE, text, "eu-west-1")]


# -- damage and forgery ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rest",
    [
        f"to=<{ANN}>, delay=00:00:01, xdelay=00:00:00, mailer=relay",
        f"to=<{ANN}>, stat=Sent (Ok {ID})",
        f"to=, delay=00:00:01, stat=Sent (Ok {ID})",
        "from=<a@b>, size=1",
    ],
)
def test_a_line_that_cannot_be_read_is_not_passed_over(rest: str) -> None:
    assert parsed(f"{QID}: {rest}") is None


def test_a_line_that_was_cut_off_says_what_it_still_says() -> None:
    whole = delivery(SES, f"stat=Sent (Ok {ID})")
    assert facts_of(whole[:-1]) == [accepted()]
    assert facts_of(whole[:-2]) == [Unconfirmed(AT, False, (ANN,), f"Ok {ID[:-1]}")]
    odd = delivery(SES, f"stat=Sent (Ok {ODD_ID})")[:-1]
    assert facts_of(odd) == [Unconfirmed(AT, False, (ANN,), f"Ok {ODD_ID}")]


def test_an_address_or_a_reply_cannot_pass_itself_off_as_the_rest_of_the_line() -> None:
    forged = f"x, delay=00:00:01, relay={SES}, dsn=2.0.0, stat=Sent (Ok {ID})"
    for line in (
        delivery(MX, "reply=550 No, stat=User unknown", f'<"{forged}"@evil.example>', "5.1.1"),
        delivery(MX, f"reply=550 {forged}, stat=User unknown", dsn="5.1.1"),
    ):
        assert parsed(f"{QID}: {line}") is None
    line = delivery(MX, f"reply=550 stat=Sent (Ok {ID}), stat=User unknown", dsn="5.1.1")
    assert facts_of(line) == [Elsewhere(AT, False, (ANN,), "mx.mail.example")]


@pytest.mark.parametrize(
    "nasty",
    [
        "to=" + ", delay=00:00:01" * 16_000,
        "to=" + ", delay=00:00:01, stat=" * 11_000,
        "to=" + "<a@b>," * 40_000 + ", delay=00:00:01, stat=queued",
        'to=<"' + "\\" * 250_000,
        "to=" + '"' * 250_000 + ", delay=00:00:01, stat=queued",
        "to=<a@b>, ctladdr=" + "x" * 250_000 + ", delay=00:00:01, stat=queued",
        "to=<a@b>" + ", ctladdr=" * 25_000 + ", delay=00:00:01, stat=queued",
        "from=" + ", size=1, class=0" * 14_000,
        "from=<a>, size=1, class=0, nrcpts=1, msgid=" + "<" * 250_000,
        "from=<a>, size=1, class=0, nrcpts=1" + ", relay=" * 30_000,
        "x: " * 80_000,
    ],
)
def test_hostile_lines_are_read_in_one_pass(nasty: str) -> None:
    parsed(f"{QID}: {nasty}")


@pytest.mark.parametrize(
    ("mailer", "stat", "kind"),
    [
        ("relay", f"Sent (Ok {ID})", Accepted),
        ("esmtp", f"Sent (Ok {ID})", Elsewhere),
        ("relay", "Deferred: 454 Throttling failure: Maximum sending rate exceeded.", Deferred),
        ("esmtp", "Deferred: 454 Throttling failure: Maximum sending rate exceeded.", Elsewhere),
        ("relay", "Deferred: 451 4.7.1 Greylisted", Elsewhere),
    ],
)
def test_the_smart_host_may_be_ses_under_another_name(mailer: str, stat: str, kind: type) -> None:
    """An alias of the endpoint; the mailer `esmtp` goes where the recipient's DNS leads, and proves nothing."""
    text = (
        f"42ABx01p012345: to=<ann@shop.example>, delay=00:00:02, xdelay=00:00:02, mailer={mailer}, pri=120300, "
        f"relay=smtp.corp.example. [192.0.2.10], dsn=2.0.0, stat={stat}"
    )
    facts = parse_sendmail(Line(AT, False, "mx1", "sm-mta", text), frozenset())
    assert facts is not None
    assert isinstance(facts[0][1], kind)


@pytest.mark.parametrize("more", ["tls_verify=OK, pri=120300", "pri=120300, ntries=2", "verify=NOT, tls=x, pri=1"])
def test_fields_that_a_version_adds(more: str) -> None:
    text = (
        f"42ABx01p012345: to=<ann@shop.example>,<bob@shop.example>..., delay=00:00:02, xdelay=00:00:02, mailer=relay, "
        f"{more}, relay=email-smtp.eu-west-1.amazonaws.com. [192.0.2.10], dsn=2.0.0, stat=Sent (Ok {ID})"
    )
    facts = parse_sendmail(Line(AT, False, "mx1", "sm-mta", text), frozenset())
    assert facts is not None
    assert isinstance(facts[0][1], Accepted)
    assert facts[0][1].recipients == ("ann@shop.example", "bob@shop.example")


def test_an_authentication_that_failed_for_now() -> None:
    text = (
        "42ABx01p012345: to=<ann@shop.example>, delay=00:00:02, xdelay=00:00:02, mailer=relay, pri=120300, "
        "relay=email-smtp.eu-west-1.amazonaws.com., dsn=4.7.1, stat=Deferred: Temporary AUTH failure"
    )
    facts = parse_sendmail(Line(AT, False, "mx1", "sm-mta", text), frozenset())
    assert facts is not None
    assert isinstance(facts[0][1], Deferred)
    assert facts[0][1].cause is Cause.AUTH_FAILED
