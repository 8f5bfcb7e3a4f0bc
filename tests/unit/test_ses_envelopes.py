"""What carried an SES event here is opened; what carries none is counted or rejected, with a reason."""

import json

import pytest

from service.facts import Described, Parsed, Reason, Sent, ses_name
from service.parsing.ses import parse_ses

SEEN = 1_785_153_075_600
ID = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
MAIL = {"timestamp": "2026-07-27T11:51:10.600Z", "messageId": ID, "source": "shop@app.example"}
SEND = {"eventType": "Send", "mail": MAIL, "send": {}}
DESCRIBED = Described(1_785_153_070_600, "shop@app.example", (), "", "", "", "", "", ())
SENT = Parsed([(ses_name(ID), DESCRIBED), (ses_name(ID), Sent(1_785_153_070_600))])


def parse(value):
    return parse_ses(value if isinstance(value, bytes) else json.dumps(value).encode(), SEEN)


def understood(value):
    parsed, trouble = parse(value)
    assert trouble is None
    return parsed


# -- what carried it -------------------------------------------------------------------------------------------------


def text(value):
    return json.dumps(value) + "\n"


def sns(message):
    return {"Type": "Notification", "MessageId": "e7b7c4a1", "TopicArn": "arn:aws:sns:x", "Message": message}


def eventbridge(detail, kind="Email Sent"):
    return {"version": "0", "id": "1", "detail-type": kind, "source": "aws.ses", "detail": detail}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(SEND | {"id": "1", "expiration": 5, "messageId": ID}, id="with a table's own keys beside it"),
        pytest.param(sns(text(SEND)), id="SNS"),
        pytest.param(sns(SEND), id="SNS whose message somebody opened"),
        pytest.param({"body": text(SEND)}, id="SNS raw delivery to SQS"),
        pytest.param({"MessageId": "1", "ReceiptHandle": "2", "Body": text(sns(text(SEND)))}, id="SQS receive"),
        pytest.param({"Messages": [{"Body": text(SEND)}]}, id="SQS receive, the whole answer"),
        pytest.param({"Records": [{"EventSource": "aws:sns", "Sns": sns(text(SEND))}]}, id="Lambda from SNS"),
        pytest.param({"Records": [{"EventSource": "aws:sns", "Sns": SEND}]}, id="Lambda, as one project publishes it"),
        pytest.param({"Records": [{"eventSource": "aws:sqs", "body": text(sns(text(SEND)))}]}, id="Lambda from SQS"),
        pytest.param({"Records": [{"eventSource": "aws:sqs", "body": SEND}]}, id="Lambda from SQS, opened"),
        pytest.param(eventbridge(SEND), id="EventBridge"),
        pytest.param(eventbridge(SEND, kind="Sending Status Disabled"), id="EventBridge, wrongly labelled"),
        pytest.param({"Records": [{"body": text(sns(text(eventbridge(SEND))))}]}, id="EventBridge, SNS, SQS, Lambda"),
        pytest.param({"schema": {"type": "string"}, "payload": text(SEND)}, id="Kafka Connect"),
        pytest.param({"message": text(SEND), "host": "a"}, id="a log shipper"),
        pytest.param({"event": "send", "data": SEND}, id="somebody's own"),
        pytest.param(text(SEND), id="quoted as text"),
        pytest.param([SEND], id="an array"),
        pytest.param([[SEND]], id="an array in an array"),
    ],
)
def test_an_event_is_found_in_whatever_carried_it(record):
    assert understood(record) == SENT


def test_many_events_in_one_record_are_all_taken():
    twice = Parsed(SENT.facts * 2)
    assert understood(json.dumps(SEND).encode() * 2) == twice
    assert understood(sns(text(SEND) + text(SEND))) == twice
    assert understood({"Records": [{"Sns": SEND}, {"Sns": SEND}]}) == twice


HELLO = "Successfully validated SNS topic for Amazon SES event publishing."


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b"", id="blank"),
        pytest.param(b" \r\n\0", id="only space"),
        pytest.param(None, id="null"),
        pytest.param([], id="an empty array"),
        pytest.param({"Records": []}, id="no records"),
        pytest.param(HELLO.encode() + b"\n", id="hello"),
        pytest.param(HELLO, id="hello, quoted"),
        pytest.param(sns(HELLO), id="hello in SNS"),
        pytest.param({"Records": [{"body": HELLO}]}, id="hello in SQS"),
        pytest.param({"Type": "SubscriptionConfirmation", "Message": "You have…", "SubscribeURL": "x"}, id="subscribe"),
        pytest.param({"Records": [{"body": text({"Type": "UnsubscribeConfirmation"})}]}, id="unsubscribe"),
        pytest.param(sns(text({"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "Yes"})), id="legacy"),
        pytest.param({"notificationType": "Received", "mail": MAIL, "receipt": {}, "content": "x"}, id="inbound"),
        pytest.param({"Records": [{"eventSource": "aws:ses", "ses": {"mail": MAIL, "receipt": {}}}]}, id="inbound too"),
        pytest.param(eventbridge({"data": {}}, "Sending Status Enabled"), id="account news"),
        pytest.param(eventbridge({"version": "1"}, "Advisor Recommendation Status Open"), id="advice"),
        pytest.param(eventbridge({"eventType": "AwsApiCall"}, "AWS API Call via CloudTrail"), id="a call logged"),
    ],
)
def test_what_says_nothing_about_a_mail_is_counted_and_not_rejected(record):
    assert parse(record) == (Parsed([], ignored=1), None)


def test_hello_among_json_lines_is_ignored_alone():
    raw = f"{text(SEND)}{HELLO}\n{text(SEND)}".encode()
    assert understood(raw) == Parsed(SENT.facts * 2, ignored=1)


# -- what cannot be understood ---------------------------------------------------------------------------------------


def with_mail(**mail):
    return SEND | {"mail": MAIL | mail}


def deep(levels):
    record = SEND
    for _ in range(levels):
        record = {"payload": record}
    return record


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(b" " * (256 * 1024 + 1), Reason.TOO_LARGE, id="too large"),
        pytest.param(b'{"eventType": "\xe9"}', Reason.NOT_TEXT, id="Latin-1"),
        pytest.param("{}".encode("utf-16"), Reason.NOT_TEXT, id="UTF-16"),
        pytest.param(b"\x1f\x8b\x08\x00", Reason.NOT_TEXT, id="gzip"),
        pytest.param(b"Dear customer", Reason.BAD_JSON, id="text"),
        pytest.param(HELLO.encode() + b"\nDear customer", Reason.BAD_JSON, id="hello and more"),
        pytest.param(b"[" * 100_000, Reason.BAD_JSON, id="brackets"),
        pytest.param(b"[" * 2000 + b"]" * 2000, Reason.BAD_JSON, id="nested beyond what a parser reads"),
        pytest.param(sns("a test from the console"), Reason.BAD_JSON, id="text in SNS"),
        pytest.param({}, Reason.NOT_AN_SES_EVENT, id="an empty object"),
        pytest.param(7, Reason.NOT_AN_SES_EVENT, id="a number"),
        pytest.param({"eventType": "AwsApiCall", "eventName": "x"}, Reason.NOT_AN_SES_EVENT, id="CloudTrail"),
        pytest.param({"Records": [{"s3": {}}]}, Reason.NOT_AN_SES_EVENT, id="S3"),
        pytest.param({"mail": MAIL}, Reason.NOT_AN_SES_EVENT, id="a mail without an event"),
        pytest.param({"message": "hello"}, Reason.NOT_AN_SES_EVENT, id="somebody's log line"),
        pytest.param(eventbridge({}), Reason.NOT_AN_SES_EVENT, id="EventBridge speaks of a mail and names none"),
        pytest.param(deep(7), Reason.NOT_AN_SES_EVENT, id="seven envelopes"),
        pytest.param([[[[[[[[SEND]]]]]]]], Reason.NOT_AN_SES_EVENT, id="arrays in arrays"),
        pytest.param({"eventType": "Send"}, Reason.MISSING_MESSAGE_ID, id="no mail"),
        pytest.param({"eventType": "Send", "mail": [MAIL]}, Reason.MISSING_MESSAGE_ID, id="mail is a list"),
        pytest.param({"notificationType": "Bounce", "mail": None}, Reason.MISSING_MESSAGE_ID, id="mail is null"),
        pytest.param(with_mail(messageId="x" * 257), Reason.BAD_FIELD, id="an id longer than a name may be"),
        pytest.param(with_mail(messageId=" "), Reason.MISSING_MESSAGE_ID, id="an empty id"),
        pytest.param(with_mail(messageId=None), Reason.MISSING_MESSAGE_ID, id="no id"),
        pytest.param(with_mail(messageId=7), Reason.MISSING_MESSAGE_ID, id="an id that is a number"),
    ],
)
def test_a_record_that_cannot_be_understood_says_why(record, reason):
    parsed, trouble = parse(record)
    assert (parsed.facts, trouble.reason) == ([], reason)
    assert trouble.detail


def test_six_envelopes_are_opened():
    assert understood(deep(6)) == SENT


def test_one_broken_event_does_not_take_its_neighbours_with_it():
    for broken in (b'{"eventType": "Se\n', b"{oops}", b'{"eventType": "Send"}'):
        parsed, trouble = parse(broken + json.dumps(SEND).encode())
        assert parsed == SENT
        assert trouble.reason in {Reason.BAD_JSON, Reason.MISSING_MESSAGE_ID}


def test_the_detail_of_a_reject_quotes_nothing_of_the_mail():
    secret = SEND | {"eventType": "Bounce", "bounce": {"bouncedRecipients": "secret@example.com"}}
    for record in (secret, sns("secret@example.com"), b'{"to": "secret@example.com"'):
        assert "secret" not in parse(record)[1].detail
