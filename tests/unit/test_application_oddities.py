"""What applications write seldom, or for others: errors in several lines, bursts, forged and foreign entries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.facts import Accepted, Cause, Deferred, Fact, Identified, Refused
from service.parsing.replies import cause_of, cause_of_api
from service.parsing.smtp import parse_smtp

# Lines of logs stand as they were written.
# ruff: noqa: E501

SEEN = 1_709_640_000_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
UNVERIFIED = (
    "Email address is not verified. The following identities failed the check in region EU-WEST-1: ann@shop.example"
)
RATE = "Maximum sending rate exceeded."
BOTO = f"An error occurred (Throttling) when calling the SendEmail operation: {RATE}"


def said(record: str | dict[str, Any] | list[Any]) -> list[tuple[bytes, Fact]]:
    raw = record if isinstance(record, str) else json.dumps(record)
    parsed, trouble = parse_smtp(raw.encode(), SEEN)
    assert trouble is None
    return list(parsed.facts)


def names(*records: str | dict[str, Any]) -> set[bytes]:
    return {name for record in records for name, _ in said(record)}


# -- errors in several lines -----------------------------------------------------------------------------------------

PHP = (
    'Error executing "SendRawEmail" on "https://email.eu-west-1.amazonaws.com"; AWS HTTP error: Client error: '
    "`POST https://email.eu-west-1.amazonaws.com` resulted in a `400 Bad Request` response:"
)
PHP_XML = f"""<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/">
  <Error>
    <Type>Sender</Type>
 (truncated...)
 MessageRejected (client): {UNVERIFIED} - <ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/">
  <Error>"""


@pytest.mark.parametrize(
    "record",
    [
        f"[2024-03-05 11:59:58] production.ERROR: {PHP}\n{PHP_XML}",
        {"message": f"{PHP}\n{PHP_XML}", "level": 400, "channel": "app"},
        {"exception": f"Aws\\Ses\\Exception\\SesException: {PHP}\n{PHP_XML}"},
        PHP_XML,
        f" MessageRejected (client): {UNVERIFIED} - <ErrorResponse",
    ],
)
def test_the_code_of_a_php_error_stands_on_a_later_line(record: Any) -> None:
    ((_, fact),) = said(record)
    assert isinstance(fact, Refused)
    assert (fact.cause, fact.reply) == (Cause.UNVERIFIED_IDENTITY, f"MessageRejected: {UNVERIFIED}")


def test_a_php_error_whose_answer_is_json() -> None:
    answer = f'{{"message":"{RATE}"}}\n TooManyRequestsException (client): {RATE} - {{"message":"{RATE}"}}'
    for record in (f"{PHP}\n{answer}", answer):
        ((_, fact),) = said(record)
        assert isinstance(fact, Deferred)
        assert (fact.cause, fact.reply) == (Cause.RATE_EXCEEDED, f"TooManyRequests: {RATE}")


def test_the_first_line_of_a_php_error_alone_waits_for_the_others() -> None:
    assert said(PHP) == []
    ((_, fact),) = said(
        PHP.replace("resulted in a `400 Bad Request` response:", "cURL error 6: Could not resolve host: x")
    )
    assert isinstance(fact, Deferred)
    assert fact.cause is Cause.UNREACHABLE


# -- frameworks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            f"[2024-03-05 11:59:58] production.ERROR: Request to AWS SES V2 API failed. Reason: {UNVERIFIED}.",
            Cause.UNVERIFIED_IDENTITY,
        ),
        (f'Request to AWS SES API failed. Reason: {RATE}. {{"exception":"[object] (Symfony', Cause.RATE_EXCEEDED),
        (f"app.ERROR: Unable to send an email: {UNVERIFIED} (code MessageRejected).", Cause.UNVERIFIED_IDENTITY),
        (f"Unable to send an email: {RATE} (code TooManyRequestsException).", Cause.RATE_EXCEEDED),
        ("javax.mail.MessagingException: Unknown SMTP host: email-smtp.eu-west-1.amazonaws.com;", Cause.UNREACHABLE),
        ("java.net.UnknownHostException: email-smtp.eu-west-1.amazonaws.com", Cause.UNREACHABLE),
        (
            "operation error SESv2: SendEmail, https response error StatusCode: 0, RequestID: , canceled, context deadline exceeded",
            Cause.TIMEOUT,
        ),
        (
            'operation error SES: SendEmail, request send failed, Post "https://email.eu-west-1.amazonaws.com/": dial tcp 192.0.2.7:443: i/o timeout',
            Cause.UNREACHABLE,
        ),
        (
            "operation error SESv2: SendEmail, get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found",
            Cause.AUTH_FAILED,
        ),
    ],
)
def test_what_frameworks_and_sdks_say(line: str, cause: Cause) -> None:
    ((_, fact),) = said(line)
    assert isinstance(fact, Deferred | Refused)
    assert fact.cause is cause


def test_another_provider_s_bridge_speaks_of_another_provider() -> None:
    assert said("Unable to send an email: Domain not found (code 404).") == []


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("NoCredentialsError", "Unable to locate credentials", Cause.AUTH_FAILED),
        ("CredentialsError", "Missing credentials in config", Cause.AUTH_FAILED),
        ("RequestTimeTooSkewed", "", Cause.AUTH_FAILED),
        ("RequestEntityTooLargeException", "", Cause.TOO_LARGE),
    ],
)
def test_codes_of_the_sdks(code: str, message: str, cause: Cause) -> None:
    assert cause_of_api(code, message) is cause


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        ("504 Unrecognized authentication type", Cause.AUTH_FAILED),
        ("534 5.7.9 Authentication mechanism is too weak", Cause.AUTH_FAILED),
        ("538 Encryption required", Cause.AUTH_FAILED),
        ("554 Transaction failed: Contact list does not exist", Cause.CONFIGURATION),
        ("554 Transaction failed: Invalid list management options: contact list not found", Cause.CONFIGURATION),
        ("554 Transaction failed: Missing '>' or ','", Cause.BAD_ADDRESS),
        ("554 Message rejected: Tenant sending status is disabled", Cause.ACCOUNT_PAUSED),
        ("554 Message rejected: Sending has been disabled for this tenant", Cause.ACCOUNT_PAUSED),
        ("554 Message rejected: Unsupported file type for attachment", Cause.MALFORMED),
        ("Net::OpenTimeout: execution expired", Cause.UNREACHABLE),
        # The mail's own addresses decide nothing.
        ("554 Transaction failed: Invalid address 'throttling@b..example'.", Cause.BAD_ADDRESS),
        ("554 Transaction failed: Invalid address 'daily message quota exceeded 'x@b..example'.", Cause.BAD_ADDRESS),
        ("501 Invalid RCPT TO address provided: sigv2@shop.example", Cause.BAD_ADDRESS),
        (
            "554 Identities failed the check in region EU-WEST-1: sigv2 throttling <x@y.example>",
            Cause.UNVERIFIED_IDENTITY,
        ),
        ("554 Transaction failed: Missing final '@domain'", Cause.BAD_ADDRESS),
        ("couldn't connect to the host, it's timed out", Cause.UNREACHABLE),
    ],
)
def test_causes(reply: str, cause: Cause) -> None:
    assert cause_of(reply) is cause


# -- Nodemailer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        f"Message sent: <{ID}@us-west-2.amazonses.com>",
        f"Message sent: {ID}@email.amazonses.com",
        {"msg": "Message sent", "messageId": f"<{ID}@eu-west-1.amazonses.com>"},
        f"info {{ messageId: '<{ID}@eu-west-1.amazonses.com>', response: '{ID}' }}",
    ],
)
def test_the_message_id_that_nodemailer_makes_of_an_ses_id(record: Any) -> None:
    ((name, fact),) = said(record)
    assert name == b"S:" + ID.encode()
    assert isinstance(fact, Accepted)


def test_an_ses_id_within_another_domain_is_an_application_s_own_id() -> None:
    ((_, fact),) = said(f"Message sent: <{ID}@amazonses.com.evil.example>")
    assert isinstance(fact, Identified)


def test_the_recipients_that_a_server_refused() -> None:
    error = {
        "code": "EENVELOPE",
        "command": "RCPT TO",
        "response": "553 <a@b> Invalid email address",
        "rejected": ["a@b.example", "c@d.example"],
    }
    ((_, fact),) = said({"level": "error", "to": "list@x.example", "err": error})
    assert isinstance(fact, Refused)
    assert fact.recipients == ("a@b.example", "c@d.example")


def test_a_connection_that_was_never_made_has_one_cause() -> None:
    for record in (
        {"err": {"code": "ETIMEDOUT", "command": "CONN", "message": "Connection timeout"}},
        "Error: Connection timeout { code: 'ETIMEDOUT', command: 'CONN' }",
    ):
        ((_, fact),) = said(record)
        assert isinstance(fact, Deferred)
        assert fact.cause is Cause.UNREACHABLE


# -- one mail, or several --------------------------------------------------------------------------------------------


def test_a_refusal_of_two_recipients_is_one_mail() -> None:
    line = "smtplib.SMTPRecipientsRefused: {'a@b': (501, b'Invalid RCPT TO address provided'), 'c@d': (554, b'No')}"
    facts = said(line)
    assert len(facts) == 2
    assert len({name for name, _ in facts}) == 1


@pytest.mark.parametrize("more", [{"time": "2024-03-05T11:59:58.{}Z"}, {"order_id": "{}"}, {"to": "u{}@b.example"}])
def test_entries_that_differ_in_any_field_are_different_mails(more: dict[str, str]) -> None:
    entries = [
        {"time": "2024-03-05T11:59:58Z", "msg": "send failed", "error": BOTO}
        | {key: value.format(number) for key, value in more.items()}
        for number in (101, 102, 103)
    ]
    assert len(names(*entries)) == 3
    assert names(*entries) == names(*entries, *entries), "what is said again is the same mail"
    shipped = [entry | {"offset": 77, "agent": {"id": "x"}} for entry in entries]
    assert names(*entries) == names(*shipped), "a shipper's own fields tell no mails apart"


def test_lines_with_other_milliseconds_are_different_mails() -> None:
    lines = [f"2024-03-05 11:59:58,{number} ERROR app.mail: {BOTO}" for number in (101, 102)]
    assert len(names(*lines, *lines)) == 2


def test_a_trace_after_a_line_that_names_the_exception_is_the_same_mail() -> None:
    line = f"2024-03-05 11:59:58,123 ERROR app.mail: SMTPDataError: (554, b'Message rejected: {UNVERIFIED}')"
    later = f"2024-03-05 11:59:58,124 ERROR app.mail: SMTPDataError: (554, b'Message rejected: {UNVERIFIED}')"
    assert len(names(line, later)) == 1


def test_a_bulk_call_may_succeed_in_part() -> None:
    results = [
        {"Status": "SUCCESS", "MessageId": ID},
        {"Status": "MESSAGE_REJECTED", "Error": UNVERIFIED},
        {"Status": "ACCOUNT_THROTTLED", "Error": RATE},
    ]
    facts = said({"msg": "bulk mail sent", "BulkEmailEntryResults": results})
    assert [type(fact).__name__ for _, fact in facts] == ["Accepted", "Refused", "Deferred"]
    assert len({name for name, _ in facts}) == 3
    assert [type(fact) for _, fact in said({"Status": results[1:]})] == [Refused, Deferred]


# -- what is nobody's hand-off ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {"msg": "contact form received", "message": f"250 Ok {ID}"},
        {"event": "new comment", "message": f"Message sent: 250 Ok {ID}"},
        {"msg": "contact form received", "message": f"454 Throttling failure: {RATE}"},
        {"msg": "duplicate event ignored", "ses_message_id": ID},
        {"msg": "SES event processed", "messageId": ID, "type": "Delivery"},
        {"msg": "mail status updated", "message_id": ID, "status": "delivered"},
        {"msg": "GET /mails", "sesId": ID, "response": "not found"},
        {"msg": "mail delivered", "messageId": f"<{ID}@email.amazonses.com>"},
        {"msg": "webhook handled", "ses_message_id": ID},
    ],
)
def test_what_users_type_and_webhooks_get_proves_no_hand_off(entry: dict[str, Any]) -> None:
    assert said(entry) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"msg": "email sent", "messageId": ID, "status": "queued"},
        {"event": "welcome_mail", "messageId": ID},
        {"msg": "notification sent", "messageId": ID},
        {"MessageId": ID, "ResponseMetadata": {"HTTPStatusCode": 200}},
        {"msg": "smtp", "message": f"250 Ok {ID}"},
    ],
)
def test_what_still_proves_one(entry: dict[str, Any]) -> None:
    ((_, fact),) = said(entry)
    assert isinstance(fact, Accepted)


def test_text_that_begins_like_json_and_says_nothing_of_a_mail_is_no_trouble() -> None:
    assert said("{timer} 33 ms for {request}") == []
    assert said('{"a": 1} and {so} on') == []
