"""One queue id, several mails (rule 8): a mail server uses its ids again."""

from __future__ import annotations

import pytest

from service.policy import parse_policy

ALONE = parse_policy({"message_id_join": False})


@pytest.fixture
def story(tell):
    return tell(policy=ALONE)


def test_a_queue_id_is_used_again(story):
    first = story.mail(queue_id="4F2A1C0C918")
    second = story.mail(queue_id="4F2A1C0C918")
    story.at("0s").submitted(first).at("1s").accepted(first).removed(first).at("2s").send(first).delivery(first)
    story.at("1h").submitted(second).at("1h1s").deferred(second).watermark("2h")
    assert story.outcome(first) == "delivered"
    assert story.gaps(second) == ["rate_exceeded ann@example.com: open"]
    assert story.submission(second)["mail_id"] == "mx1/4F2A1C0C918@1785157200"
    assert story.document(first)["submitted_at"] == "2026-07-27T12:00:00.000Z"


def test_each_life_has_its_own_gap(story):
    mails = [story.mail(queue_id="4F2A1C0C918") for _ in range(3)]
    for hours, mail in enumerate(mails):
        story.at(f"{hours}h").submitted(mail).at(f"{hours}h1s").refused(mail).removed(mail)
    story.watermark("4h")
    assert story.announced() == ["opened unverified_identity ann@example.com"] * 3
    assert len({gap.mail_id for gap in story.told().gaps}) == 3


def test_a_life_whose_end_was_not_logged_ends_where_the_next_begins(story):
    first, second = story.mail(queue_id="4F2A1C0C918"), story.mail(queue_id="4F2A1C0C918")
    story.at("0s").submitted(first).at("1s").deferred(first).watermark("9h")
    story.at("10h").submitted(second).at("10h1s").accepted(second).removed(second).at("10h2s").send(second)
    story.watermark("11h")
    assert story.announced() == ["opened rate_exceeded ann@example.com"]
    assert story.document(second)["submitted_at"] == "2026-07-27T22:00:00.000Z"


def test_removed_twice_is_the_end_of_one_life(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).removed(mail).at("2s").removed(mail).at("3s").delivery(mail)
    story.watermark("20h")
    assert story.announced() == []


def test_lines_of_one_second_are_read_in_the_order_in_which_they_are_written(tell):
    """Old stamps have a tick of a second: which line came first is known from what a mail server does."""
    story = tell(policy=ALONE, zone=False)
    mail = story.mail()
    story.at("0s").removed(mail).accepted(mail).deferred(mail).queued(mail).started(mail).at("1s").delivery(mail)
    story.watermark("20h")
    assert (story.announced(), story.outcome(mail)) == ([], "delivered")


def test_an_operator_requeues_a_mail_which_goes_on_under_another_id(story):
    """`postsuper -r`: pickup takes it in again. Under its old id nobody waits for it any more."""
    old = story.mail()
    story.at("0s").submitted(old).at("1s").deferred(old).at("5m").requeued(old)
    new = story.mail(message_id=old.message_id)
    story.at("5m1s").submitted(new).at("5m2s").accepted(new).removed(new).at("5m3s").send(new).delivery(new)
    story.watermark("20h")
    assert (story.announced(), story.outcome(new)) == ([], "delivered")


def test_a_requeued_mail_that_is_lost_then_is_one_gap(story):
    old = story.mail()
    story.at("0s").submitted(old).at("1s").deferred(old).at("5m").requeued(old)
    new = story.mail(message_id=old.message_id)
    story.at("5m1s").submitted(new).at("5m2s").deferred(new).watermark("20h")
    assert story.announced() == ["opened rate_exceeded ann@example.com"]


def test_the_mail_id_stays_whatever_earlier_line_turns_up(story):
    """Once a gap was announced under an id, it must be resolved under that id."""
    mail = story.mail()
    story.at("5s").refused(mail).watermark("3m")
    (before,) = [gap.mail_id for gap in story.told().gaps]
    story.at("0s", read="4m").submitted(mail).at("20m").accepted(mail).at("20m1s").send(mail).watermark("1h")
    assert [gap.mail_id for gap in story.told().gaps] == [before, before]
    assert story.announced()[1:] == ["resolved unverified_identity ann@example.com: accepted"]
