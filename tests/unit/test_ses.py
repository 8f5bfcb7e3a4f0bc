"""What each SES event says about a mail and its recipients, and what is claimed of one half understood: nothing."""

import json

import pytest

from service.facts import (
    Bounced,
    Complained,
    Delayed,
    Delivered,
    Described,
    Engaged,
    Linked,
    OtherEvent,
    Parsed,
    Reason,
    Rejected,
    RenderingFailed,
    Sent,
    message_id_name,
    ses_name,
)
from service.parsing.ses import parse_ses

ID = "0106019fa36a2608-7f000101-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000"
ACCEPTED = 1_785_153_070_600
HAPPENED = ACCEPTED + 2_000
SEEN = ACCEPTED + 5_000
STAMP = "2026-07-27T11:51:12.600Z"
ANN, BOB = "ann@example.com", "bob@example.org"
ORIGINAL = "20260727.1@app.example"

MAIL = {
    "timestamp": "2026-07-27T11:51:10.600Z",
    "source": "Shop <no-reply@Shop.Example>",
    "sourceArn": "arn:aws:ses:ap-northeast-1:111122223333:identity/shop.example",
    "sendingAccountId": "123456789012",
    "messageId": ID,
    "destination": ["Ann <ann@EXAMPLE.com>", BOB],
    "headersTruncated": False,
    "headers": [{"name": "Subject", "value": "Your order"}, {"name": "Message-Id", "value": f"<{ORIGINAL}>"}],
    "commonHeaders": {"messageId": ID, "subject": "Your order"},
    "tags": {
        " ses:configuration-set": ["transactional"],
        "ses:caller-identity": ["order-service"],
        "ses:outgoing-ip": ["192.0.2.1"],
        "team": ["orders", "ignored"],
        "campaign": ["july"],
    },
}
DESCRIBED = Described(
    at=ACCEPTED,
    sender="no-reply@shop.example",
    recipients=(ANN, BOB),
    account="123456789012",
    region="ap-northeast-1",
    configuration_set="transactional",
    application="order-service",
    message_id=ORIGINAL,
    tags=(("campaign", "july"), ("team", "orders")),
)
LINKED = Linked(at=ACCEPTED, ses_id=ID, sender_domain="shop.example", recipients=(ANN, BOB))


def event(kind="Send", mail=(), **payloads):
    return {"eventType": kind, "mail": MAIL | dict(mail), **payloads}


def parse(value, **options):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_ses(raw, SEEN, **options)


def understood(value):
    parsed, trouble = parse(value)
    assert trouble is None
    return parsed


def happened(value):
    """The facts beyond the mail's description and its link."""
    facts = [fact for _, fact in understood(value).facts]
    assert isinstance(facts[0], Described)
    return [fact for fact in facts[1:] if not isinstance(fact, Linked)]


def described(**mail):
    return understood(event(mail=mail)).facts[0][1]


SEND = event()
SENT = Parsed([(ses_name(ID), DESCRIBED), (ses_name(ID), Sent(ACCEPTED)), (message_id_name(ORIGINAL), LINKED)])


# -- what an event says ----------------------------------------------------------------------------------------------


def test_a_send_describes_the_mail_and_links_it_to_its_message_id():
    assert understood(SEND) == SENT


def test_links_are_left_out_where_they_are_not_wanted():
    assert parse(SEND, link=False) == (Parsed(SENT.facts[:2]), None)


FAILED = {"emailAddress": "<ann@EXAMPLE.com>", "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550"}
WAITING = {"emailAddress": BOB, "action": "delayed", "status": "4.4.7", "diagnosticCode": "smtp; 451"}


@pytest.mark.parametrize(
    ("kind", "key", "payload", "expected"),
    [
        pytest.param("Send", "send", {}, [Sent(ACCEPTED)], id="send"),
        pytest.param(
            "Delivery",
            "delivery",
            {"timestamp": STAMP, "recipients": ["Ann@EXAMPLE.com"], "smtpResponse": "250 ok" + "!" * 600},
            [Delivered(HAPPENED, ("Ann@example.com",), ("250 ok" + "!" * 600)[:512])],
            id="delivery to one of two",
        ),
        pytest.param(
            "Bounce",
            "bounce",
            {
                "timestamp": STAMP,
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [FAILED, WAITING],
            },
            [
                Bounced(HAPPENED, (ANN,), "Permanent", "General", "5.1.1", "smtp; 550"),
                Delayed(HAPPENED, (BOB,), "", 0, "4.4.7", "smtp; 451"),
            ],
            id="one bounce, one recipient failed and one delayed",
        ),
        pytest.param(
            "Bounce",
            "bounce",
            {"timestamp": STAMP, "bounceType": "Transient", "bouncedRecipients": [{"emailAddress": ANN}]},
            [Bounced(HAPPENED, (ANN,), "Transient", "", "", "")],
            id="bounce without a delivery status notification",
        ),
        pytest.param(
            "Bounce",
            "bounce",
            {"timestamp": STAMP, "bounceType": "Undetermined", "bounceSubType": "New", "bouncedRecipients": []},
            [Bounced(HAPPENED, (), "Undetermined", "New", "", "")],
            id="bounce that names nobody speaks of all",
        ),
        pytest.param(
            "Bounce",
            "bounce",
            {"timestamp": STAMP, "bouncedRecipients": [{"emailAddress": ANN, "action": "relayed"}]},
            [OtherEvent(HAPPENED, "Bounce relayed")],
            id="a relayed recipient did not bounce",
        ),
        pytest.param(
            "Complaint",
            "complaint",
            {
                "timestamp": STAMP,
                "complainedRecipients": [{"emailAddress": ANN}, {"emailAddress": BOB}],
                "complaintSubType": None,
                "complaintFeedbackType": "not-spam",
            },
            [Complained(HAPPENED, (ANN, BOB), "", "not-spam")],
            id="complaint",
        ),
        pytest.param(
            "Complaint",
            "complaint",
            {"timestamp": STAMP, "complaintSubType": "OnAccountSuppressionList"},
            [Complained(HAPPENED, (), "OnAccountSuppressionList", "")],
            id="complaint that was never sent",
        ),
        pytest.param("Reject", "reject", {"reason": "Bad content"}, [Rejected(ACCEPTED, "Bad content")], id="reject"),
        pytest.param(
            "Rendering Failure",
            "failure",
            {"templateName": "order", "errorMessage": "Attribute 'x' is not present in the rendering data."},
            [RenderingFailed(ACCEPTED, "order", "Attribute 'x' is not present in the rendering data.")],
            id="rendering failure",
        ),
        pytest.param(
            "DeliveryDelay",
            "deliveryDelay",
            {
                "timestamp": STAMP,
                "delayType": "MailboxFull",
                "expirationTime": "2026-07-28T01:51:10.600Z",
                "delayedRecipients": [WAITING | {"action": "ignored"}, {"emailAddress": ANN}],
            },
            [
                Delayed(HAPPENED, (BOB,), "MailboxFull", ACCEPTED + 14 * 3_600_000, "4.4.7", "smtp; 451"),
                Delayed(HAPPENED, (ANN,), "MailboxFull", ACCEPTED + 14 * 3_600_000, "", ""),
            ],
            id="delay of two",
        ),
        pytest.param(
            "DeliveryDelay",
            "deliveryDelay",
            {"timestamp": STAMP, "delayType": "General", "expirationTime": "soon"},
            [Delayed(HAPPENED, (), "General", 0, "", "")],
            id="delay of nobody named, until nobody knows when",
        ),
        pytest.param("Open", "open", {"timestamp": STAMP}, [Engaged(HAPPENED, "open")], id="open"),
        pytest.param("Click", "click", {"timestamp": STAMP}, [Engaged(HAPPENED, "click")], id="click"),
        pytest.param(
            "Subscription", "subscription", {"timestamp": STAMP}, [Engaged(HAPPENED, "subscription")], id="subscription"
        ),
        pytest.param(
            "Teleportation", "teleportation", {"timestamp": STAMP}, [OtherEvent(HAPPENED, "Teleportation")], id="new"
        ),
        pytest.param("X" * 100, "x", {}, [OtherEvent(ACCEPTED, "X" * 64)], id="new, with a long name"),
    ],
)
def test_each_event_type_says_its_own(kind, key, payload, expected):
    assert happened(event(kind, **{key: payload})) == expected


@pytest.mark.parametrize("spelling", ["Rendering Failure", "RENDERING_FAILURE", "RenderingFailure"])
def test_an_event_type_is_known_however_spelled(spelling):
    assert happened(event(spelling)) == [RenderingFailed(ACCEPTED, "", "")]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        pytest.param(STAMP, HAPPENED, id="as it says"),
        pytest.param("2026-07-27T11:51:12.600 +0000", HAPPENED, id="in the other form"),
        pytest.param("2026-07-27T11:50:00.000Z", ACCEPTED, id="the provider's clock is behind: not before the mail"),
        pytest.param("2027-01-01T00:00:00.000Z", SEEN, id="the provider's clock is ahead: not after we read of it"),
        pytest.param("no time", ACCEPTED, id="unreadable"),
        pytest.param(1_785_153_072_600, ACCEPTED, id="not text"),
        pytest.param(None, ACCEPTED, id="missing"),
    ],
)
def test_an_event_happened_after_the_mail_and_before_we_read_of_it(stamp, expected):
    assert happened(event("Open", open={"timestamp": stamp})) == [Engaged(expected, "open")]


def test_a_mail_dated_after_its_record_is_believed():
    late = event("Open", {"timestamp": "2026-07-27T12:00:00.000Z"}, open={"timestamp": STAMP})
    assert happened(late) == [Engaged(ACCEPTED + 529_400, "open")]


@pytest.mark.parametrize(
    ("ses_id", "expected"),
    [
        pytest.param(ID, ACCEPTED, id="by the id's clock"),
        pytest.param("EXAMPLE7c191be45", SEEN, id="by the record's, where the id has none"),
    ],
)
def test_a_mail_without_a_readable_stamp_is_dated(ses_id, expected):
    assert described(messageId=ses_id, timestamp="?").at == expected


# -- the mail --------------------------------------------------------------------------------------------------------


def test_every_event_of_a_mail_describes_it_alike():
    kinds = ["Send", "Delivery", "Bounce", "Complaint", "Reject", "DeliveryDelay", "Open"]
    said = {
        understood(event(kind, delivery={}, bounce={}, complaint={}, deliveryDelay={"timestamp": STAMP})).facts[0]
        for kind in kinds
    }
    assert said == {(ses_name(ID), DESCRIBED)}


@pytest.mark.parametrize(
    ("mail", "field", "expected"),
    [
        pytest.param({"sendingAccountId": None}, "account", "111122223333", id="the account from the ARN"),
        pytest.param({"sourceArn": "not an ARN"}, "region", "", id="no ARN, no region"),
        pytest.param({"tags": None, "callerIdentity": "root"}, "application", "root", id="legacy caller"),
        pytest.param({"tags": {"a": "plain"}}, "tags", (("a", "plain"),), id="a tag's value that is no list"),
        pytest.param({"tags": {"a": ["x" * 300]}}, "tags", (("a", "x" * 256),), id="long values are cut"),
        pytest.param({"tags": {f"{i:02}": ["v"] for i in range(12, 0, -1)}}, "tags",
                     tuple((f"{i:02}", "v") for i in range(1, 11)), id="ten tags, the first by name"),
        pytest.param({"destination": "ann@example.com"}, "recipients", (), id="recipients that are no list"),
        pytest.param({"destination": [7, "", ANN]}, "recipients", (ANN,), id="recipients that are no text"),
    ],
)  # fmt: skip
def test_the_mail_is_described_from_whatever_it_holds(mail, field, expected):
    assert getattr(described(**mail), field) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([{"name": "MESSAGE-ID", "value": f" <{ORIGINAL}>\r\n"}], ORIGINAL, id="in any case"),
        pytest.param([{"name": "Message-ID", "value": ORIGINAL}], ORIGINAL, id="without brackets"),
        pytest.param([{"name": "Message-ID", "value": f"<{ORIGINAL}> (added by mx)"}], ORIGINAL, id="with a comment"),
        pytest.param([{"name": "Message-ID", "value": f"<{ID}@email.amazonses.com>"}], "", id="made by SES"),
        pytest.param([{"name": "Message-ID", "value": f"<{ID}@us-west-2.amazonses.com>"}], "", id="made by SES there"),
        pytest.param([{"name": "Message-ID", "value": ID}], "", id="the SES id"),
        pytest.param([{"name": "Message-ID", "value": f"<{ID}@relay.example>"}], f"{ID}@relay.example", id="forwarded"),
        pytest.param([{"name": "Message-ID", "value": "<>"}], "", id="empty"),
        pytest.param([{"name": "Message-ID", "value": "x" * 999}], "", id="longer than any line"),
        pytest.param([{"name": "Message-ID", "value": 7}, 7, {"name": None}], "", id="no text"),
        pytest.param([], "", id="no headers"),
        pytest.param(None, "", id="headers not included"),
    ],
)
def test_the_original_message_id_comes_from_the_headers(headers, expected):
    facts = understood(event(mail={"headers": headers})).facts
    assert facts[0][1].message_id == expected
    assert (message_id_name(expected) in dict(facts)) == bool(expected)


def test_a_link_is_dated_by_the_ids_clock_even_if_the_event_says_otherwise():
    facts = understood(event(mail={"timestamp": "2026-07-27T11:51:11Z"})).facts
    assert (facts[0][1].at, facts[-1][1].at) == (ACCEPTED + 400, ACCEPTED)


# -- legacy notifications --------------------------------------------------------------------------------------------


def legacy(**mail):
    gone = {"tags": None, "headers": None, "commonHeaders": {"messageId": f"<{ORIGINAL}>"}}
    return {"notificationType": "Delivery", "mail": MAIL | gone | mail, "delivery": {"recipients": [ANN]}}


def test_a_legacy_notification_says_the_original_id_in_the_common_headers():
    facts = understood(legacy()).facts
    assert [type(fact) for _, fact in facts] == [Described, Delivered, Linked]
    assert facts[0][1].message_id == ORIGINAL


def test_event_publishing_says_the_ses_id_there():
    assert described(headers=None, commonHeaders={"messageId": "other@app.example"}).message_id == ""


@pytest.mark.parametrize("common", [None, {}, {"messageId": ID}, {"messageId": 7}, "text"])
def test_common_headers_without_an_original_link_nothing(common):
    assert len(understood(legacy(commonHeaders=common)).facts) == 2


# -- what is only half understood --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"eventType": 7, "mail": MAIL}, id="the type is a number"),
        pytest.param({"eventType": "  ", "mail": MAIL}, id="the type is blank"),
        pytest.param(event("Bounce"), id="a bounce without its payload"),
        pytest.param(event("Bounce", bounce=[]), id="a payload that is a list"),
        pytest.param(event("Open", open="yes"), id="a payload that is text"),
        pytest.param(event("Bounce", bounce={"bouncedRecipients": {"emailAddress": ANN}}), id="recipients no list"),
        pytest.param(event("Bounce", bounce={"bouncedRecipients": [{}, 7]}), id="recipients without an address"),
        pytest.param(event("Delivery", delivery={"recipients": ""}), id="recipients that are empty text"),
    ],
)
def test_an_event_half_understood_claims_no_outcome_and_goes_to_the_dead_letters(record):
    parsed, trouble = parse(record)
    assert [type(fact) for _, fact in parsed.facts] == [Described, Linked]
    assert trouble.reason is Reason.BAD_FIELD


def test_of_several_recipients_those_that_can_be_read_are_kept():
    parsed, trouble = parse(event("Bounce", bounce={"timestamp": STAMP, "bouncedRecipients": [FAILED, {}]}))
    assert parsed.facts[1][1] == Bounced(HAPPENED, (ANN,), "", "", "5.1.1", "smtp; 550")
    assert trouble.reason is Reason.BAD_FIELD
