"""Silence of a feed says nothing about its mails (rule 15): held, and judged when the feed speaks again."""

from __future__ import annotations

import pytest

from service.facts import Source
from service.policy import parse_policy
from tests.stories.story import LOST, Story

ALONE = parse_policy({"message_id_join": False})
MANY, LOST_ONE = 1000, 7


@pytest.fixture
def story(tell):
    return tell(policy=ALONE, sampled=True)


def lively(story, seconds: int = 60) -> None:
    """A mail a second, each delivered."""
    for second in range(seconds):
        mail = story.mail()
        story.at(f"{second}s").accepted(mail).at(f"{second + 1}s").send(mail).delivery(mail)


def a_thousand_mails(*, stalled: bool) -> list[tuple[object, ...]]:
    """A mail a second, one of which is lost. If the feed is stalled, all of its events come two hours later."""
    story = Story(policy=ALONE)
    lively(story, 5)
    mails = [story.mail() for _ in range(MANY)]

    def events(read: str | None) -> None:
        for number, mail in enumerate(mails):
            story.at(f"{1001 + number}s", read=read).send(mail)
            if number != LOST_ONE:
                story.delivery(mail)

    for number, mail in enumerate(mails):
        story.at(f"{1000 + number}s").accepted(mail)
    if not stalled:
        events(None)
    story.watermark("1h").watermark("2h")
    assert story.announced() == []
    assert [story.document(mail)["held"] for mail in mails].count(True) == (MANY if stalled else 0)
    if stalled:
        events("2h30m")
    after = story.mail()
    story.at("2h31m").accepted(after).send(after).delivery(after).watermark("3h").watermark("20h")
    assert story.announced() == ["opened sent_then_silent ann@example.com"]
    return [(story.outcome(mail), story.cause(mail), story.gaps(mail), story.document(mail)["held"]) for mail in mails]


def test_a_thousand_mails_while_the_feed_of_events_stands_still():
    """No gap is announced; when the feed returns, everything is as if it had never stopped."""
    assert a_thousand_mails(stalled=True) == a_thousand_mails(stalled=False)


def test_twenty_mails_wait_for_events_and_the_feed_returns(story):
    lively(story, 3)
    mails = [story.mail() for _ in range(20)]
    for number, mail in enumerate(mails):
        story.at(f"{10 + number}m").accepted(mail)
    story.watermark("50m")
    assert (story.announced(), story.document(mails[0])["held"], story.cause(mails[0])) == ([], True, "held")
    story.watermark("2h")
    for number, mail in enumerate(mails[1:], start=1):
        story.at(f"{10 + number}m", read="3h").send(mail).delivery(mail)
    after = story.mail()
    story.at("3h1m").accepted(after).send(after).delivery(after).watermark("3h10m")
    assert story.announced() == ["opened no_events ann@example.com"]
    assert not story.document(mails[0])["held"]


def test_nineteen_are_judged_as_usual(story):
    lively(story, 3)
    mails = [story.mail() for _ in range(19)]
    for number, mail in enumerate(mails):
        story.at(f"{10 + number}m").accepted(mail)
    story.watermark("50m")
    assert len(story.announced()) == 19


def test_one_lost_mail_of_a_burst_is_not_held_for_its_neighbours(story):
    """A newsletter at eight, and silence until the next day."""
    mails = [story.mail() for _ in range(50)]
    for number, mail in enumerate(mails):
        story.at(f"{number * 100}ms").accepted(mail)
        if number != 20:
            story.at(f"{number * 100 + 50}ms").send(mail).delivery(mail)
    story.watermark("20m")
    assert story.gaps(mails[20]) == ["no_events ann@example.com: open"]
    assert len(story.announced()) == 1


def test_a_configuration_set_that_publishes_no_deliveries(tell):
    """Of it nothing is known but that it sends; a set that does publish them is judged as ever."""
    story = tell(policy=ALONE, sampled=True, forgets=True)
    quiet = [story.mail(configuration_set="sends-only") for _ in range(25)]
    for number, mail in enumerate(quiet):
        story.at(f"{number}m").accepted(mail).send(mail)
    lively(story, 30)
    lost = story.mail()
    story.at("31s").accepted(lost).at("32s").send(lost).watermark("15h")
    assert story.announced() == ["opened sent_then_silent ann@example.com"]
    assert story.gaps(lost) == ["sent_then_silent ann@example.com: open"]
    assert all(story.document(mail)["held"] for mail in quiet)
    story.watermark("40h").watermark("45h")
    assert sum(name[:1] != b"\0" for name in story.told().stores[0]) == 0  # held for good is not kept for good


def test_the_log_of_a_host_breaks_off(story):
    """rsyslog died with 25 mails in flight: that is one host's trouble, and no 25 lost mails."""
    other = story.mail(host="mx2")
    story.at("0s").submitted(other).at("1s").accepted(other).at("2s").send(other).delivery(other)
    mails = [story.mail() for _ in range(25)]
    for number, mail in enumerate(mails):
        story.at(f"{number}s").submitted(mail).deferred(mail)
        if number:
            story.at(f"{60 + number}s").taken(mail).send(mail).delivery(mail)
    story.watermark("30m").watermark("35m")
    assert story.announced() == []
    for number, mail in enumerate(mails[1:], start=1):
        story.at(f"{60 + number}s", read="40m").accepted(mail).removed(mail)
    story.at("40m").submitted(story.mail()).watermark("45m")
    assert story.gaps(mails[0]) == ["rate_exceeded ann@example.com: open"]
    assert len(story.announced()) == 1


def test_a_host_that_goes_on_speaking_is_not_silent(story):
    mails = [story.mail() for _ in range(25)]
    for number, mail in enumerate(mails):
        story.at(f"{number}s").submitted(mail).deferred(mail)
    story.at("16m").submitted(story.mail()).watermark("18m")
    assert len(story.announced()) == 25


def test_lost_ids_are_not_declared_while_the_feed_of_events_stands_still(tell):
    """A proxy swallows all of SES's replies; the Message-ID finds each mail, unless nobody speaks of any."""
    story = tell(sampled=True)
    before = story.mail()
    story.at("0s").submitted(before).taken(before).unconfirmed(before).at("1s").send(before).delivery(before)
    mails = [story.mail() for _ in range(25)]
    for number, mail in enumerate(mails):
        story.at(f"{60 + number}s").submitted(mail).taken(mail).unconfirmed(mail)
    story.watermark("30m").watermark("1h")
    assert story.announced() == []
    for number, mail in enumerate(mails[1:], start=1):
        story.at(f"{61 + number}s", read="70m").send(mail).delivery(mail)
    after = story.mail()
    story.at("71m").submitted(after).accepted(after).at("71m1s").send(after).delivery(after)
    story.watermark("80m").watermark("90m")
    assert story.announced() == ["opened no_id_in_reply ann@example.com"]
    assert story.gaps(mails[0]) == ["no_id_in_reply ann@example.com: open"]


def test_a_source_without_feeds_heard_of_is_judged_by_its_watermark(tell):
    """SES has never spoken at all: a handful of mails are gaps."""
    story = tell(policy=ALONE, sampled=True, sources=(Source.SMTP, Source.SES))
    mails = [story.mail() for _ in range(3)]
    for mail in mails:
        story.at("0s").submitted(mail).accepted(mail)
    lost = story.mail()
    story.at("0s").submitted(lost).deferred(lost, why=LOST).watermark("20m")
    assert len(story.announced()) == 4
