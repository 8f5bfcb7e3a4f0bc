"""The network's error behind an application's own words: the mail never reached SES, and nothing else will say so."""

from __future__ import annotations

import json

import pytest

from service.facts import Cause, Deferred, Fact
from service.parsing.smtp import parse_smtp

SEEN = 1_795_500_000_000


def facts(record: str) -> list[Fact]:
    parsed, trouble = parse_smtp(record.encode(), SEEN)
    assert trouble is None
    return [fact for _, fact in parsed.facts]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("[Errno 111] Connection refused", Cause.UNREACHABLE),
        ("ConnectionRefusedError: [Errno 111] Connection refused", Cause.UNREACHABLE),
        ("[Errno -2] Name or service not known", Cause.UNREACHABLE),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", Cause.UNREACHABLE),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1129)", Cause.UNREACHABLE),
        ("timed out", Cause.TIMEOUT),
        ("The read operation timed out", Cause.TIMEOUT),
        ("Error: connect ETIMEDOUT 192.0.2.1:587", Cause.UNREACHABLE),
        ("connect ECONNREFUSED 127.0.0.1:587", Cause.UNREACHABLE),
        ("Error: read ECONNRESET", Cause.UNREACHABLE),
        ("getaddrinfo EAI_AGAIN smtp.internal", Cause.UNREACHABLE),
        ("Error: queryA ETIMEOUT email-smtp.eu-west-1.amazonaws.com", Cause.UNREACHABLE),
        ("self signed certificate in certificate chain", Cause.UNREACHABLE),
        ("dial tcp 192.0.2.1:587: i/o timeout", Cause.UNREACHABLE),
        ("dial tcp: lookup email-smtp.eu-west-1.amazonaws.com on 127.0.0.53:53: no such host", Cause.UNREACHABLE),
        ("read tcp 10.0.0.1:4444->192.0.2.1:587: i/o timeout", Cause.TIMEOUT),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", Cause.UNREACHABLE),
        ("EOF", Cause.UNREACHABLE),
        ("Net::OpenTimeout: execution expired", Cause.UNREACHABLE),
        ("Net::ReadTimeout: Net::ReadTimeout", Cause.TIMEOUT),
        ("Errno::ECONNREFUSED: Connection refused - connect(2) for 127.0.0.1:587", Cause.UNREACHABLE),
        ("java.net.ConnectException: Connection refused (Connection refused)", Cause.UNREACHABLE),
        ("java.net.SocketTimeoutException: Read timed out", Cause.TIMEOUT),
        ("stream_socket_client(): Unable to connect to tcp://127.0.0.1:587", Cause.UNREACHABLE),
    ],
)
def test_the_error_says_why(error: str, cause: Cause) -> None:
    (by_line,) = facts(f"2026-11-24 06:00:01,123 ERROR app.mail Failed to send email to ann@shop.example: {error}")
    assert isinstance(by_line, Deferred)
    assert (by_line.cause, by_line.recipients) == (cause, ("ann@shop.example",))
    entry = {"level": "error", "time": "2026-11-24T06:00:01Z", "msg": "failed to send email", "to": "ann@shop.example"}
    (by_field,) = facts(json.dumps({**entry, "error": error}))
    assert isinstance(by_field, Deferred)
    assert (by_field.cause, by_field.recipients) == (cause, ("ann@shop.example",))


@pytest.mark.parametrize(
    "record",
    [
        "user said: failed to send email: timed out",
        "contact form: I failed to send email: connection refused",
        "Failed to send email: timed out, retrying in 5s",
        "fetch mail failed: timed out",
        "failed to send SMS: timed out",
        "failed to send webhook to mail service: timed out",
        "could not receive mail: connection refused",
        "Failed to send email: dial tcp: lookup smtp.provider.example: no such host",
        "Failed to send email: getaddrinfo ENOTFOUND smtp.provider.example",
        "[Errno 111] Connection refused",
        "subject: failed to send email: timed out",
        json.dumps({"level": "error", "msg": "imap mail sent folder", "error": "timed out"}),
        json.dumps({"level": "error", "msg": "failed to send event", "error": "connection refused"}),
        json.dumps({"level": "info", "msg": "email sent", "comment": "connection refused"}),
        json.dumps(
            {"level": "error", "msg": "failed to send request to the mail preferences service", "error": "timed out"}
        ),
        json.dumps({"level": "error", "logger": "mailer", "msg": "failed to send metrics", "error": "timed out"}),
        json.dumps({"level": "error", "msg": "email sent but status not saved", "error": "connection refused"}),
    ],
)
def test_what_is_not_about_a_mail_on_its_way_to_ses(record: str) -> None:
    assert facts(record) == []


CELERY = (
    "[2026-11-24 06:00:01,123: ERROR/ForkPoolWorker-1] Task app.tasks.send_email[27586b08-1bf7] raised unexpected: "
)
RAILS = (
    "[ActiveJob] [ActionMailer::MailDeliveryJob] [1111-2222] Error performing ActionMailer::MailDeliveryJob "
    "(Job ID: 1111-2222) from Sidekiq(default) in 512.3ms: "
)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (f"{CELERY}TimeoutError('timed out')", Cause.TIMEOUT),
        (f"{CELERY}ConnectionRefusedError(111, 'Connection refused')", Cause.UNREACHABLE),
        (f"{CELERY}SMTPDataError(454, b'Throttling failure: Maximum sending rate exceeded.')", Cause.RATE_EXCEEDED),
        (f"{RAILS}Net::OpenTimeout (execution expired):", Cause.UNREACHABLE),
        (f"{RAILS}Net::SMTPServerBusy (454 Throttling failure: Maximum sending rate exceeded.):", Cause.RATE_EXCEEDED),
    ],
)
def test_what_a_queue_of_jobs_says(line: str, cause: Cause) -> None:
    (fact,) = facts(line)
    assert isinstance(fact, Deferred)
    assert fact.cause is cause
    assert not fact.reply.endswith(":")
