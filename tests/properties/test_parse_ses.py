"""Whatever the bytes, `parse_ses` answers; and what it answers is made of facts that a trail can keep."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from service.facts import Described, Linked, OtherEvent, Parsed, Unparsable
from service.parsing.instants import instant
from service.parsing.ses import parse_ses
from service.parsing.ses_id import accepted_at, id_clock, region

SEEN = 1_785_153_075_600

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)

PEOPLE = [{"emailAddress": "ann@example.com", "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550"}]
PAYLOAD = {
    "timestamp": "2026-07-27T11:51:12.600Z",
    "recipients": ["ann@example.com"],
    "bouncedRecipients": PEOPLE,
    "complainedRecipients": PEOPLE,
    "delayedRecipients": PEOPLE,
    "expirationTime": "2026-07-28T01:51:10.600Z",
    "reason": "Bad content",
}
MAIL = {
    "timestamp": "2026-07-27T11:51:10.600Z",
    "source": "no-reply@shop.example",
    "sourceArn": "arn:aws:ses:ap-northeast-1:123456789012:identity/shop.example",
    "sendingAccountId": "123456789012",
    "messageId": "0106019fa36a2608-7f000101-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000",
    "destination": ["ann@example.com", "bob@example.org"],
    "headers": [{"name": "Message-ID", "value": "<20260727.1@app.example>"}],
    "commonHeaders": {"messageId": "<20260727.1@app.example>"},
    "tags": {"ses:configuration-set": ["transactional"], "team": ["orders"]},
}
PAYLOADS = {
    "Send": "send",
    "Delivery": "delivery",
    "Bounce": "bounce",
    "Complaint": "complaint",
    "Reject": "reject",
    "Rendering Failure": "failure",
    "DeliveryDelay": "deliveryDelay",
    "Open": "open",
    "Unheard Of": "unheard Of",
}
WRAPPERS = {
    "nothing": lambda event: event,
    "SNS": lambda event: {"Type": "Notification", "Message": json.dumps(event) + "\n"},
    "SQS": lambda event: {"Body": json.dumps(event)},
    "Lambda": lambda event: {"Records": [{"body": json.dumps({"Type": "Notification", "Message": json.dumps(event)})}]},
    "EventBridge": lambda event: {"detail-type": "Email Sent", "source": "aws.ses", "detail": event},
}


def event(kind, key="eventType"):
    return {key: kind, "mail": MAIL, PAYLOADS[kind]: PAYLOAD}


def places(value, path=()):
    """Every place in a JSON value where another value could stand."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, below in inner for place in places(below, (*path, key)))]


def replaced(value, path, other):
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


@st.composite
def damaged(draw):
    """An event that looks real, but for up to three places where anything at all stands."""
    found = event(draw(st.sampled_from(list(PAYLOADS))), draw(st.sampled_from(["eventType", "notificationType"])))
    for _ in range(draw(st.integers(0, 3))):
        found = replaced(found, draw(st.sampled_from(places(found))), draw(values))
    return draw(st.sampled_from(list(WRAPPERS.values())))(found)


def check(raw):
    parsed, trouble = parse_ses(raw, SEEN)
    assert isinstance(parsed, Parsed)
    assert trouble is None or isinstance(trouble, Unparsable)
    assert parsed.facts or parsed.ignored or trouble, "nothing is lost without a word"
    for name, fact in parsed.facts:
        assert len(name) > 2
        assert name.startswith(b"M:" if isinstance(fact, Linked) else b"S:")
        assert 946_684_800_000 <= fact.at < 4_133_980_800_000
        assert isinstance(hash(fact), int)
        assert not isinstance(fact, OtherEvent) or fact.event_type
    assert parse_ses(raw, SEEN) == (parsed, trouble)
    return parsed


@given(st.binary())
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
@example(b'{"eventType":"Send","mail":{"messageId":"\\ud800"}}')
def test_any_bytes_are_answered(raw):
    check(raw)


@given(st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b"\n", b",", b":", b"1", b"\0", b"\xff", b"{}"])))
def test_any_heap_of_brackets_is_answered(pieces):
    check(b"".join(pieces))


@given(values)
def test_any_json_is_answered(value):
    check(json.dumps(value).encode())


@given(damaged())
def test_an_event_with_anything_in_its_fields_is_answered(value):
    check(json.dumps(value).encode())


@given(damaged(), st.integers(0, 3000), st.binary(max_size=4))
def test_an_event_cut_off_or_scribbled_upon_is_answered(value, at, scribble):
    raw = json.dumps(value).encode()
    check(raw[:at] + scribble + raw[at + len(scribble) :])
    check(raw[:at])


@given(st.lists(damaged(), max_size=4), st.sampled_from([b"", b"\n", b" ", b",", b"\r\n\r\n", b"\0", b"\x1e"]))
def test_events_in_one_record_say_what_each_says_alone(several, between):
    several = [one for one in several if isinstance(one, dict)]
    raw = [json.dumps(one, allow_nan=False).encode() for one in map(without_nan, several)]
    alone = [fact for one in raw for fact in parse_ses(one, SEEN)[0].facts]
    assert parse_ses(between.join(raw), SEEN)[0].facts == alone


def without_nan(value):
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


@given(st.sampled_from(list(PAYLOADS)), st.sampled_from(list(WRAPPERS.values())))
def test_every_event_of_a_mail_describes_it_alike(kind, wrapped):
    parsed = check(json.dumps(wrapped(event(kind))).encode())
    said = [fact for _, fact in parsed.facts if isinstance(fact, Described)]
    assert said == [fact for _, fact in check(json.dumps(event("Send")).encode()).facts if isinstance(fact, Described)]


@given(st.text(), st.integers(), st.integers())
def test_any_text_may_be_an_id_or_a_stamp(text, fallback, now):
    assert isinstance(accepted_at(text, fallback, now), int)
    assert isinstance(region(text), str)
    id_clock(text)
    instant(text)


@given(st.datetimes().map(str) | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d\d:?\d\d|Z)?"))
def test_any_stamp_is_read_or_refused(text):
    found = instant(text)
    assert found is None or 946_684_800_000 <= found < 4_133_980_800_000
