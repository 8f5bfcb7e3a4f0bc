"""An API error that is no more than its name is a refusal with a cause, where the name is SES's or the words say so."""

from __future__ import annotations

import json

import pytest

from service.facts import Cause, Deferred, Refused
from service.parsing.smtp import parse_smtp

SEEN = 1_795_500_000_000


def facts(record: str) -> list[object]:
    parsed, trouble = parse_smtp(record.encode(), SEEN)
    assert trouble is None
    return [fact for _, fact in parsed.facts]


def entry(**fields: object) -> str:
    return json.dumps({"time": "2026-11-24T06:00:01Z", "level": "error", "msg": "failed to send email", **fields})


@pytest.mark.parametrize(
    ("text", "kind", "cause"),
    [
        ("Failed to send email: MessageRejected", Refused, Cause.OTHER_REFUSAL),
        ("Failed to send email: MessageRejected: ", Refused, Cause.OTHER_REFUSAL),
        ("ERROR c.e.Mailer - com.amazonaws.services.simpleemail.model.MessageRejectedException", Refused,
         Cause.OTHER_REFUSAL),
        ("ERROR software.amazon.awssdk.services.ses.model.MessageRejectedException: null", Refused,
         Cause.OTHER_REFUSAL),
        ("MailFromDomainNotVerifiedException", Refused, Cause.CONFIGURATION),
        ("mail to ann@shop.example not sent: [ConfigurationSetDoesNotExist]", Refused, Cause.CONFIGURATION),
        ("send email failed (AccountSuspendedException)", Refused, Cause.ACCOUNT_PAUSED),
        ("SES: could not send mail: SendingPausedException", Refused, Cause.ACCOUNT_PAUSED),
        ("Error sending email via SES: ThrottlingException", Deferred, Cause.RATE_EXCEEDED),
        ("Error sending email: ThrottlingException: Rate exceeded", Deferred, Cause.RATE_EXCEEDED),
        ("could not send mail: TooManyRequestsException: UnknownError", Deferred, Cause.RATE_EXCEEDED),
        ("ses send failed code=Throttling", Deferred, Cause.RATE_EXCEEDED),
        ("email could not be sent: LimitExceededException", Deferred, Cause.QUOTA_EXCEEDED),
        ("SES sending mail failed: AccessDeniedException", Refused, Cause.ACCESS_DENIED),
        ("An error occurred (MessageRejected) when calling the SendEmail operation", Refused, Cause.OTHER_REFUSAL),
        ("An error occurred (Throttling) when calling the SendRawEmail operation: ", Deferred, Cause.RATE_EXCEEDED),
        ("Aws::SES::Errors::Throttling", Deferred, Cause.RATE_EXCEEDED),
        ("Aws::SESV2::Errors::MessageRejected (Aws::SESV2::Errors::MessageRejected)", Refused, Cause.OTHER_REFUSAL),
        ("Amazon.SimpleEmailV2.Model.LimitExceededException", Deferred, Cause.QUOTA_EXCEEDED),
        ("operation error SESv2: SendEmail, https response error StatusCode: 400, RequestID: 1-2, MessageRejected",
         Refused, Cause.OTHER_REFUSAL),
    ],
)  # fmt: skip
def test_a_line_that_ends_with_a_name(text: str, kind: type, cause: Cause) -> None:
    (fact,) = facts(f"2026-11-24T06:00:01Z app1 mailer[7]: {text}")
    assert isinstance(fact, kind)
    assert fact.cause is cause  # type: ignore[attr-defined]
    assert not fact.reply.endswith((": ", ":"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("more", "kind", "cause"),
    [
        ({"error": "MessageRejected"}, Refused, Cause.OTHER_REFUSAL),
        ({"err": {"name": "MessageRejected", "message": ""}}, Refused, Cause.OTHER_REFUSAL),
        ({"err": {"name": "ThrottlingException"}}, Deferred, Cause.RATE_EXCEEDED),
        ({"error": "ThrottlingException"}, Deferred, Cause.RATE_EXCEEDED),
        ({"error": {"code": "Throttling", "message": "Rate exceeded"}}, Deferred, Cause.RATE_EXCEEDED),
        ({"errorCode": "TooManyRequestsException"}, Deferred, Cause.RATE_EXCEEDED),
        ({"exception": "SendingPausedException"}, Refused, Cause.ACCOUNT_PAUSED),
    ],
)
def test_a_field_that_is_a_name(more: dict[str, object], kind: type, cause: Cause) -> None:
    (fact,) = facts(entry(**more))
    assert isinstance(fact, kind)
    assert fact.cause is cause  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "record",
    [
        "2026-11-24T06:00:01Z app1 web[7]: dynamo: ThrottlingException",
        "2026-11-24T06:00:01Z app1 web[7]: subject=MessageRejected",
        '2026-11-24T06:00:01Z app1 web[7]: user searched for "MessageRejected"',
        "2026-11-24T06:00:01Z app1 web[7]: sent email about ThrottlingException to oncall",
        "2026-11-24T06:00:01Z app1 web[7]: could not send mail: AccessDeniedException",
        "2026-11-24T06:00:01Z app1 web[7]: webhook of event MessageRejected",
        "2026-11-24T06:00:01Z app1 web[7]: MessageRejectedCount: 4",
        "2026-11-24T06:00:01Z app1 web[7]: email sent to AccountSendingPausedException",
        "2026-11-24T06:00:01Z app1 web[7]: mail delivered to 'MessageRejected'",
        "    Code: 'MessageRejected',",
        "  code: 'MessageRejected'",
        entry(msg="dynamo write failed", errorCode="ThrottlingException"),
        entry(error="AccessDenied"),
        entry(msg="contact form: please send email", comment="MessageRejected"),
    ],
)
def test_a_name_that_is_not_about_a_mail(record: str) -> None:
    assert facts(record) == []


NODE = """MessageRejected: Email address is not verified. The following identities failed the check: a@b.example
    at throwDefaultError (/app/node_modules/@smithy/smithy-client/dist-cjs/index.js:388:20) {
  '$fault': 'client',
  '$metadata': {
    httpStatusCode: 400,
  },
  Error: {
    Type: 'Sender',
    Code: 'MessageRejected',
  }
}"""
MAILER = """Error: Message failed: 554 Message rejected: Email address is not verified.
    at SMTPConnection._formatError (/app/node_modules/nodemailer/lib/smtp-connection/index.js:784:19) {
  code: 'EMESSAGE',
  response: '554 Message rejected: Email address is not verified.',
  responseCode: 554,
  command: 'DATA'
}"""


@pytest.mark.parametrize("error", [NODE, MAILER])
def test_an_error_that_was_printed_over_several_records_is_one_mail(error: str) -> None:
    names = [name for line in error.split("\n") for name, _ in parse_smtp(line.encode(), SEEN)[0].facts]
    assert len(set(names)) == 1


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_line_of_an_event_that_was_printed_over_several_records_is_no_acceptance(quote: str) -> None:
    """Whoever handles SES's events prints them, and hands nothing over."""
    ses_id = "0102019b76a39270-00000001-1111-2222-3333-444455556666-000000"
    assert facts(f"    messageId: {quote}{ses_id}{quote},") == []
    assert facts(f"    {quote}messageId{quote}: {quote}{ses_id}{quote}") == []
    assert len(facts(f"  MessageId: {quote}{ses_id}{quote}")) == 1
