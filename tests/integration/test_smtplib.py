"""What Python's own smtplib prints and raises against "SES": for every mail the facts are what the endpoint did."""

from __future__ import annotations

import contextlib
import io
import smtplib
import traceback
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from service.facts import Accepted, Cause, Deferred, Fact, Refused, Unconfirmed
from service.parsing.smtp import parse_smtp
from tests.integration.ses_endpoint import SesEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEN = 1_709_640_000_000


@pytest.fixture
def ses() -> Iterator[SesEndpoint]:
    with SesEndpoint() as endpoint:
        yield endpoint


def log_of(ses: SesEndpoint, *recipients: str, debug: int = 0, login: bool = False) -> str:
    """All that sending one mail leaves on standard error: the debug output, and the trace of an exception."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Message-ID"] = "shop@shop.example", ", ".join(recipients), "<1@shop.example>"
    mail.set_content("reply: b'250 Ok 0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-999999'\n")
    log = io.StringIO()
    with contextlib.redirect_stderr(log):
        try:
            with smtplib.SMTP("127.0.0.1", ses.port, timeout=5) as client:
                client.set_debuglevel(debug)
                if login:
                    client.login("name", "wrong")
                client.send_message(mail)
        except (smtplib.SMTPException, OSError):
            traceback.print_exc()
    return log.getvalue()


def facts_in(log: str) -> list[Fact]:
    parsed, unparsable = parse_smtp(log.encode(), SEEN)
    assert unparsable is None
    return [fact for _, fact in parsed.facts]


@pytest.mark.parametrize("debug", [1, 2])
def test_the_id_is_read_from_the_debug_output_and_nothing_from_the_mail(ses: SesEndpoint, debug: int) -> None:
    facts = facts_in(log_of(ses, "ann@client.example", debug=debug))
    ids = {fact.ses_id for fact in facts if isinstance(fact, Accepted)}
    assert len(facts) == 3, "reply, its code and text, and the answer to the data"
    assert ids == {attempt.ses_id for attempt in ses.attempts}


@pytest.mark.parametrize(
    ("recipient", "kind", "cause"),
    [
        ("rate.ann@client.example", Deferred, Cause.RATE_EXCEEDED),
        ("quota.ann@client.example", Deferred, Cause.QUOTA_EXCEEDED),
        ("unverified.ann@client.example", Refused, Cause.UNVERIFIED_IDENTITY),
        ("paused.ann@client.example", Refused, Cause.ACCOUNT_PAUSED),
        ("badrcpt.ann@client.example", Refused, Cause.BAD_ADDRESS),
        ("drop.ann@client.example", Deferred, Cause.UNREACHABLE),
    ],
)
def test_the_exception_says_why(ses: SesEndpoint, recipient: str, kind: type[Deferred | Refused], cause: Cause) -> None:
    (fact,) = facts_in(log_of(ses, recipient))
    assert isinstance(fact, kind)
    assert fact.cause is cause


def test_the_recipient_that_was_refused_is_named(ses: SesEndpoint) -> None:
    (fact,) = facts_in(log_of(ses, "badrcpt.ann@client.example"))
    assert isinstance(fact, Refused)
    assert fact.recipients == ("badrcpt.ann@client.example",)


def test_a_reply_that_lost_its_id(ses: SesEndpoint) -> None:
    facts = facts_in(log_of(ses, "noid.ann@client.example", debug=1))
    assert [type(fact) for fact in facts] == [Unconfirmed]


def test_a_wrong_password() -> None:
    with SesEndpoint(credentials=("name", "right")) as ses:
        facts = facts_in(log_of(ses, "ann@client.example", login=True))
    assert {type(fact) for fact in facts} == {Refused}
    assert {fact.cause for fact in facts if isinstance(fact, Refused)} == {Cause.AUTH_FAILED}


def test_nobody_answers(ses: SesEndpoint) -> None:
    """`ConnectionRefusedError` alone names no mail server, so it says nothing of a mail."""
    ses.close()
    assert facts_in(log_of(ses, "ann@client.example")) == []
    ses.start()
