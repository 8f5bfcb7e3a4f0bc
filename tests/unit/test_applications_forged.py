"""Rule 28: what an application merely quotes is no fact. Whoever fills in a form must not write into our books."""

from __future__ import annotations

import pytest

from service.facts import Deferred
from service.parsing.smtp import parse_smtp

# Lines of logs stand as they were written.
# ruff: noqa: E501

SEEN = 1_709_640_000_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
OK = f"250 Ok {ID}"
PAUSED = "554 Message rejected: Sending paused for this account."


def names(line: str) -> list[bytes]:
    return [name for name, _ in parse_smtp(line.encode(), SEEN)[0].facts]


@pytest.mark.parametrize("before", ["", "Mar  5 11:59:58 web app[1]: ", "2024-03-05 11:59:58,123 INFO c.s.Mailer - "])
@pytest.mark.parametrize(
    "line",
    [
        f"Subject: {OK}",
        f"subject: reply: b'{OK}'",
        f'new ticket "Mail sent: {OK}" from bob',
        f"user bob wrote: {OK}",
        f"header check: {OK}",
        f"warning: header X-Reply: {OK} from app[10.0.0.7]",
        f"comment=hello response='{OK}'",
        f"subject=Mail sent response='{OK}'",
        f'subject="x" note=free text response="{OK}" text',
        f'msg="contact form" subject="x\\" response=\\"{OK}\\""',
        f"The customer says his mail log has {OK} in it",
        f"Re: {OK}",
        f"quoted reply: b'{OK}'",
        f"4A1B2C3D4E: to=<a@b>, relay=email-smtp.us-east-1.amazonaws.com[192.0.2.10]:587, dsn=2.0.0, status=sent ({OK})",
        f"x: to=a@b, mailer=relay, relay=x. [192.0.2.10], dsn=2.0.0, stat=Sent (Ok {ID})",
        f"user asked about Message ID: {ID}",
        f"Delivery notification for {ID} sent",
        f"{OK} was what he saw",
        f"x@{ID} sent",
    ],
)
def test_a_quoted_acceptance_makes_no_fact(before: str, line: str) -> None:
    assert names(before + line) == []


@pytest.mark.parametrize(
    "line",
    [
        f"Subject: {PAUSED}",
        f'user wrote "help: {PAUSED}"',
        f"comment=\"smtplib.SMTPDataError: (554, b'{PAUSED[4:]}')\"",
        f"new comment by bob: body: Net::SMTPFatalError: {PAUSED}",
        'form input "An error occurred (AccountSendingPausedException) when calling the SendEmail operation: x"',
        "subject: MessageRejected: Sending paused for this account.",
        'input="SMTP Error: Could not authenticate."',
    ],
)
def test_a_quoted_refusal_pages_nobody(line: str) -> None:
    assert names("Mar  5 11:59:58 web app[1]: " + line) == []


def test_the_level_and_the_class_before_a_colon_are_no_disguise() -> None:
    """`INFO Subject:` looks like a syslog header with host and program."""
    assert names(f"2024-03-05 11:59:58 INFO Subject: {OK}") == []
    assert names(f"2024-03-05T11:59:58Z Subject: {OK}") == []


def test_a_mail_server_is_never_taken_for_an_application() -> None:
    for line in (
        f"Mar  5 11:59:58 mx1 postfix/cleanup[1]: 4A1B2C3D4E: warning: header Subject: Message sent: {OK} from x",
        f"Mar  5 11:59:58 mx1 postfix/smtpd[1]: Mail sent: {OK}",
        f"Mar  5 11:59:58 mx1 postfix/smtpd[1]: warning: smtplib.SMTPDataError: ({PAUSED[:3]}, b'{PAUSED[4:]}')",
    ):
        assert names(line) == []


def test_a_hostile_subject_in_json_is_one_value() -> None:
    """A logger escapes what it prints, so the pairs inside a value are none."""
    hostile = f"x', response: '{OK}"
    assert names('Email sent: { subject: "' + hostile + "\", messageId: 'none' }") == []


def test_an_address_in_a_refusal_does_not_choose_its_cause() -> None:
    line = (
        "smtplib.SMTPDataError: (554, b\"Transaction failed: Missing final '@domain': <Daily message quota exceeded>\")"
    )
    ((_, fact),) = parse_smtp(line.encode(), SEEN)[0].facts
    assert not isinstance(fact, Deferred)


@pytest.mark.parametrize(
    "entry",
    [
        '{"level":"info","msg":"profile saved","name":"AccountSuspendedException"}',
        '{"level":"error","msg":"profile not saved","name":"AccountSendingPausedException","status":"open"}',
        '{"msg":"order","status":"MessageRejected"}',
        '{"level":"info","msg":"mail sent","name":"ThrottlingException"}',
        '{"level":30,"msg":"send mail form","detail":"timed out"}',
        '{"severity":"INFO","message":"send mail","reason":"connection refused"}',
    ],
)
def test_a_name_that_a_user_gave_himself_pages_nobody(entry: str) -> None:
    assert names(entry) == []


@pytest.mark.parametrize(
    "line",
    [
        "com.shop.auth.AccountSuspendedException: Account is suspended",
        "ERROR c.s.Auth - com.shop.auth.AccountSuspendedException",
        "com.shop.chat.MessageRejectedException: too many words",
    ],
)
def test_an_applications_own_exceptions_are_not_of_ses(line: str) -> None:
    assert names(line) == []
