"""What a record of a queue is, and which of them are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.aws.sns import holds_more, signed_part
from service.bridge.backlog import MEMORY, Backlog
from service.bridge.opening import Forward, Nothing, Object, Objects, Rules, adds, open_event, open_record
from service.contract.bridged import LONGEST, OLDEST_AGE, oldest_age
from service.facts import Reason, Source, Unparsable
from service.intake import Intake
from service.parsing.smtp import SmtpContext

SEEN = 1_785_153_075_600
ID = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
MAIL = {"timestamp": "2026-07-27T11:51:10.600Z", "messageId": ID, "source": "shop@app.example"}
SEND = {"eventType": "Send", "mail": MAIL, "send": {}}
OURS = "123456789012"
TOPIC = f"arn:aws:sns:eu-west-1:{OURS}:ses"
BUCKET = Rules(buckets=frozenset({"b"}))


def event(account=OURS):
    return SEND | {"mail": MAIL | {"sendingAccountId": account}}


def sns(message, topic=TOPIC, kind="Notification"):
    text = message if isinstance(message, str) else json.dumps(message)
    return {"Type": kind, "MessageId": "1", "TopicArn": topic, "Message": text}


def made(key="a+b%2B", bucket="b", name="ObjectCreated:Put"):
    what = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": name, "s3": what}]}


def opened(document, rules=None):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return open_record(body, SEEN, rules or Rules())


def reason(found):
    assert isinstance(found, Unparsable), found
    return found.reason


@pytest.mark.parametrize(
    "document",
    [SEND, sns(SEND), {"detail-type": "Email Sent", "source": "aws.ses", "detail": SEND}],
    ids=["raw", "SNS", "EventBridge"],
)
def test_an_event_goes_to_its_mail_s_partition(document):
    assert opened(document) == Forward(ID.encode())


def test_what_says_nothing_of_a_mail_goes_on_without_a_key():
    assert opened(b"Successfully validated SNS topic for Amazon SES event publishing.") == Forward(b"")


def test_a_subscription_is_shown_and_no_more():
    asked = sns("confirm", kind="SubscriptionConfirmation") | {"SubscribeURL": "https://evil.example/"}
    assert opened(asked) == Nothing("https://evil.example/")


@pytest.mark.parametrize(
    ("document", "key"),
    [
        (made(), "a b+"),
        (sns(made()), "a b+"),
        (
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b%2B"}},
            },
            "a+b%2B",
        ),
    ],
    ids=["S3", "S3 by SNS", "EventBridge, which writes keys as they are"],
)
def test_an_object_that_s3_announces_is_read(document, key):
    assert opened(document, BUCKET) == Objects((Object("b", key),))


@pytest.mark.parametrize(
    "document",
    [made(name="ObjectRemoved:Delete"), {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}],
)
def test_other_news_of_s3_are_done_with(document):
    assert opened(document, BUCKET) == Nothing()


def test_no_bucket_is_read_that_nobody_has_named():
    assert reason(opened(made())) is Reason.FOREIGN_BUCKET
    assert reason(opened(made(bucket="of-another"), BUCKET)) is Reason.FOREIGN_BUCKET


def test_an_object_is_no_pointer_to_another():
    assert reason(open_event(json.dumps(made()).encode(), SEEN, BUCKET)) is Reason.NOT_AN_SES_EVENT


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (event("999999999999"), Reason.FOREIGN_ACCOUNT),
        (SEND, Reason.FOREIGN_ACCOUNT),
        ({"Records": [{"body": json.dumps(event())}, {"body": json.dumps(event("999999999999") | {"mail": MAIL | {
            "messageId": ID.replace("a", "b"), "sendingAccountId": "999999999999"}})}]}, Reason.FOREIGN_ACCOUNT),
        (sns(event(), topic="arn:aws:sns:eu-west-1:999999999999:ses"), Reason.FOREIGN_ACCOUNT),
        (sns(event(), topic="nonsense"), Reason.FOREIGN_ACCOUNT),
        (b"{", Reason.BAD_JSON),
        ({"order": 1}, Reason.NOT_AN_SES_EVENT),
        (b"x" * 300_000, Reason.TOO_LARGE),
    ],
)  # fmt: skip
def test_what_is_not_ours_is_refused(document, why):
    assert reason(opened(document, Rules(accounts=frozenset({OURS})))) is why


def test_ours_is_not():
    rules = Rules(accounts=frozenset({OURS}), topics=frozenset({TOPIC}))
    assert opened(sns(event()), rules) == Forward(ID.encode())
    assert reason(opened(sns(event(), topic=TOPIC + "2"), rules)) is Reason.FOREIGN_TOPIC
    assert reason(opened(event(), rules)) is Reason.FOREIGN_TOPIC, "raw delivery names no topic"


@pytest.mark.parametrize(
    "name", ["Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes", "SequenceNumber"]
)
@pytest.mark.parametrize("said", [SEND, json.dumps(SEND), made(), [SEND]], ids=["event", "text", "pointer", "list"])
def test_nothing_is_read_from_what_sns_does_not_sign_of_its_own_fields(name, said):
    """So a record of SNS's own fields alone need not be looked at twice."""
    other = SEND | {"mail": MAIL | {"messageId": ID.replace("a", "b")}}
    envelope = sns(other) | {"Timestamp": "2026-07-27T11:51:10.600Z", name: said}
    assert not holds_more(envelope)
    assert not adds(json.dumps(envelope).encode(), signed_part(envelope), SEEN)


def test_the_backlog_is_that_of_the_oldest_record():
    backlog = Backlog()
    assert backlog.age(1_000_000) == 0
    backlog.received(1_000_000, [400_000, 900_000])
    backlog.received(1_010_000, [950_000])
    assert backlog.age(1_010_000) == 610_000
    assert backlog.age(1_065_000) == 115_000, "what was received more than a minute ago says nothing any more"
    backlog.received(1_066_000, [])
    assert backlog.age(1_066_000) == 0, "nothing waits"
    assert backlog.age(1_066_000, [1_000_000]) == 66_000, "but what is in work still belongs to the queue"


@given(st.lists(st.tuples(st.integers(0, 30_000), st.lists(st.integers(0, 300_000), max_size=3)), max_size=30))
def test_the_backlog_is_that_of_a_minute_however_many_polls_it_had(polls):
    """As a sample would say that is kept whole: what is left out of it could never have been the oldest."""
    backlog, kept, now = Backlog(), [], 1_000_000
    for later, ages in polls:
        now += later
        backlog.received(now, [now - age for age in ages])
        kept = [*kept, (now, max(ages))] if ages else []
        asked = now + 20_000
        within = [at - age for at, age in kept if at >= asked - MEMORY]
        assert backlog.age(asked) == asked - min(within, default=asked)


@pytest.mark.parametrize(
    ("value", "age"), [(b"61000", 61_000), (b"-1", 0), (b"soon", 0), (b"9" * 15, LONGEST), (b"9" * 99, 0), (None, 0)]
)
def test_the_header_that_tells_of_it(value, age):
    assert oldest_age([("other", b"1"), (OLDEST_AGE, value)]) == age


class Bridged:
    """A record as aiokafka hands it out."""

    topic, partition, offset, timestamp, key = "ses", 0, 0, SEEN, None
    value = json.dumps(SEND).encode()
    headers = ((OLDEST_AGE, b"600000"),)


def test_a_watermark_stays_back_by_the_queue_s_backlog():
    intake = Intake(Source.SES, SmtpContext(frozenset(), None), None)
    assert intake.take([Bridged()], SEEN).delay == 600_000
