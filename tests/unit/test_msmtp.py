"""What a line of msmtp says about a mail, and what it must not be made to say."""

from __future__ import annotations

import pytest

from service.facts import Accepted, Cause, Deferred, Elsewhere, LineFact, Queued, Refused, Unconfirmed
from service.parsing.delivering import in_words_of_ses
from service.parsing.msmtp import parse_msmtp
from service.parsing.smtp import parse_smtp
from service.parsing.syslog import Line

# Positional booleans stand for `floating` throughout.

AT = 1_709_640_000_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
SES = "email-smtp.eu-west-1.amazonaws.com"
ANN = "ann@shop.example"


def line(host: str = SES, to: str = ANN, tail: str = "exitcode=EX_OK", user: str = "user=AKIAEXAMPLE ") -> str:
    return f"host={host} tls=on auth=on {user}from=a@b.example recipients={to} {tail}"


def ok(reply: str) -> str:
    return f"mailsize=82 smtpstatus=250 smtpmsg='{reply}' exitcode=EX_OK"


def parsed(message: str) -> list[tuple[bytes, LineFact]] | None:
    return parse_msmtp(Line(AT, False, "Mx1", "msmtp", message), frozenset())  # type: ignore[return-value]


def facts_of(message: str, count: int = 1) -> list[LineFact]:
    found = parsed(message)
    assert found is not None, "could not be read"
    queued, *rest = [(name, fact) for name, fact in found if name.startswith(b"Q:mx1/msmtp:")]
    assert queued[1] == Queued(AT, False, "a@b.example", count)
    assert {name for name, _ in rest} == {queued[0]}
    return [fact for _, fact in rest]


@pytest.mark.parametrize(
    ("host", "reply", "kind"),
    [
        (SES, f"250 Ok {ID}", Accepted),
        (SES, f"250 Ok {ODD_ID}", Accepted),
        ("127.0.0.1", f"250 Ok {ODD_ID}", Accepted),
        ("smtp.gmail.example", f"250 Ok {ID}", Accepted),
        ("smtp.gmail.example", f"250 Ok {ODD_ID}", Elsewhere),
        ("smtp.gmail.example", "250 2.0.0 OK 1426445920 dk5sm1711913lad.41 - gsmtp", Elsewhere),
        ("relay.internal", "250 2.0.0 Ok: queued as CF247200051", Elsewhere),
        (SES, "250 Ok", Unconfirmed),
    ],
)
def test_sent(host: str, reply: str, kind: type[LineFact]) -> None:
    assert [type(fact) for fact in facts_of(line(host, tail=ok(reply)))] == [kind]


def test_an_accepted_mail_is_known_by_both_of_its_names() -> None:
    found = parsed(line(to=f'{ANN},"x, y"@z.example', tail=ok(f"250 Ok {ID}")))
    assert found is not None
    accepted = found[1][1]
    assert isinstance(accepted, Accepted)
    assert found[2] == (b"S:" + ID.encode(), accepted)
    assert accepted.recipients == (ANN, '"x, y"@z.example')
    assert (accepted.ses_id, accepted.region) == (ID, "eu-west-1")
    assert found[1][0] == b"Q:" + accepted.submission.encode()


def refusal(status: int, reply: str, code: str = "EX_UNAVAILABLE") -> str:
    return f"smtpstatus={status} smtpmsg='{reply}' errormsg='the server did not accept the mail' exitcode={code}"


@pytest.mark.parametrize(
    ("tail", "kind", "cause", "reply"),
    [
        (refusal(454, "454 Throttling failure: Maximum sending rate exceeded."), Deferred, Cause.RATE_EXCEEDED,
         "454 Throttling failure: Maximum sending rate exceeded."),
        (refusal(554, "554 Message rejected: Email address is not verified."), Refused, Cause.UNVERIFIED_IDENTITY,
         "554 Message rejected: Email address is not verified."),
        (refusal(535, "535 Authentication Credentials Invalid", "EX_NOPERM"), Refused, Cause.AUTH_FAILED,
         "535 Authentication Credentials Invalid"),
        (refusal(501, "501 it's wrong", "EX_DATAERR"), Refused, Cause.BAD_ADDRESS, "501 it's wrong"),
        ("errormsg='the server sent an empty reply' exitcode=EX_PROTOCOL", Deferred, Cause.AMBIGUOUS,
         "the server sent an empty reply"),
        ("errormsg='network read error: the operation timed out' exitcode=EX_IOERR", Deferred, Cause.AMBIGUOUS,
         "network read error: the operation timed out"),
        ("errormsg='cannot connect to x, port 25: Connection refused' exitcode=EX_TEMPFAIL", Deferred,
         Cause.UNREACHABLE, "cannot connect to x, port 25: Connection refused"),
        ("errormsg='cannot locate host x: Name or service not known' exitcode=EX_NOHOST", Deferred, Cause.UNREACHABLE,
         "cannot locate host x: Name or service not known"),
        ("errormsg='authentication failed (method PLAIN)' exitcode=EX_NOPERM", Refused, Cause.AUTH_FAILED,
         "authentication failed (method PLAIN)"),
        ("errormsg='TLS certificate verification failed' exitcode=EX_PROTOCOL", Deferred, Cause.UNREACHABLE,
         "TLS certificate verification failed"),
        ("errormsg='something new' exitcode=EX_CONFIG", Refused, Cause.OTHER_REFUSAL, "something new"),
        ("exitcode=EX_TEMPFAIL", Deferred, Cause.OTHER_REFUSAL, ""),
    ],
)  # fmt: skip
def test_not_sent(tail: str, kind: type[Deferred | Refused], cause: Cause, reply: str) -> None:
    assert facts_of(line(tail=tail)) == [kind(AT, False, (ANN,), cause, reply, "eu-west-1")]
    # msmtp speaks with nobody but whom its operator named: in SES's very words, that is SES.
    other = facts_of(line("smtp.gmail.example", tail=tail))
    if in_words_of_ses(reply):
        assert other == [kind(AT, False, (ANN,), cause, reply)]
    else:
        assert other == [Elsewhere(AT, False, (ANN,), "smtp.gmail.example")]


def test_the_user_is_never_kept_and_does_not_name_the_mail() -> None:
    tail = refusal(454, "454 Throttling failure")
    one, other, none = (parsed(line(tail=tail, user=user)) for user in ("user=AKIAX ", "user=a b ", ""))
    assert one == other == none
    assert "AKIA" not in repr(one)


def test_the_same_line_is_the_same_mail_and_another_second_is_another() -> None:
    message = line(tail=refusal(454, "454 Throttling failure"))
    assert parsed(message) == parsed(message)
    later = parse_msmtp(Line(AT + 1000, False, "Mx1", "msmtp", message), frozenset())
    assert later
    assert later[0][0] != (parsed(message) or [])[0][0]


MESSAGE = line(tail=ok(f"250 Ok {ID}"))


@pytest.mark.parametrize(
    ("text", "host", "at"),
    [
        (f"Mar  5 12:00:00 {MESSAGE}", "-", AT),
        (f"mars 05 12:00:00 {MESSAGE}", "-", AT),
        (f"3月 05 12:00:00 {MESSAGE}", "-", AT),
        (f"xxx 05 12:00:00 {MESSAGE}", "-", AT + 77),
        (f"2024-03-05T12:00:00Z {MESSAGE}", "-", AT),
        (f"sendmail: log info was: {MESSAGE}", "", 0),
        (f"Mar  5 12:00:00 mx1 msmtp: {MESSAGE}", "mx1", AT),
        (f"<22>Mar  5 12:00:00 mx1 msmtp[7]: {MESSAGE}", "mx1", AT),
    ],
)
def test_its_own_file_and_syslog(text: str, host: str, at: int) -> None:
    parsed_, trouble = parse_smtp(text.encode(), AT + 77)
    assert trouble is None
    accepted = [fact for _, fact in parsed_.facts if isinstance(fact, Accepted)]
    if not host:
        assert {fact.ses_id for fact in accepted} <= {ID}
        return
    assert accepted[0].at == at
    assert accepted[0].submission.startswith(f"{host}/msmtp:")


@pytest.mark.parametrize("message", ["", "msmtp: could not send mail", "cannot log to /x: Permission denied"])
def test_lines_that_say_nothing_of_a_mail(message: str) -> None:
    assert parsed(message) == []


FORGED = f"x smtpstatus=250 smtpmsg='250 Ok {ID}' exitcode=EX_OK"


@pytest.mark.parametrize(
    "message",
    [
        line(to=f'"{FORGED}"@evil.example', tail=refusal(501, "501 Invalid RCPT TO address provided")),
        line(tail=f"{ok(f'250 Ok {ID}')} exitcode=EX_OK"),
        line(to="", tail=ok(f"250 Ok {ID}")),
        f"host={SES} tls=on",
        line(tail="smtpstatus=250"),
        "host=x " + "recipients=" * 20_000,
    ],
)
def test_a_line_that_cannot_be_read_is_not_passed_over(message: str) -> None:
    assert parsed(message) is None


@pytest.mark.parametrize(
    "nasty",
    [
        line(to="a@b," * 15_000, tail=ok("250")),
        line(to='"' * 60_000, tail=ok("250")),
        line(tail="smtpstatus=250 smtpmsg='" + "'" * 60_000),
        line(user="user=" + "from=" * 12_000),
        "host=x tls=on auth=on from=" + " " * 60_000,
    ],
)
def test_hostile_lines_are_read_in_one_pass(nasty: str) -> None:
    parsed(nasty)
