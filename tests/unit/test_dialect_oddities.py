"""Lines of mail servers and SDKs that are seldom met, and causes that are easily mistaken."""

from __future__ import annotations

import orjson
import pytest

from service.facts import Accepted, Cause, Deferred, Reason, Refused
from service.parsing.replies import cause_of, cause_of_api
from service.parsing.smtp import parse_smtp

SEEN = 1_710_072_000_000
ID = "0100018e2871d3a0-11112222-3333-4444-5555-666677778888-000000"
STATUS = (
    "3F1C22A0B1: to=<a@b.example>, relay=email-smtp.us-east-1.amazonaws.com[192.0.2.1]:587, delay=1, "
    f"delays=0/0/1/0, dsn=2.0.0, status=sent (250 Ok {ID})"
)


def test_an_id_in_a_line_of_ssmtp_is_an_acceptance() -> None:
    line = f"Mar 10 11:59:00 mx1 sSMTP[12]: Sent mail for root@x.example (250 Ok {ID}) uid=0 username=root outbytes=400"
    parsed, trouble = parse_smtp(line.encode(), SEEN)
    assert trouble is None
    assert [fact.ses_id for _, fact in parsed.facts if isinstance(fact, Accepted)] == [ID]


@pytest.mark.parametrize(
    "document",
    [
        {
            "@timestamp": "2024-03-10T11:59:00Z",
            "message": STATUS,
            "hostname": "mx1",
            "process": {"program": "postfix/smtp"},
        },
        {"version": "1.1", "host": "mx1", "short_message": STATUS, "_application_name": "postfix/smtp"},
    ],
    ids=["filebeat's syslog input", "gelf"],
)
def test_the_tag_is_found_where_the_shipper_put_it(document: dict[str, object]) -> None:
    parsed, trouble = parse_smtp(orjson.dumps(document), SEEN)
    assert trouble is None
    assert {fact.submission for _, fact in parsed.facts if isinstance(fact, Accepted)} == {"mx1/3F1C22A0B1"}


@pytest.mark.parametrize("record", [STATUS.encode(), orjson.dumps({"host": "mx1", "message": STATUS})])
def test_a_status_line_of_nobody_is_not_lost_in_silence(record: bytes) -> None:
    parsed, trouble = parse_smtp(record, SEEN)
    assert not parsed.facts
    assert trouble is not None
    assert trouble.reason is Reason.UNPARSABLE_MAIL_LINE


@pytest.mark.parametrize(
    "text",
    [
        "ConfigurationSetDoesNotExist: Configuration set <foo> does not exist.",
        "AccountSuspendedException: The account has been suspended.",
    ],
)
def test_every_error_of_the_api_deserves_a_look(text: str) -> None:
    parsed, _ = parse_smtp(text.encode(), SEEN)
    assert any(isinstance(fact, Refused) for _, fact in parsed.facts)


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (
            "554 Message rejected: Email address is not verified. The following identities failed the check in region "
            'US-EAST-1: "Daily message quota exceeded" <a@b.example>, sigv2@b.example',
            Cause.UNVERIFIED_IDENTITY,
        ),
        ("554 Transaction failed: User name is missing: '@b.example'.", Cause.BAD_ADDRESS),
    ],
)
def test_a_cause_is_not_taken_from_the_mails_own_words(reply: str, cause: Cause) -> None:
    assert cause_of(reply) is cause


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("TooManyRequestsException", "Daily message quota exceeded.", Cause.QUOTA_EXCEEDED),
        ("TooManyRequestsException", "Too many requests", Cause.RATE_EXCEEDED),
        ("InvalidParameterValue", "Message length is more than 10485760 bytes long: '12345678'.", Cause.TOO_LARGE),
    ],
)
def test_the_message_of_an_api_error_may_say_more_than_its_code(code: str, message: str, cause: Cause) -> None:
    assert cause_of_api(code, message) is cause


@pytest.mark.parametrize(
    "why",
    [
        "host lookup for email-smtp.us-east-1.amazonaws.com did not complete (DNS timeout?)",
        'lookup of host "email-smtp.us-east-1.amazonaws.com" failed in ses router',
    ],
)
def test_exim_could_not_find_the_host(why: str) -> None:
    line = f"2024-03-10 11:59:00 1rjIZS-0005MB-00 == a@b.example R=ses T=remote_smtp defer (-1): {why}"
    parsed, _ = parse_smtp(line.encode(), SEEN)
    assert [fact.cause for _, fact in parsed.facts if isinstance(fact, Deferred)] == [Cause.UNREACHABLE]
