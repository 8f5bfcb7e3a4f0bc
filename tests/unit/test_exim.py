"""What each line of Exim's main log says about a mail, and what it must not be made to say."""

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
from service.parsing.exim import is_exim, parse_exim
from service.parsing.smtp import SmtpContext, parse_smtp
from service.parsing.syslog import Line

# Positional booleans stand for `floating` throughout.

AT = 1_709_640_000_000
OLD, NEW = "1rhYzK-0002zm-2A", "1rhYzK-00000000bDE-2A7x"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
SES = "H=email-smtp.eu-west-1.amazonaws.com [192.0.2.10]"
MX = "H=mx.mail.example [192.0.2.99]"
SENT = f'R=smarthost T=remote_smtp_smarthost {SES} X=TLS1.3:ECDHE:256 CV=yes A=plain C="250 Ok {ID}"'
ANN = "ann@shop.example"


def facts_of(text: str, relays: frozenset[str] = frozenset()) -> list[LineFact]:
    found = parse_exim(Line(AT, False, "Mx1", "exim", f"{OLD} {text}"), relays)
    assert found is not None, "could not be read"
    return [fact for name, fact in found if name == f"Q:mx1/{OLD}".encode()]  # type: ignore[misc]


def accepted(*to: str, ses_id: str = ID, region: str = "eu-west-1") -> Accepted:
    return Accepted(AT, False, to or (ANN,), ses_id, f"mx1/{OLD}", region)


# -- in and done -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "application", "message_id", "sender", "count"),
    [
        ('<= a@b.example H=app.shop.example [10.0.0.7] P=esmtp S=384 id=1.2@shop.example T="Hi" for c@d.example',
         "app.shop.example", "1.2@shop.example", "a@b.example", 1),
        ("<= a@B.example H=(app) [10.0.0.7]:50123 I=[10.0.0.1]:25 P=esmtpsa X=TLS1.3:x:256 CV=no A=plain:app S=1 id=x",
         "10.0.0.7", "x", "a@b.example", 0),
        ("<= a@b.example H=app.shop.example (helo) [10.0.0.7] P=esmtp S=384 M8S=0 RT=0.1s id=1@x",
         "app.shop.example", "1@x", "a@b.example", 0),
        ("<= www-data@b.example U=www-data P=local S=384", "www-data", "", "www-data@b.example", 0),
        ('<= <> R=1rhYzK-0002zm-2B U=Debian-exim P=local S=20 T="Mail delivery failed" for a@b.example',
         "Debian-exim", "", "", 1),
        ('(= a@b.example H=x [10.0.0.7] P=esmtp S=3 id=1@x T="say \\"for\\" it" for c@d.example e@f.example',
         "x", "1@x", "a@b.example", 2),
        ('<= "a b"@c.example H=x [10.0.0.7] P=esmtp S=3', "x", "", '"a b"@c.example', 0),
        ("<= a@b.example H=x [10.0.0.7] P=esmtp S=3 K id=1@x", "x", "1@x", "a@b.example", 0),
    ],
)  # fmt: skip
def test_arrival(line: str, application: str, message_id: str, sender: str, count: int) -> None:
    wanted: list[LineFact] = [Started(AT, False, application)]
    wanted += [Identified(AT, False, message_id)] if message_id else []
    assert facts_of(line) == [*wanted, Queued(AT, False, sender, count)]


def test_an_arrival_is_not_later_than_a_cut_through_delivery_that_was_logged_before_it() -> None:
    for millisecond, flag in ((345, ">> c@d.example " + SENT), (347, "<= a@b.example U=x P=local S=1")):
        found = parse_exim(Line(AT + millisecond, False, "mx1", "exim", f"{OLD} {flag}"), frozenset())
        assert found
        assert found[0][1].at == AT + (345 if millisecond == 345 else 0)


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("Completed", "removed"),
        ("Completed QT=3s", "removed"),
        ("removed by root", "deleted"),
        ("=> blackhole (DATA ACL discarded recipients): spam", "discarded"),
    ],
)
def test_done(line: str, how: str) -> None:
    assert facts_of(line) == [Closed(AT, False, how)]


# -- whose line it is ------------------------------------------------------------------------------------------------

STAMPS = ["2024-03-05 12:00:00", "2024-03-05 12:00:00.000", "2024-03-05 12:00:00 +0000", "2024-03-05 12:00:00 [17]"]


@pytest.mark.parametrize("stamp", [*STAMPS, "2024-03-05 12:00:00.000 +0000 [17]"])
@pytest.mark.parametrize("queue_id", [OLD, NEW])
def test_the_main_log_itself_and_through_syslog(stamp: str, queue_id: str) -> None:
    floating = "+0000" not in stamp
    line = f"{stamp} {queue_id} Completed"
    parsed, trouble = parse_smtp(line.encode(), AT)
    assert (parsed.facts, trouble) == ([(f"Q:-/{queue_id}".encode(), Closed(AT, floating, "removed"))], None)
    for header in ("<22>Mar  5 12:00:00 mx1 exim[17]: ", "2024-03-05T12:00:00 mx1 exim4[17]: "):
        for part in ("", "[1/2] ", "[1\\2] "):
            parsed, trouble = parse_smtp(f"{header}{part}{line}".encode(), AT)
            assert (parsed.facts, trouble) == ([(f"Q:mx1/{queue_id}".encode(), Closed(AT, True, "removed"))], None)
    parsed, _ = parse_smtp(f"<22>Mar  5 12:00:00 mx1 exim[17]: {queue_id} Completed".encode(), AT)
    assert [name for name, _ in parsed.facts] == [f"Q:mx1/{queue_id}".encode()]


def test_an_envelope_says_on_which_host_the_main_log_lies() -> None:
    for record in (
        f'{{"message": "2024-03-05 12:00:00 {OLD} Completed", "host": {{"name": "MX7"}}, "log": {{"offset": 1}}}}',
        f'{{"message": "2024-03-05 12:00:00 {OLD} Completed", "host": "mx7", "appname": "exim"}}',
    ):
        parsed, _ = parse_smtp(record.encode(), AT)
        assert parsed.facts == [(f"Q:mx7/{OLD}".encode(), Closed(AT, True, "removed"))]


def test_an_application_that_prints_such_a_line_is_no_mail_server() -> None:
    for record in (
        f'{{"message": "2024-03-05 12:00:00 {OLD} => {ANN} {SENT.replace(chr(34), "")}", "appname": "shop"}}',
        f"Mar  5 12:00:00 web shop[1]: 2024-03-05 12:00:00 {OLD} => {ANN} {SENT}",
        f"Mar  5 12:00:00 mx1 exim[17]: [2/2] {OLD} => {ANN} {SENT}",
    ):
        parsed, trouble = parse_smtp(record.encode(), AT)
        assert (parsed.facts, trouble) == ([], None)


@pytest.mark.parametrize(
    ("program", "is_one"),
    [("exim", True), ("exim4", True), ("exim-out", True), ("eximstats", False), ("exilog", False), ("", False)],
)
def test_tags(program: str, is_one: bool) -> None:  # noqa: FBT001
    assert is_exim(program) is is_one


@pytest.mark.parametrize(
    "line",
    [
        "Frozen",
        "Message is frozen",
        "Frozen (delivery error message)",
        "Unfrozen by errmsg timer",
        "no immediate delivery: more than 10 messages received in one connection",
        "Spool file is locked (another process is handling this message)",
        f"{SES}: SMTP error from remote mail server after end of data: 454 Throttling failure",
        "remote host address is the local host: shop.example",
        "DKIM: d=shop.example s=x c=relaxed/relaxed a=rsa-sha256 [verification succeeded]",
        f'H=evil.example [192.0.2.66] F=<x@evil.example> rejected after DATA: C="250 Ok {ID}"',
        "cancelled by root",
        "removed",
        f"== {ANN} R=smarthost T=remote_smtp defer (-53): retry time not reached for any host",
        f"== {ANN} routing defer (-51): retry time not reached",
        f"== {ANN} R=smarthost T=remote_smtp defer (-1): domain matches queue_smtp_domains, or -odqs set",
        f"SMTP<< 250 Ok {ID}",
    ],
)
def test_lines_that_say_nothing_of_a_mail(line: str) -> None:
    assert facts_of(line) == []


# -- out -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["=>", "->", ">>"])
@pytest.mark.parametrize(
    ("written", "recipient"),
    [
        (ANN, ANN),
        ("ann@Shop.EXAMPLE", ANN),
        ("ann@shop.example <sales@shop.example>", ANN),
        ('odd, (one) : here@shop.example <"odd, (one) : here"@shop.example>', '"odd, (one) : here"@shop.example'),
        ("ann@shop.example F=<a@b.example>", ANN),
        ("ann@shop.example F=<> P=<>", ANN),
        ("ann@shop.example <sales@shop.example> F=<a@b> P=<prvs=x=a@b>", ANN),
        ("ann@shop.example Q=night", ANN),
    ],
)
def test_accepted_by_ses(flag: str, written: str, recipient: str) -> None:
    found = parse_exim(Line(AT, False, "mx1", "exim", f"{OLD} {flag} {written} {SENT}"), frozenset())
    fact = accepted(recipient)
    assert found == [(f"Q:mx1/{OLD}".encode(), fact), (b"S:" + ID.encode(), fact)]


@pytest.mark.parametrize(
    ("tail", "fact"),
    [
        (f'R=r T=t S=1200 {SES}:587 C="250 Ok {ID}" QT=2s DT=1s', accepted()),
        (f'R=r T=t {SES}* C="250 Ok {ODD_ID}"', accepted(ses_id=ODD_ID)),
        (f'R=r T=t H=localhost [127.0.0.1]:10025 C="250 Ok {ID}"', accepted(region="")),
        (f'R=r T=t {MX} C="250 Ok {ID}"', Elsewhere(AT, False, (ANN,), "mx.mail.example")),
        (f'R=r T=t {MX}:587 C="250 Ok {ID}"', accepted(region="")),
        (f'R=smarthost T=remote_smtp_smarthost {MX} C="250 Ok {ID}"', accepted(region="")),
        (f'R=send_via_ses T=ses_smtp {MX} C="250 Ok {ID}"', accepted(region="")),
        (
            f'R=smarthost T=remote_smtp_smarthost {MX} C="250 Ok {ODD_ID}"',
            Elsewhere(AT, False, (ANN,), "mx.mail.example"),
        ),
        (f'R=r T=t {MX} C="250 Ok {ODD_ID}"', Elsewhere(AT, False, (ANN,), "mx.mail.example")),
        (f'R=r T=t {MX} C="250 OK id=1YXWmo-0002Bt-9G"', Elsewhere(AT, False, (ANN,), "mx.mail.example")),
        (f'R=r T=t {SES} C="250 Ok"', Unconfirmed(AT, False, (ANN,), "250 Ok")),
        (f'R=r T=t {SES} C="250 Ok {ID[:-2]}', Unconfirmed(AT, False, (ANN,), f"250 Ok {ID[:-2]}")),
        (f"R=r T=t {SES}", Unconfirmed(AT, False, (ANN,), "")),
        (f'R=r T=t {SES} DN="CN=x" C="250 \\"Ok\\""', Unconfirmed(AT, False, (ANN,), '250 "Ok"')),
        (f'R=r T=t H=out.shop.example [192.0.2.5] C="250 Ok {ODD_ID}"', accepted(ses_id=ODD_ID, region="")),
    ],
)
def test_sent(tail: str, fact: LineFact) -> None:
    assert facts_of(f"=> {ANN} {tail}", frozenset({"out.shop.example"})) == [fact]


@pytest.mark.parametrize(
    ("line", "recipient", "relay"),
    [
        ("=> ann <ann@shop.example> R=localuser T=local_delivery", ANN, "local_delivery"),
        ("=> |/usr/bin/vacation <ann@shop.example> R=userforward T=address_pipe", ANN, "address_pipe"),
        ("=> /var/mail/x <ann@shop.example> R=userforward T=address_file", ANN, "address_file"),
        ("=> :blackhole: <ann@shop.example> R=blackhole", ANN, "blackhole"),
        (f'=> ann <{ANN}> R=dovecot T=dovecot_lmtp C="250 Ok {ID}"', ANN, "dovecot_lmtp"),
        (f'*> {ANN} R=remote T=smtp {SES} C="delivery bypassed by -N option"', ANN, "smtp"),
        (f"== {ANN} R=localuser T=local_delivery defer (-22): mailbox is full", ANN, "local_delivery"),
        (f"** ann <{ANN}> R=localuser T=maildir_home: Maildir is broken", ANN, "maildir_home"),
        (f"== {ANN} R=x T=y defer (-46) {MX}: SMTP error from remote mail server after RCPT TO: 450 Busy", ANN,
         "mx.mail.example"),
        (f"** {ANN} R=x T=y {MX}: SMTP error from remote mail server after RCPT TO:<{ANN}>: 550 No", ANN,
         "mx.mail.example"),
        (f"** {ANN} R=x T=y: SMTP error from remote mail server after RCPT TO:<{ANN}>: host mx.mail.example "
         "[192.0.2.99]: 550 No", ANN, "mx.mail.example"),
    ],
)  # fmt: skip
def test_what_never_was_for_ses(line: str, recipient: str, relay: str) -> None:
    assert facts_of(line) == [Elsewhere(AT, False, (recipient,), relay)]


ERROR = "SMTP error from remote mail server after"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"{ERROR} end of data: 454 Throttling failure: Maximum sending rate exceeded.", Cause.RATE_EXCEEDED),
        (f"{ERROR} end of data: 454 Throttling failure: Daily message quota exceeded.", Cause.QUOTA_EXCEEDED),
        (f"{ERROR} end of data: 554 Message rejected: Email address is not verified.", Cause.UNVERIFIED_IDENTITY),
        (f"{ERROR} pipelined end of data: 554 Access denied: User x is not authorized", Cause.ACCESS_DENIED),
        (f"{ERROR} RCPT TO:<{ANN}>: 501 Invalid RCPT TO address provided", Cause.BAD_ADDRESS),
        (f"{ERROR} AUTH PLAIN: 535 Authentication Credentials Invalid", Cause.AUTH_FAILED),
        (f"{ERROR} end of data: 451 Temporary service failure", Cause.SES_UNAVAILABLE),
        ("Remote host closed connection in response to end of data", Cause.AMBIGUOUS),
        ("SMTP timeout after end of data (42 bytes written): Connection timed out", Cause.AMBIGUOUS),
        ("SMTP timeout after sending data block (4096 bytes written): Connection timed out", Cause.TIMEOUT),
        ("SMTP timeout after EHLO mx1.shop.example: Connection timed out", Cause.TIMEOUT),
        ("Remote host closed connection in response to initial connection", Cause.UNREACHABLE),
        ("Connection refused", Cause.UNREACHABLE),
        ("Connection timed out", Cause.UNREACHABLE),
        ("host lookup did not complete", Cause.UNREACHABLE),
        ("all host address lookups failed permanently", Cause.UNREACHABLE),
        ("all hosts for 'shop.example' have been failing for a long time", Cause.UNREACHABLE),
        ("retry time not reached for any host after a long failure period", Cause.UNREACHABLE),
        ("a TLS session is required, but the server did not offer TLS support", Cause.UNREACHABLE),
        ("message is too big (transport limit = 10485760)", Cause.TOO_LARGE),
        ("remote host address is the local host", Cause.CONFIGURATION),
        ("retry timeout exceeded", Cause.OTHER_REFUSAL),
        ("Unrouteable address", Cause.OTHER_REFUSAL),
    ],
)
def test_what_did_not_reach_ses_says_why(text: str, cause: Cause) -> None:
    for host, region in ((f" {SES}", "eu-west-1"), ("", "")):
        refused = [Refused(AT, False, (ANN,), cause, text, region)]
        assert facts_of(f"** {ANN} R=r T=t{host}: {text}") == refused
        if "retry time" not in text:
            line = f"== {ANN} <sales@shop.example> R=r T=t defer (-46){host}: {text}"
            assert facts_of(line) == [Deferred(AT, False, (ANN,), cause, text, region)]


@pytest.mark.parametrize(
    "line",
    [
        f"** {ANN}: retry timeout exceeded",
        f"** {ANN} F=<a@b>: retry timeout exceeded",
        f"** ann <{ANN}>: retry timeout exceeded",
        f"** {ANN} R=gone : retry timeout exceeded",
        f"** {ANN} : retry timeout exceeded",
    ],
)
def test_a_failure_without_a_host(line: str) -> None:
    assert facts_of(line) == [Refused(AT, False, (ANN,), Cause.OTHER_REFUSAL, "retry timeout exceeded")]


def test_an_older_form_names_the_host_behind_the_fault() -> None:
    text = "Connection timed out H=email-smtp.eu-west-1.amazonaws.com [192.0.2.10]: SMTP timeout after end of data"
    assert facts_of(f"== {ANN} R=r T=t defer (110): {text}") == [
        Deferred(AT, False, (ANN,), Cause.AMBIGUOUS, text, "eu-west-1")
    ]


def test_a_reply_over_several_lines() -> None:
    record = (
        f"2024-03-05 12:00:00 {OLD} ** {ANN} R=r T=t {SES}: {ERROR} end of data: 554-Message rejected:\n"
        "  554 Sending paused for this account.\n"
        f"2024-03-05 12:00:00 {OLD} Completed\n"
    )
    parsed, trouble = parse_smtp(record.encode(), AT)
    refused, closed = (fact for _, fact in parsed.facts)
    assert trouble is None
    assert isinstance(refused, Refused)
    assert refused.cause is Cause.ACCOUNT_PAUSED
    assert closed == Closed(AT, True, "removed")


# -- damage and forgery ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        f"=> {ANN}",
        f"=> {ANN} T=remote_smtp {SES}",
        f"=> R=r T=t {SES}",
        f"=> {'a' * 2000}@b.example {SENT}",
        f"== {ANN} R=r T=t",
        "** R=r T=t: failed",
        "** failed",
    ],
)
def test_a_delivery_that_cannot_be_read_is_not_passed_over(line: str) -> None:
    assert parse_exim(Line(AT, False, "mx1", "exim", f"{OLD} {line}"), frozenset()) is None


def test_a_subject_or_a_helo_name_cannot_pass_itself_off_as_the_rest_of_the_line() -> None:
    for line in (
        f'<= a@b.example H=x [10.0.0.7] P=esmtp S=3 id=1@x T="=> {ANN} R=r T=t {SES} C=\\"250 Ok {ID}\\"" for {ANN}',
        f"<= a@b.example H=([=>{ANN}]) [10.0.0.7] P=esmtp S=3 id=1@x",
    ):
        assert {type(fact) for fact in facts_of(line)} == {Started, Identified, Queued}


def test_an_address_cannot_pass_itself_off_as_the_rest_of_the_line() -> None:
    forged = f'x R=r T=t {SES} C="250 Ok {ID}" y@evil.example'
    for line in (
        f'=> {forged} <"{forged}"@evil.example> R=r T=t {MX} C="250 2.0.0 queued"',
        f'=> "{forged}"@evil.example R=r T=t {MX} C="250 2.0.0 queued"',
    ):
        assert parse_exim(Line(AT, False, "mx1", "exim", f"{OLD} {line}"), frozenset()) is None
    for line in (
        f'** "{forged}"@evil.example R=r T=t {MX}: 550 No',
        f'== "{forged}"@evil.example R=r T=t defer (1): x',
    ):
        found = parse_exim(Line(AT, False, "mx1", "exim", f"{OLD} {line}"), frozenset())
        assert not [fact for _, fact in found or [] if isinstance(fact, Accepted)]


def test_a_reply_cannot_hold_another_delivery() -> None:
    line = f'=> {ANN} R=r T=t {MX} C="250 Ok R=r T=t {SES} C=\\"250 Ok {ID}\\""'
    assert parse_exim(Line(AT, False, "mx1", "exim", f"{OLD} {line}"), frozenset()) is None


def test_a_server_that_receives_mail_from_ses_has_nothing_to_say_of_ses() -> None:
    sesid = f"{ID}@email.amazonses.com"
    lines = [
        f"<= {ID}@amazonses.com H=a8-70.smtp-out.amazonses.com [192.0.2.70] P=esmtps S=3 id={sesid} for {ANN}",
        f"=> ann <{ANN}> R=localuser T=local_delivery",
        "Completed",
    ]
    facts = [fact for line in lines for fact in facts_of(line)]
    assert not [fact for fact in facts if isinstance(fact, Accepted | Unconfirmed | Refused | Deferred)]


@pytest.mark.parametrize(
    "nasty",
    [
        "=> " + " R=x" * 60_000,
        "=> " + " R=x T=" * 30_000,
        f"=> {ANN} R=r T=t {SES}" + ' C="' * 60_000,
        f'=> {ANN} R=r T=t {SES} C="' + "\\" * 250_000,
        "=> " + " <" * 120_000 + f" {SENT}",
        "<= a@b " + " S=1" * 60_000,
        "<= a@b " + " H=" * 80_000,
        '<= a@b T="' + "\\" * 250_000,
        "<= a@b S=1" + ' T="' * 60_000,
        '<= "' + "\\" * 250_000,
        "** " + "@a" * 120_000,
        "** " + "> F=<" * 50_000,
        "== " + " R=x defer (" * 20_000,
        "== a@b defer (1)" + " H=x [" * 40_000,
        "a" * 250_000,
    ],
)
def test_hostile_lines_are_read_in_one_pass(nasty: str) -> None:
    parse_exim(Line(AT, False, "mx1", "exim", f"{OLD} {nasty}"), frozenset())
    parse_smtp(f"2024-03-05 12:00:00 {OLD} {nasty}".encode(), AT, SmtpContext(relays=frozenset({"x"})))
