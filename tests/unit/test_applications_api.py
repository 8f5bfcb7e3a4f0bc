"""What the AWS SDKs of each language write when the SES API refuses a mail, and what its codes mean.

The texts of boto3, of the SDKs for Java 1 and 2, JavaScript 2 and 3 and Go 2 were written by the real ones.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.facts import Accepted, Cause, Deferred, Fact, Refused
from service.parsing.replies import API_CODES, api_code, cause_of_api
from service.parsing.smtp import parse_smtp

# Lines of logs stand as they were written.
# ruff: noqa: E501

SEEN = 1_709_640_000_000
REJECTED = (
    "Email address is not verified. The following identities failed the check in region US-EAST-1: a@reject.example"
)
REQUEST = "3f1d1c5e-0000-4000-8000-123456789012"


def one(record: str) -> Fact:
    parsed, unparsable = parse_smtp(record.encode(), SEEN)
    assert unparsable is None
    assert len(parsed.facts) == 1, parsed.facts
    name, fact = parsed.facts[0]
    assert b"/app:" in name
    return fact


def json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()


@pytest.mark.parametrize(
    "line",
    [
        # boto3
        (
            "botocore.errorfactory.MessageRejected: An error occurred (MessageRejected) when calling the SendEmail operation:"
            f" {REJECTED}"
        ),
        f"An error occurred (MessageRejected) when calling the SendRawEmail operation (reached max retries: 4): {REJECTED}",
        f"MessageRejected('An error occurred (MessageRejected) when calling the SendEmail operation: {REJECTED}')",
        # Java 1 and 2
        (
            f"com.amazonaws.services.simpleemail.model.MessageRejectedException: {REJECTED} (Service:"
            f" AmazonSimpleEmailService; Status Code: 400; Error Code: MessageRejected; Request ID: {REQUEST}; Proxy: null)"
        ),
        (
            f"software.amazon.awssdk.services.sesv2.model.MessageRejectedException: {REJECTED} (Service: SesV2, Status Code:"
            f" 400, Request ID: {REQUEST}) (SDK Attempt Count: 1)"
        ),
        # JavaScript 2 and 3
        (
            f"MessageRejected: {REJECTED}\n    at Request.extractError (/app/node_modules/aws-sdk/lib/protocol/query.js:50:29)"
            f" {{\n  code: 'MessageRejected',\n  time: 2026-11-24T08:10:14.370Z,\n  requestId: '{REQUEST}',\n"
            "  statusCode: 400,\n  retryable: false\n}"
        ),
        f"err MessageRejected: {REJECTED}",
        # Go 1 and 2
        f"MessageRejected: {REJECTED}\n\tstatus code: 400, request id: {REQUEST}",
        (
            f"2026/11/24 08:10:13 operation error SESv2: SendEmail, https response error StatusCode: 400, RequestID: {REQUEST},"
            f" MessageRejected: {REJECTED}"
        ),
        # PHP
        (
            'Error executing "SendEmail" on "https://email.us-east-1.amazonaws.com"; AWS HTTP error: Client error: `POST'
            " https://email.us-east-1.amazonaws.com` resulted in a `400 Bad Request` response: <ErrorResponse (truncated...)"
            f" MessageRejected (client): {REJECTED} - <ErrorResponse xmlns="
        ),
        # Ruby, .NET
        f"Aws::SES::Errors::MessageRejected: {REJECTED}",
        f"Aws::SESV2::Errors::MessageRejected ({REJECTED})",
        f"Amazon.SimpleEmailV2.Model.MessageRejectedException: {REJECTED}",
        # Structured
        json({"level": 50, "msg": "failed", "err": {"type": "MessageRejected", "message": REJECTED}}),
        json(
            {
                "level": "error",
                "msg": "x",
                "error": "operation error SES: SendEmail, https response error StatusCode: 400,"
                f" RequestID: {REQUEST}, MessageRejected: {REJECTED}",
            }
        ),
        json(
            {
                "event": "mail failed",
                "exception": [
                    {
                        "exc_type": "MessageRejected",
                        "exc_value": "An error occurred"
                        f" (MessageRejected) when calling the SendEmail operation: {REJECTED}",
                    }
                ],
            }
        ),
        f"{{'Error': {{'Message': '{REJECTED}', 'Code': 'MessageRejected'}}, 'ResponseMetadata': {{}}}}",
    ],
)
def test_every_sdk_says_it_in_its_own_way(line: str) -> None:
    fact = one(line)
    assert isinstance(fact, Refused)
    assert fact.cause is Cause.UNVERIFIED_IDENTITY
    assert fact.reply == f"MessageRejected: {REJECTED}"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            (
                "botocore.exceptions.ClientError: An error occurred (Throttling) when calling the SendEmail operation (reached"
                " max retries: 4): Maximum sending rate exceeded."
            ),
            Cause.RATE_EXCEEDED,
        ),
        (
            "An error occurred (Throttling) when calling the SendEmail operation: Daily message quota exceeded.",
            Cause.QUOTA_EXCEEDED,
        ),
        ("An error occurred (LimitExceededException) when calling the SendEmail operation: x", Cause.QUOTA_EXCEEDED),
        ("Throttling: Maximum sending rate exceeded.", Cause.RATE_EXCEEDED),
        ("TooManyRequestsException: Maximum sending rate exceeded.", Cause.RATE_EXCEEDED),
        (
            (
                f"operation error SES: SendEmail, exceeded maximum number of attempts, 3, https response error StatusCode: 400,"
                f" RequestID: {REQUEST}, api error Throttling: Maximum sending rate exceeded."
            ),
            Cause.RATE_EXCEEDED,
        ),
        (
            (
                "software.amazon.awssdk.services.ses.model.SesException: Maximum sending rate exceeded. (Service: Ses, Status"
                f" Code: 400, Request ID: {REQUEST})"
            ),
            Cause.RATE_EXCEEDED,
        ),
        (
            f"x.SesException: Something new (Service: Ses, Status Code: 503, Request ID: {REQUEST})",
            Cause.SES_UNAVAILABLE,
        ),
        ("An error occurred (ServiceUnavailable) when calling the SendRawEmail operation: x", Cause.SES_UNAVAILABLE),
        (
            (
                "operation error SESv2: SendEmail, exceeded maximum number of attempts, 3, https response error StatusCode: 0,"
                ' RequestID: , request send failed, Post "https://email.us-east-1.amazonaws.com/v2": dial tcp: lookup'
                " email.us-east-1.amazonaws.com: no such host"
            ),
            Cause.UNREACHABLE,
        ),
        (
            (
                "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL:"
                ' "https://email.us-east-1.amazonaws.com/"'
            ),
            Cause.UNREACHABLE,
        ),
        (
            'botocore.exceptions.ReadTimeoutError: Read timeout on endpoint URL: "https://email.us-east-1.amazonaws.com/"',
            Cause.AMBIGUOUS,
        ),
    ],
)
def test_what_may_pass_is_deferred(line: str, cause: Cause) -> None:
    fact = one(line)
    assert isinstance(fact, Deferred)
    assert fact.cause is cause


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("MessageRejected", "Sending paused for this account.", Cause.ACCOUNT_PAUSED),
        ("AccountSuspendedException", "", Cause.ACCOUNT_PAUSED),
        ("SendingPausedException", "Sending paused for this account.", Cause.ACCOUNT_PAUSED),
        ("MailFromDomainNotVerifiedException", "", Cause.CONFIGURATION),
        ("ConfigurationSetDoesNotExist", "Configuration set <shop> does not exist.", Cause.CONFIGURATION),
        ("NotFoundException", "Configuration set <shop> does not exist.", Cause.CONFIGURATION),
        ("TemplateDoesNotExist", "", Cause.CONFIGURATION),
        (
            "AccessDenied",
            "User `arn:aws:iam::1:user/x' is not authorized to perform `ses:SendEmail'",
            Cause.ACCESS_DENIED,
        ),
        ("InvalidClientTokenId", "", Cause.AUTH_FAILED),
        ("SignatureDoesNotMatch", "", Cause.AUTH_FAILED),
        ("RequestExpired", "", Cause.AUTH_FAILED),
        ("InvalidParameterValue", "Missing final '@domain'", Cause.BAD_ADDRESS),
        ("InvalidParameterValue", "Duplicate header 'DKIM-Signature'.", Cause.MALFORMED),
        ("BadRequestException", "whatever", Cause.MALFORMED),
        ("MESSAGE_REJECTED", "Email address is not verified.", Cause.UNVERIFIED_IDENTITY),
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", "", Cause.QUOTA_EXCEEDED),
        ("ACCOUNT_THROTTLED", "", Cause.RATE_EXCEEDED),
        ("CONFIGURATION_SET_SENDING_PAUSED", "", Cause.CONFIGURATION),
        ("TRANSIENT_FAILURE", "", Cause.SES_UNAVAILABLE),
        ("FAILED", "", Cause.OTHER_REFUSAL),
        ("SomethingNew", "whatever", Cause.OTHER_REFUSAL),
        ("", "Maximum sending rate exceeded.", Cause.RATE_EXCEEDED),
    ],
)
def test_a_code_has_one_cause_and_a_vague_one_leaves_it_to_the_message(code: str, message: str, cause: Cause) -> None:
    assert cause_of_api(code, message) is cause


@pytest.mark.parametrize(
    "name",
    [
        "MessageRejected",
        "MessageRejectedException",
        "MESSAGE_REJECTED",
        "com.amazonaws.x.model.MessageRejectedException",
        "com.amazonaws.ses#MessageRejected",
        "Aws::SES::Errors::MessageRejected",
    ],
)
def test_a_code_is_one_however_it_is_written(name: str) -> None:
    assert api_code(name) == "messagerejected"
    assert all(api_code(code) == code for code in API_CODES)


@pytest.mark.parametrize(
    "line",
    [
        "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied",
        "An error occurred (Throttling) when calling the DescribeInstances operation: Rate exceeded",
        "ThrottlingException: Rate exceeded",
        "AccessDenied: Access Denied",
        "operation error S3: GetObject, https response error StatusCode: 403, RequestID: x, api error AccessDenied: no",
        "x.S3Exception: no (Service: S3, Status Code: 503, Request ID: x)",
        json({"err": {"code": "AccessDenied", "message": "Access Denied"}, "msg": "upload failed"}),
    ],
)
def test_other_services_of_aws_are_none_of_our_business(line: str) -> None:
    parsed, _ = parse_smtp(line.encode(), SEEN)
    assert parsed.facts == []


ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
IDENTITIES = "Email address is not verified. The following identities failed the check in region US-EAST-2: a@b.example"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (f'ses 400: {{"message":"{IDENTITIES}"}}', Cause.UNVERIFIED_IDENTITY),
        (f"failed to send email: {IDENTITIES}", Cause.UNVERIFIED_IDENTITY),
        (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>MessageRejected</Code><Message>{IDENTITIES}</Message></Error>"
            "</ErrorResponse>",
            Cause.UNVERIFIED_IDENTITY,
        ),
    ],
)
def test_an_answer_as_it_came_is_a_refusal(line: str, cause: Cause) -> None:
    fact = one(line)
    assert isinstance(fact, Refused)
    assert fact.cause is cause


@pytest.mark.parametrize("before", ["", "SES: ", "2026-11-24 06:00:01 DEBUG "])
def test_an_acceptance_as_it_came(before: str) -> None:
    result = f"<SendRawEmailResponse><SendRawEmailResult><MessageId>{ID}</MessageId></SendRawEmailResult>"
    ((name, fact),) = parse_smtp((before + result).encode(), SEEN)[0].facts
    assert isinstance(fact, Accepted)
    assert (name, fact.ses_id) == (f"S:{ID}".encode(), ID)


@pytest.mark.parametrize(
    "line",
    [
        f"bob says: {IDENTITIES}",
        f"ticket about mail from bob: {IDENTITIES}",
        f"comment: <SendRawEmailResult><MessageId>{ID}</MessageId>",
        f"<Result><MessageId>{ID}</MessageId></Result>",
        "<Code>Throttling</Code><Message>Rate exceeded</Message>",
    ],
)
def test_an_answer_that_is_quoted_or_another_services_is_none(line: str) -> None:
    assert parse_smtp(line.encode(), SEEN)[0].facts == []
