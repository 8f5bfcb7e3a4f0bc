"""What SES really does once it has a mail (DESIGN section 5): outcomes, recipient by recipient, in whatever order."""

from __future__ import annotations

import pytest

from service.facts import Source
from tests.stories import text

ANN, BOB, CARL = "ann@example.com", "bob@example.org", "carl@example.net"


def test_a_mail_that_arrives(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).removed(mail)
    story.at("2s").send(mail).at("8s").delivery(mail).watermark("20h")
    assert (story.outcome(mail), story.cause(mail), story.gaps(mail)) == ("delivered", "delivered", [])
    assert story.unpublished(mail)  # rule 11: its facts stand in the SES mail's record
    document = story.document(mail)
    assert document["queue_ids"] == [mail.submission]
    assert document["message_id_header"] == f"<{mail.message_id}>"
    assert (document["submitted_at"], document["accepted_at"]) == (
        "2026-07-27T12:00:00.000Z",
        "2026-07-27T12:00:01.000Z",
    )
    assert [entry["fact"] for entry in document["trail"]] == ["submitted", "accepted", "sent", "delivered"]


def test_a_delivery_and_then_a_bounce(story):
    """The provider took the mail and bounced it 17 s later (cds-snc/notification-api #1295)."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").send(mail)
    story.at("5s").delivery(mail).at("22s").bounce(mail).watermark("20h")
    assert (story.outcome(mail), story.gaps(mail)) == ("bounced", [])


def test_a_bounce_and_then_a_delivery(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).at("5s").bounce(mail).at("22s").delivery(mail).watermark("20h")
    assert (story.outcome(mail), story.gaps(mail)) == ("delivered", [])


def test_a_delivery_twice(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("5s").delivery(mail).at("9s").delivery(mail).watermark("20h")
    assert story.outcome(mail) == "delivered"
    assert story.document(mail)["recipients"][0]["at"] == "2026-07-27T12:00:05.000Z"


def test_an_out_of_office_reply_changes_nothing(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("5s").delivery(mail).at("8s").bounce(mail, "Transient/General").watermark("20h")
    assert story.outcome(mail) == "delivered"


def test_a_general_soft_bounce_alone_is_a_soft_bounce(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("8s").bounce(mail, "Transient/General").watermark("20h")
    assert (story.outcome(mail), story.gaps(mail)) == ("soft_bounced", [])


def test_a_complaint_without_a_delivery(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).at("30s").complaint(mail).watermark("20h")
    assert (story.outcome(mail), story.gaps(mail)) == ("complained", [])


def test_a_complaint_that_says_the_mail_was_never_sent(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").complaint(mail, subtype="OnAccountSuppressionList").watermark("20h")
    assert (story.outcome(mail), story.cause(mail)) == ("suppressed", "suppressed_account")


def test_not_spam_is_no_complaint(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("5s").delivery(mail).at("60s").complaint(mail, feedback="not-spam").watermark(
        "20h"
    )
    assert story.outcome(mail) == "delivered"


def test_who_says_that_it_is_no_spam_has_the_mail(story):
    """The Delivery event was lost; and it is said who said it, so of several recipients he alone has it."""
    mail = story.mail(ANN, BOB)
    story.at("1s").accepted(mail).at("2s").send(mail).at("60s").complaint(mail, ANN, feedback="not-spam")
    story.watermark("20h")
    assert story.outcomes(mail) == {ANN: "delivered", BOB: "pending"}
    assert story.gaps(mail) == [f"sent_then_silent {BOB}: open"]
    assert "not_spam" in [entry["fact"] for entry in story.document(mail)["trail"]]


def test_events_before_the_log_line(story):
    """SES's event can be here before the log was shipped (GOV.UK Notify retries five times for it)."""
    mail = story.mail()
    story.at("1s").taken(mail).at("2s").send(mail).at("5s").delivery(mail)
    assert story.outcome(mail) == "delivered"
    story.at("0s", read="9s").submitted(mail).at("1s", read="9s").accepted(mail).watermark("20h")
    assert story.outcome(mail) == "delivered"
    assert story.document(mail)["queue_ids"] == [mail.submission]
    assert story.announced() == []


def test_one_delivery_event_for_some_recipients_and_others_later(story):
    mail = story.mail(ANN, BOB, CARL)
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").send(mail).at("5s").delivery(mail, ANN, BOB)
    story.watermark("1m")
    assert story.outcomes(mail) == {ANN: "delivered", BOB: "delivered", CARL: "pending"}
    story.at("2h").bounce(mail, "Permanent/NoEmail", CARL).watermark("20h")
    assert story.outcomes(mail) == {ANN: "delivered", BOB: "delivered", CARL: "bounced"}
    assert story.announced() == []


def test_the_same_event_by_two_paths(story):
    """Event publishing by SNS and by EventBridge: other envelopes with other ids, one fact."""
    mail = story.mail()
    story.at("1s").accepted(mail)
    for path in (text.by_sns, text.by_eventbridge, text.bare, text.by_sns):
        story.at("2s").send(mail, by=path).at("5s").delivery(mail, by=path)
    story.watermark("20h")
    assert [entry["fact"] for entry in story.document(mail)["trail"]] == ["accepted", "sent", "delivered"]


def test_an_event_type_that_nobody_knows_is_kept_by_its_name(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("4s").event(mail, "Levitation", {"height": 3})
    story.at("5s").delivery(mail).watermark("20h")
    assert [entry["fact"] for entry in story.document(mail)["trail"]] == ["accepted", "Levitation", "delivered"]
    assert story.outcome(mail) == "delivered"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("Transient/SRETeamEatenByDinosaurs", "soft_bounced"),
        ("Permanent/NeverSeenBefore", "bounced"),
        ("Novel/Novel", "bounced"),
        ("Undetermined/Undetermined", "bounced"),
        ("Permanent/Suppressed", "suppressed"),
        ("Permanent/OnAccountSuppressionList", "suppressed"),
        ("Permanent/OnTenantSuppressionList", "suppressed"),
        ("Permanent/EmailValidationSuppressed", "suppressed"),
        ("Permanent/UnsubscribedRecipient", "suppressed"),
        ("Transient/MailboxFull", "soft_bounced"),
        ("Transient/CustomTimeoutExceeded", "soft_bounced"),
    ],
)
def test_kinds_of_bounces(story, kind, outcome):
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).at("3s").bounce(mail, kind).watermark("20h")
    recipient = story.document(mail)["recipients"][0]
    detail = recipient["detail"]
    assert (recipient["outcome"], f"{detail['bounce_type']}/{detail['bounce_subtype']}") == (outcome, kind)
    assert story.gaps(mail) == []  # rule 1: explained, so no gap


def test_a_virus(story):
    mail = story.mail(ANN, BOB)
    story.at("1s").accepted(mail).at("2s").reject(mail).watermark("20h")
    assert (story.outcomes(mail), story.cause(mail)) == ({ANN: "rejected", BOB: "rejected"}, "virus")
    assert story.gaps(mail) == []


def test_a_template_that_cannot_be_rendered(story):
    mail = story.mail()
    story.at("1s").taken(mail).at("2s").rendering_failure(mail).watermark("20h")
    assert (story.outcome(mail), story.cause(mail), story.gaps(mail)) == ("rendering_failed", "template_error", [])


def test_an_opened_mail_was_delivered(story):
    """The Delivery event was lost (EventBridge is best effort), but somebody saw the mail."""
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).at("10m").opened(mail).watermark("20h")
    assert (story.outcome(mail), story.gaps(mail)) == ("delivered", [])


def test_who_opened_it_is_not_said_where_there_are_two(story):
    mail = story.mail(ANN, BOB)
    story.at("1s").accepted(mail).at("2s").send(mail).at("10m").opened(mail).watermark("20h")
    assert story.outcomes(mail) == {ANN: "pending", BOB: "pending"}
    assert story.gaps(mail) == [f"sent_then_silent {ANN}: open", f"sent_then_silent {BOB}: open"]


def test_a_bounce_by_the_name_of_a_forwarded_address(story):
    """A `Final-Recipient` may be where the mail was forwarded to; with one recipient left it is plain who is meant."""
    mail = story.mail(ANN, BOB)
    story.at("1s").accepted(mail).at("2s").send(mail).at("5s").delivery(mail, ANN)
    story.at("7s").bounce(mail, "Permanent/General", "bob@new.example").watermark("20h")
    assert story.outcomes(mail) == {ANN: "delivered", BOB: "bounced"}
    (detail,) = [who["detail"] for who in story.document(mail)["recipients"] if who["address"] == BOB]
    assert detail["diagnostic"].startswith("bob@new.example")


def test_events_alone_serve_a_sender_by_the_api(tell):
    """Rule 17: no logs are configured, and nobody misses them."""
    story = tell(sources=(Source.SES,))
    mail, lost = story.mail(), story.mail()
    story.at("1s").send(mail).at("5s").delivery(mail).at("6s").send(lost).watermark(ses="20h")
    assert (story.outcome(mail), story.gaps(lost)) == ("delivered", ["sent_then_silent ann@example.com: open"])


def test_a_log_without_zones_is_put_right_by_sess_own_clock(tell):
    story = tell(zone=False)
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("5s").delivery(mail).watermark("20h")
    assert story.document(mail)["submitted_at"] == "2026-07-27T12:00:00.000Z"
