"""A lost `250` is found again by the Message-ID (rule 10); what a submission tells its SES mail (rules 9 and 11)."""

from __future__ import annotations

import pytest

from service.policy import parse_policy
from tests.stories.story import LOST, TIMED_OUT

ANN, BOB, CARL = "ann@example.com", "bob@example.org", "carl@example.net"


def test_a_lost_reply_is_found_at_once_where_the_id_is_known_to_be_lost(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").taken(mail).unconfirmed(mail).at("2s").send(mail).at("5s").delivery(mail)
    assert story.document(mail)["queue_ids"] == [mail.submission]
    story.watermark("20h")
    assert (story.outcome(mail), story.announced()) == ("delivered", [])
    assert story.unpublished(mail)


def test_a_log_that_breaks_off_is_asked_about_at_half_the_time(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").taken(mail).at("2s").send(mail).at("5s").delivery(mail).watermark("7m29s")
    assert story.document(mail)["queue_ids"] == []
    story.watermark("7m30s")
    assert story.document(mail)["queue_ids"] == [mail.submission]
    story.watermark("20h")
    assert (story.outcome(mail), story.announced()) == ("delivered", [])


def test_a_connection_lost_after_the_end_of_the_data(story):
    """Neither sent nor failed: only SES's events can tell."""
    mail = story.mail(ANN, BOB)
    story.at("0s").submitted(mail).at("1s").taken(mail).deferred(mail, why=LOST).at("2s").send(mail).delivery(mail)
    story.watermark("20h")
    assert (story.outcomes(mail), story.announced()) == ({ANN: "delivered", BOB: "delivered"}, [])


def test_not_found(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail, why=LOST).watermark(smtp="30m", ses="17m")
    assert story.announced() == []  # SES may have spoken of it by the deadline, and the grace
    story.watermark(ses="17m1s")
    assert (story.gaps(mail), story.cause(mail)) == (["ambiguous ann@example.com: open"], "ambiguous")


def test_a_backlog_of_events_makes_it_late_and_never_false(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").taken(mail).deferred(mail, why=LOST).watermark(smtp="3h", ses="10m")
    assert story.announced() == []
    story.at("2s", read="3h").send(mail).at("5s", read="3h").delivery(mail).watermark("4h")
    assert (story.outcome(mail), story.announced()) == ("delivered", [])


def test_found_after_the_gap_was_announced(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").taken(mail).unconfirmed(mail).watermark("20m")
    assert story.announced() == ["opened no_id_in_reply ann@example.com"]
    story.at("2s", read="40m").send(mail).at("5s", read="40m").delivery(mail).watermark("1h")
    assert story.announced()[1:] == ["resolved no_id_in_reply ann@example.com: found_by_message_id"]
    assert story.submission(mail)["superseded_by"] == mail.ses_id
    assert story.outcome(mail) == "delivered"


def test_events_without_headers_cannot_be_linked(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").taken(mail).unconfirmed(mail)
    story.at("2s").send(mail, headers=False).at("5s").delivery(mail, headers=False).watermark("20m")
    assert (story.outcome(mail), story.gaps(mail)) == ("delivered", ["no_id_in_reply ann@example.com: open"])


def test_the_join_can_be_switched_off(tell):
    story = tell(policy=parse_policy({"message_id_join": "off"}))
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").taken(mail).unconfirmed(mail).at("2s").send(mail).delivery(mail)
    story.watermark("20m")
    assert story.gaps(mail) == ["no_id_in_reply ann@example.com: open"]


def test_a_mail_without_a_message_id_asks_nobody(story):
    mail = story.mail(message_id="")
    story.at("0s").submitted(mail).at("1s").deferred(mail, why=TIMED_OUT).watermark(smtp="17m1s", ses="1s")
    assert story.gaps(mail) == ["unreachable ann@example.com: open"]


def test_lines_of_further_recipients_come_after_the_question(story):
    """Line by line the first recipient asks alone; the answer must reach the others too."""
    mail = story.mail(ANN, BOB, CARL)
    story.at("0s").submitted(mail).at("1s").taken(mail).at("2s").send(mail).delivery(mail)
    for recipient in mail.recipients:
        story.at("1s").deferred(mail, recipient, why=LOST)
    story.watermark("20h")
    assert story.announced() == []


def test_one_of_two_transactions_is_found_and_the_other_is_not(story):
    mail = story.mail(ANN, BOB)
    first, second = story.part(mail, ANN), story.part(mail, BOB)
    story.at("0s").submitted(mail).at("1s").taken(first).deferred(first, why=LOST).at("2s").deferred(second, why=LOST)
    story.at("3s").send(first).delivery(first).watermark("20h")
    assert story.gaps(mail) == [f"ambiguous {BOB}: open"]
    submission = story.submission(mail)
    assert ([r["address"] for r in submission["recipients"]], submission["ses_mails"]) == ([BOB], [first.ses_id])


def test_both_transactions_are_found(story):
    mail = story.mail(ANN, BOB)
    first, second = story.part(mail, ANN), story.part(mail, BOB)
    story.at("0s").submitted(mail).at("1s").taken(first).deferred(first, why=LOST)
    story.at("2s").taken(second).deferred(second, why=LOST)
    story.at("3s").send(first).delivery(first).send(second).delivery(second).watermark("20h")
    assert (story.announced(), story.outcomes(second)) == ([], {BOB: "delivered"})


def test_the_lost_transaction_is_not_taken_for_the_one_that_got_its_id(story):
    """Both bear the same Message-ID and come from the same domain; only the recipients tell them apart."""
    mail = story.mail(ANN, BOB)
    first, second = story.part(mail, ANN), story.part(mail, BOB)
    story.at("0s").submitted(mail).at("1s").accepted(first).at("2s").deferred(second, why=LOST)
    story.at("3s").send(first).delivery(first).watermark("20h")
    assert story.gaps(mail) == [f"ambiguous {BOB}: open"]


def test_one_message_id_for_many_mails(story):
    """A newsletter with a Message-ID of its own for all: each finds its own, and the one that is lost finds none."""
    mails = [story.mail(f"reader-{n}@example.com", message_id="the-same@shop.example") for n in range(4)]
    for number, mail in enumerate(mails):
        story.at(f"{number}s").submitted(mail).unconfirmed(mail)
        if number != 2:
            story.taken(mail).at(f"{number + 2}s").send(mail).delivery(mail)
    story.watermark("20m")
    assert story.announced() == ["opened no_id_in_reply reader-2@example.com"]
    for number in (0, 1, 3):
        assert story.document(mails[number])["queue_ids"] == [mails[number].submission]


def test_an_old_mail_with_the_same_message_id_is_no_answer(story):
    old, new = story.mail(message_id="fixed@shop.example"), story.mail(message_id="fixed@shop.example")
    story.at("0s").submitted(old).accepted(old).at("1s").send(old).delivery(old)
    story.at("2h").submitted(new).unconfirmed(new).watermark("3h")
    assert story.gaps(new) == ["no_id_in_reply ann@example.com: open"]


def test_a_retry_after_an_ambiguous_end_makes_two_mails(story):
    """SES had the first one, too: the recipient gets it twice, and both have a record."""
    mail = story.mail()
    again = story.part(mail, ANN)
    story.at("0s").submitted(mail).at("1s").taken(mail).deferred(mail, why=LOST).at("2s").send(mail).delivery(mail)
    story.at("5m").accepted(again).removed(again).at("5m2s").send(again).delivery(again).watermark("20h")
    assert (story.outcome(mail), story.outcome(again), story.announced()) == ("delivered", "delivered", [])


def test_a_lost_id_in_a_log_without_zones(tell):
    story = tell(zone=False)
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").taken(mail).unconfirmed(mail).at("2s").send(mail).delivery(mail)
    story.watermark("20h")
    assert story.document(mail)["submitted_at"] == "2026-07-27T12:00:00.000Z"


def test_what_is_learned_later_is_told_again(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail, headers=False).delivery(mail, headers=False)
    assert story.document(mail)["message_id_header"] is None
    story.at("0s", read="10s").submitted(mail).watermark("20h")
    document = story.document(mail)
    assert document["message_id_header"] == f"<{mail.message_id}>"
    assert [entry["fact"] for entry in document["trail"]] == ["submitted", "accepted", "delivered", "sent"]


@pytest.mark.parametrize("known", [True, False])
def test_a_refused_mail_needs_no_answer(story, known):
    mail = story.mail(message_id=None if known else "")
    story.at("0s").submitted(mail).at("1s").refused(mail)
    assert story.gaps(mail) == ["unverified_identity ann@example.com: open"]


def test_ses_writes_the_recipient_in_another_case(story):
    mail = story.mail("Ada@example.com")
    story.at("0s").submitted(mail).at("1s").deferred(mail, why=LOST).taken(mail)
    mail.recipients = ["ada@example.com"]
    story.at("2s").send(mail).delivery(mail).watermark("20h")
    assert story.announced() == []
