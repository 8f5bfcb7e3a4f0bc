"""Mails that an AWS SDK could not sign: the error names no service, and the application's own words say what failed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.facts import ACCOUNT_WIDE, Cause, Fact, Refused
from service.parsing.smtp import parse_smtp

SEEN = 1_709_640_000_000


def said(record: str | dict[str, Any]) -> list[Fact]:
    raw = record.encode() if isinstance(record, str) else orjson.dumps(record)
    parsed, trouble = parse_smtp(raw, SEEN)
    assert trouble is None
    return [fact for _, fact in parsed.facts]


LINES = [
    "send mail failed: NoCredentialsError",
    "send mail failed: NoCredentialsError: Unable to locate credentials",
    "ERROR failed to send email via SES: Unable to locate credentials",
    "unable to send email: CredentialsProviderError: Could not load credentials from any providers",
    "SES send_email failed: InvalidClientTokenId",
    "could not send mail: InvalidClientTokenId: The security token included in the request is invalid",
    "ses.sendEmail error UnrecognizedClientException: The security token included in the request is invalid.",
    "Email could not be sent through SES: ExpiredToken",
    "Failed to send email with SES: ExpiredTokenException: The security token included in the request is expired",
    "SES: SignatureDoesNotMatch while sending mail to ann@shop.example",
]


@pytest.mark.parametrize("line", LINES)
def test_a_mail_that_could_not_be_signed_was_refused_for_its_credentials(line: str) -> None:
    assert Cause.AUTH_FAILED in ACCOUNT_WIDE
    for record in (f"Mar  5 12:00:00 app1 shop[7]: {line}", {"level": "error", "message": line, "host": "app1"}):
        (fact,) = said(record)
        assert isinstance(fact, Refused)
        assert fact.cause is Cause.AUTH_FAILED


def test_whose_mail_it_was() -> None:
    (fact,) = said("Mar  5 12:00:00 app1 shop[7]: failed to send email to ann@shop.example: NoCredentialsError")
    assert isinstance(fact, Refused)
    assert (fact.recipients, fact.reply) == (("ann@shop.example",), "NoCredentialsError")


@pytest.mark.parametrize(
    "fields",
    [
        {"msg": "send mail failed", "error": "NoCredentialsError"},
        {"msg": "failed to send email via SES", "error_type": "InvalidClientTokenId"},
        {"event": "send_email_failed", "exception": "botocore.exceptions.NoCredentialsError: Unable to locate"},
        {"msg": "send mail failed",
         "err": {"name": "CredentialsProviderError", "message": "Could not load credentials from any providers"}},
    ],
)  # fmt: skip
def test_in_a_structured_entry(fields: dict[str, Any]) -> None:
    (fact,) = said({"level": "error", "time": "2024-03-05T12:00:00Z", "host": "app1", **fields})
    assert isinstance(fact, Refused)
    assert fact.cause is Cause.AUTH_FAILED


@pytest.mark.parametrize(
    "line",
    [
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
        "s3 upload failed: NoCredentialsError",
        "upload of mail.log to bucket failed, nothing sent: InvalidClientTokenId",
        "send mail to sqs failed: NoCredentialsError",
        "contact form: I tried to send mail: NoCredentialsError",
        "subject: send mail failed: NoCredentialsError",
        "user eve wrote send mail failed NoCredentialsError",
        "receiving mail failed: ExpiredToken",
        "send mail failed: MyNoCredentialsErrorHandler",
        "sent password reset mail, ExpiredTokens were removed",
    ],
)
def test_what_is_not_of_a_mail_or_only_quotes(line: str) -> None:
    assert said(f"Mar  5 12:00:00 app1 shop[7]: {line}") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"msg": "s3 upload failed", "error": "NoCredentialsError"},
        {"msg": "NoCredentialsError", "subject": "send mail"},
        {"msg": "fetching inbound mail failed", "error": "ExpiredToken"},
    ],
)
def test_entries_that_are_not_of_a_mail_that_was_sent(fields: dict[str, Any]) -> None:
    assert said({"level": "error", "host": "app1", **fields}) == []
