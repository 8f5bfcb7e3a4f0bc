"""What each line of OpenSMTPD says about a mail, and what it must not be made to say."""

from __future__ import annotations

import pytest

from service.facts import Accepted, Cause, Deferred, Elsewhere, LineFact, Queued, Refused, Started, Unconfirmed
from service.parsing.opensmtpd import parse_opensmtpd
from service.parsing.smtp import parse_smtp
from service.parsing.syslog import Line

# Positional booleans stand for `floating` throughout.

AT = 1_709_640_000_000
SESSION, MSG = "5df87c903d709659", "c405e39a"
EVP = f"{MSG}d6bbc64f"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
SES = "192.0.2.10 (email-smtp.eu-west-1.amazonaws.com)"
EC2 = "192.0.2.10 (ec2-192-0-2-10.eu-west-1.compute.amazonaws.com)"
MX = "192.0.2.99 (mx.mail.example)"
ANN = "ann@shop.example"


def parsed(message: str) -> list[tuple[bytes, LineFact]] | None:
    return parse_opensmtpd(Line(AT, False, "Mx1", "smtpd", message), frozenset())  # type: ignore[return-value]


def facts_of(message: str) -> list[LineFact]:
    found = parsed(message)
    assert found is not None, "could not be read"
    return [fact for name, fact in found if name == f"Q:mx1/{MSG}".encode()]


def delivery(relay: str, result: str, stat: str, to: str = ANN, kind: str = "delivery") -> str:
    return (
        f'{SESSION} mta {kind} evpid={EVP} from=<a@b.example> to=<{to}> rcpt=<-> source="10.0.0.1" relay="{relay}" '
        f'delay=2s result="{result}" stat="{stat}"'
    )


@pytest.mark.parametrize(
    ("message", "fact"),
    [
        (f"{SESSION} smtp message msgid={MSG} size=303 nrcpt=1 proto=ESMTP", Started(AT, False, "")),
        (f"{SESSION} smtp event=message address=10.0.0.7 host=app msgid={MSG} from=<a@b> to=<c@d> size=3 ndest=1",
         Started(AT, False, "")),
        (f"{SESSION} smtp envelope evpid={EVP} from=<a@B.example> to=<{ANN}>", Queued(AT, False, "a@b.example", 1)),
        (f"{SESSION} smtp envelope evpid={EVP} from=<> to=<{ANN}>", Queued(AT, False, "", 1)),
        (f"{SESSION} mda delivery evpid={EVP} from=<a@b> to=<{ANN}> rcpt=<{ANN}> user=ann delay=0s result=Ok stat=x",
         Elsewhere(AT, False, (ANN,), "mda")),
        (f"{SESSION} mda event=delivery evpid={EVP} from=<a@b> to=<{ANN}> user=ann method=mbox delay=0s result=Ok",
         Elsewhere(AT, False, (ANN,), "mda")),
        (f"relay: Expire for {EVP}: from=<a@b>, to=<{ANN}>, rcpt=<->, delay=4d, stat=Envelope expired",
         Refused(AT, False, (ANN,), Cause.OTHER_REFUSAL, "Envelope expired")),
    ],
)  # fmt: skip
def test_lines_around_a_delivery(message: str, fact: LineFact) -> None:
    assert facts_of(message) == [fact]


@pytest.mark.parametrize(
    "message",
    [
        f"{SESSION} smtp connected address=local host=shop.example",
        f"{SESSION} smtp disconnected reason=quit",
        f'{SESSION} smtp failed-command command="RCPT TO:<{ANN}>" result="550 Invalid recipient"',
        f"{SESSION} mta connecting address=smtp://192.0.2.10:587 host=email-smtp.eu-west-1.amazonaws.com",
        f"{SESSION} mta connected",
        f"{SESSION} mta error reason=IO Error: Connection refused",
        "smtp-out: Error on session 5df87c903d709659: Connection closed unexpectedly",
        "info: OpenSMTPD 7.4.0 starting",
        f"warn: {delivery(SES, 'Ok', f'250 Ok {ID}')}",
        f'{SESSION} smtp failed-command command="{SESSION} mta delivery evpid={EVP}" result="500"',
        "",
    ],
)
def test_lines_that_say_nothing_of_a_mail(message: str) -> None:
    assert facts_of(message) == []


def accepted(*to: str, ses_id: str = ID, region: str = "eu-west-1") -> Accepted:
    return Accepted(AT, False, to or (ANN,), ses_id, f"mx1/{MSG}", region)


@pytest.mark.parametrize(
    ("relay", "stat", "fact"),
    [
        (SES, f"250 Ok {ID}", accepted()),
        (SES, f"250 Ok {ODD_ID}", accepted(ses_id=ODD_ID)),
        (EC2, f"250 Ok {ID}", accepted(region="")),
        (MX, f"250 Ok {ID}", Elsewhere(AT, False, (ANN,), "mx.mail.example")),
        (MX, f"250 Ok {ODD_ID}", Elsewhere(AT, False, (ANN,), "mx.mail.example")),
        (MX, "250 2.0.0 OK  1562385708 z11si6726563wmb.62 - gsmtp", Elsewhere(AT, False, (ANN,), "mx.mail.example")),
        ("127.0.0.1 (localhost)", "250 2.0.0: f6e94209 Message accepted for delivery",
         Elsewhere(AT, False, (ANN,), "localhost", "f6e94209")),
        (SES, "250 Ok", Unconfirmed(AT, False, (ANN,), "250 Ok")),
    ],
)  # fmt: skip
def test_sent(relay: str, stat: str, fact: LineFact) -> None:
    for kind in ("delivery", "event=delivery"):
        assert facts_of(delivery(relay, "Ok", stat, kind=kind)) == [fact]


def test_an_accepted_mail_is_known_by_both_of_its_names() -> None:
    assert parsed(delivery(SES, "Ok", f"250 Ok {ID}")) == [
        (f"Q:mx1/{MSG}".encode(), accepted()),
        (b"S:" + ID.encode(), accepted()),
    ]


@pytest.mark.parametrize(
    ("relay", "stat", "cause", "region"),
    [
        (SES, "454 Throttling failure: Maximum sending rate exceeded.", Cause.RATE_EXCEEDED, "eu-west-1"),
        (EC2, "554 Message rejected: Sending paused for this account.", Cause.ACCOUNT_PAUSED, ""),
        (EC2, "Network error on destination MXs", Cause.UNREACHABLE, ""),
        ("10.0.0.10 (some.name.example)", "554 Transaction failed: Missing final '@domain'", Cause.BAD_ADDRESS, ""),
        (SES, "Connection closed unexpectedly", Cause.AMBIGUOUS, "eu-west-1"),
        (SES, "IO Error: Connection reset", Cause.AMBIGUOUS, "eu-west-1"),
        (SES, "501 Invalid RCPT TO address provided", Cause.BAD_ADDRESS, "eu-west-1"),
        ("", "No MX found for domain", Cause.UNREACHABLE, ""),
    ],
)
def test_what_did_not_reach_ses_says_why(relay: str, stat: str, cause: Cause, region: str) -> None:
    assert facts_of(delivery(relay, "TempFail", stat)) == [Deferred(AT, False, (ANN,), cause, stat, region)]
    assert facts_of(delivery(relay, "PermFail", stat)) == [Refused(AT, False, (ANN,), cause, stat, region)]


def test_what_another_server_refused_is_not_the_business_of_ses() -> None:
    for result in ("TempFail", "PermFail"):
        assert facts_of(delivery(MX, result, "421 4.7.0 Too busy")) == [Elsewhere(AT, False, (ANN,), "mx.mail.example")]


def test_a_container_prints_lines_without_a_header() -> None:
    message = delivery(SES, "Ok", f"250 Ok {ID}")
    wanted = Accepted(AT, False, (ANN,), ID, f"mx1/{MSG}", "eu-west-1")
    record = f'{{"log": {__import__("json").dumps(message)}, "hostname": "mx1", "time": "2024-03-05T12:00:00Z"}}'
    found, trouble = parse_smtp(record.encode(), AT + 5000)
    assert (found.facts[0], trouble) == ((f"Q:mx1/{MSG}".encode(), wanted), None)
    line = f"Mar  5 12:00:00 mx1 smtpd[7]: {message}"
    assert [fact.ses_id for _, fact in parse_smtp(line.encode(), AT)[0].facts if isinstance(fact, Accepted)] == [ID] * 2


@pytest.mark.parametrize(
    "message",
    [
        f"{SESSION} mta delivery evpid={EVP} from=<a@b> to=<{ANN}> rcpt=<-> source=",
        delivery(SES, "Perhaps", "what?"),
        delivery(SES, "Ok", f"250 Ok {ID}", to=""),
        delivery(SES, "Ok", f"250 Ok {ID}", to="a" * 2000 + "@b"),
        f"{SESSION} smtp envelope evpid={EVP} from=<a@b",
        f"relay: Expire for {EVP}: from=<a@b>, to=<{ANN}",
    ],
)
def test_a_line_that_cannot_be_read_is_not_passed_over(message: str) -> None:
    assert parsed(message) is None


def test_an_address_or_a_reply_cannot_pass_itself_off_as_the_rest_of_the_line() -> None:
    forged = f'x> rcpt=<-> source="1" relay="{SES}" delay=1s result="Ok" stat="250 Ok {ID}'
    assert parsed(delivery(MX, "PermFail", "550 No", to=forged)) is None
    assert parsed(delivery(MX, "PermFail", f"550 > to=<{forged}")) is None
    sender = delivery(SES, "Ok", f"250 Ok {ID}").replace("a@b.example", "a> to=<x@evil.example")
    assert facts_of(sender) == [accepted()]


@pytest.mark.parametrize(
    "nasty",
    [
        delivery(SES, "Ok", '> rcpt=<-> source="' * 13_000),
        delivery(SES, "Ok", "250", to="> to=<" * 40_000),
        f"{SESSION} mta delivery evpid={EVP} from=<" + "> rcpt=<" * 30_000,
        f"{SESSION} mta delivery evpid={EVP} from=<" + '> rcpt=<-> source="" relay="' * 9_000,
        f"{SESSION} smtp envelope evpid={EVP} from=<" + "> to=<" * 40_000,
        f"{SESSION} smtp message " + "x " * 120_000,
        f"relay: Expire for {EVP}: from=<" + ">, to=<" * 35_000,
        f"relay: Expire for {EVP}: from=<a>, to=<" + ", rcpt=<>, " * 22_000,
    ],
)
def test_hostile_lines_are_read_in_one_pass(nasty: str) -> None:
    parsed(nasty)
