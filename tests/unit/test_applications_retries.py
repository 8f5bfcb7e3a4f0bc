"""An attempt that was throttled and the one that SES then took are one mail, wherever the log says so."""

import json

import pytest
from click.testing import CliRunner

from service.cli import cli
from service.facts import Accepted, Deferred
from service.parsing.smtp import parse_smtp

SEEN = 1_795_500_000_000
ID = "010001a20c23ceb8-00000001-1111-2222-3333-444455556666-000000"
OTHER = "010001a20c23ceb8-00000002-1111-2222-3333-444455556666-000000"
THROTTLED = "An error occurred (Throttling) when calling the SendEmail operation: Maximum sending rate exceeded."
GO = (
    "operation error SESv2: SendEmail, exceeded maximum number of attempts, 3, https response error StatusCode: 429, "
    "RequestID: 1111-2222, TooManyRequestsException: Maximum sending rate exceeded."
)


def entry(second, **fields):
    return json.dumps({"time": f"2026-11-24T06:00:{second:02}.000Z", **fields})


def line(second, text):
    return f"2026-11-24T06:00:{second:02}.000Z app1 mailer[7]: {text}"


def scanned(tmp_path, lines):
    """Of each mail: its name's beginning, its facts and the causes of its open gaps."""
    log = tmp_path / "app.log"
    log.write_text("\n".join(lines) + "\n")
    result = CliRunner().invoke(
        cli, ["scan", "--smtp", str(log), "--as-of", "2026-11-24T07:00:00Z", "--format", "jsonl"]
    )
    assert result.exit_code == 0, result.stderr
    return [json.loads(document) for document in result.stdout.splitlines()]


RETRIED = {
    "request": [
        entry(1, level="warning", request_id="r-1", msg="retrying", error=THROTTLED),
        entry(2, level="info", request_id="r-1", msg="email sent", MessageId=ID),
    ],
    "request in a context": [
        entry(1, level="warning", context={"requestId": "r-1"}, msg="will retry", error=THROTTLED),
        entry(2, level="info", context={"requestId": "r-1"}, msg="email sent", MessageId=ID),
    ],
    "trace of Go's": [
        entry(1, level="warn", msg="send mail failed, will retry", trace_id="t1", err=GO),
        entry(2, level="info", msg="mail sent", trace_id="t1", messageId=ID),
    ],
    "Message-ID": [
        entry(1, message_id="<a.1@app.example>", msg="send failed, retrying in 1s", error=THROTTLED),
        entry(2, message_id="<a.1@app.example>", msg="email sent", MessageId=ID),
    ],
    "text": [
        line(1, f"req=ab12 attempt 1 failed, retrying in 500 ms: {THROTTLED}"),
        line(2, f"req=ab12 Email sent! Message ID: {ID}"),
    ],
    "text in brackets": [
        line(1, f"[request-1f2e3d4c] Throttled, retrying: {THROTTLED}"),
        line(2, f"[request-1f2e3d4c] sent mail: MessageId={ID}"),
    ],
    "a SDK's own": [
        line(1, f"Retryable error detected. Will retry in 100 ms: {THROTTLED}"),
        line(2, f"Email sent! Message ID: {ID}"),
    ],
}


@pytest.mark.parametrize("lines", RETRIED.values(), ids=RETRIED)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_mail_that_a_retry_brought_to_ses_is_one_and_has_no_gap(tmp_path, lines, backwards):
    documents = scanned(tmp_path, reversed(lines) if backwards else lines)
    assert [(each["mail_id"], each["gaps"]) for each in documents] == [(ID, [])]


def test_a_mail_that_was_given_up_is_one_gap(tmp_path):
    (document,) = scanned(tmp_path, [
        entry(1, request_id="r-1", msg="retrying", error=THROTTLED),
        entry(2, request_id="r-1", msg="retrying", error=THROTTLED),
        entry(3, request_id="r-1", msg="giving up after 3 attempts", error=THROTTLED, to="ada@mail.example"),
    ])  # fmt: skip
    assert [gap["cause"] for gap in document["gaps"]] == ["rate_exceeded"]
    assert [each["fact"] for each in document["trail"]] == ["deferred"] * 3


@pytest.mark.parametrize(
    "lines",
    [
        [entry(1, request_id="r", msg="retrying", error=THROTTLED), entry(2, request_id="s", msg="sent", MessageId=ID)],
        [entry(1, job_id="j", msg="mail not sent", error=THROTTLED), entry(2, job_id="j", msg="sent", MessageId=ID)],
        [line(1, f"mail not sent, giving up: {THROTTLED}"), line(2, f"Email sent! Message ID: {ID}")],
    ],
    ids=["another request", "another mail of the job", "given up without a name"],
)  # fmt: skip
def test_what_another_mail_came_to_ends_no_gap(tmp_path, lines):
    gaps = [gap["cause"] for each in scanned(tmp_path, lines) for gap in each["gaps"] if gap["resolution"] is None]
    assert gaps == ["rate_exceeded"]


def test_recipients_of_one_request_are_told_apart(tmp_path):
    documents = scanned(tmp_path, [
        entry(1, request_id="r", msg="retrying", error=THROTTLED, to="ada@mail.example"),
        entry(2, request_id="r", msg="retrying", error=THROTTLED, to="bob@mail.example"),
        entry(3, request_id="r", msg="email sent", MessageId=ID, to="bob@mail.example"),
    ])  # fmt: skip
    gaps = [gap["recipient"] for each in documents for gap in each["gaps"]]
    assert gaps == ["ada@mail.example"]


def retrying(second, **more):
    return entry(second, request_id="r", msg="retrying", error=THROTTLED, **more)


def sent(second, ses_id=ID, **more):
    return entry(second, request_id="r", msg="email sent", MessageId=ses_id, **more)


def gave_up(second, **more):
    return entry(second, request_id="r", msg="giving up after 3 attempts", error=THROTTLED, **more)


ADA, BOB = {"to": "ada@mail.example"}, {"to": "bob@mail.example"}
SEVERAL = {
    "one was sent, another is tried for ever": ([sent(1), retrying(2)], 1),
    "one was sent, another given up": ([retrying(1), retrying(2), sent(3), gave_up(4)], 1),
    "both were sent": ([retrying(1), sent(2), retrying(3), sent(4, OTHER)], 0),
    "both were sent in the end": ([retrying(1), retrying(2), sent(3), sent(4, OTHER)], 0),
    "one was given up, twice said": ([retrying(1), gave_up(2), gave_up(3)], 1),
    "one was given up and queued again": ([retrying(1), gave_up(2), sent(3)], 0),
    "said twice": ([retrying(1), sent(2), sent(3)], 0),
    "named, sent in another order": (
        [retrying(1, **ADA), retrying(2, **BOB), sent(3, **BOB), sent(4, OTHER, **ADA)],
        0,
    ),
    "named and not": ([retrying(1, **ADA), sent(2), retrying(3, **BOB)], 1),
    "named, and who is not": ([retrying(1, **ADA), sent(2, **ADA), gave_up(3)], 1),
}


@pytest.mark.parametrize(("lines", "gaps"), SEVERAL.values(), ids=SEVERAL)
@pytest.mark.parametrize("backwards", [False, True])
def test_two_mails_of_one_request_do_not_hide_behind_one_another(tmp_path, lines, gaps, backwards):
    documents = scanned(tmp_path, reversed(lines) if backwards else lines)
    open_ = [gap["cause"] for each in documents for gap in each["gaps"] if gap["resolution"] is None]
    assert open_ == ["rate_exceeded"] * gaps


@pytest.mark.parametrize(
    "text",
    [
        entry(1, request_id="r", msg="user asked for a retry in 5 minutes"),
        entry(1, request_id="r", msg="retrying", url="https://api.example"),
        line(1, "req=ab12 retrying the payment"),
    ],
)
def test_a_retry_of_anything_else_is_nothing(text):
    assert parse_smtp(text.encode(), SEEN)[0].facts == []


def test_the_id_that_aws_gives_an_attempt_names_no_request():
    facts = parse_smtp(entry(1, msg="mail failed, will retry", err=GO, request_id="r").encode(), SEEN)[0].facts
    other = parse_smtp(entry(1, msg="mail sent", MessageId=OTHER, request_id="1111-2222").encode(), SEEN)[0].facts
    assert {type(fact) for _, fact in facts} == {Deferred}
    assert {type(fact) for _, fact in other} == {Accepted}
    assert {name for name, _ in facts}.isdisjoint(name for name, _ in other)


@pytest.mark.parametrize("name", ["ThrottlingException", "Error [ThrottlingException]", "Error [Throttling]"])
def test_node_puts_an_error_s_name_into_brackets(name):
    facts = parse_smtp(line(1, f"send mail failed: {name}: Maximum sending rate exceeded.").encode(), SEEN)[0].facts
    assert [(type(fact), fact.cause) for _, fact in facts] == [(Deferred, "rate_exceeded")]


SES_EVENT = {
    "eventType": "Send",
    "mail": {"timestamp": "2026-11-24T06:00:03.000Z", "messageId": ID, "destination": ["a@b.example"]},
    "send": {},
}


@pytest.mark.parametrize(
    "record",
    [
        json.dumps(SES_EVENT),
        json.dumps(SES_EVENT, indent=2),
        json.dumps({"Type": "Notification", "Message": json.dumps(SES_EVENT)}),
        json.dumps({"source": "aws.ses", "detail-type": "Email Sent", "detail": SES_EVENT}),
        json.dumps({"Records": [{"body": json.dumps({"Type": "Notification", "Message": json.dumps(SES_EVENT)})}]}),
        json.dumps({"level": "info", "msg": "mail sent", "event": SES_EVENT}),
        line(1, json.dumps(SES_EVENT)),
        line(1, str(SES_EVENT)),
        line(1, f"mail sent {SES_EVENT}"),
    ],
    ids=["bare", "printed", "SNS", "EventBridge", "SQS", "logged", "in a line", "Python's", "in words"],
)
def test_an_event_of_ses_s_in_the_mail_log_is_no_acceptance_and_is_counted(record):
    parsed, _ = parse_smtp(record.encode(), SEEN)
    assert parsed.facts == []
    assert parsed.ignored == 1
