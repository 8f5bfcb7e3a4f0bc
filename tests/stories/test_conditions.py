"""What concerns many mails at once is one condition, raised once and cleared once (rules 15, 16 and 20)."""

from __future__ import annotations

import pytest

from service.facts import Source
from service.policy import parse_policy
from service.watermarks import Hole
from tests.stories.statements import entry
from tests.stories.story import Story, after
from tests.stories.world import World

ANN = "ann@example.com"
PAUSED = "host {relay} said: 554 Message rejected: Sending paused for this account. (in reply to end of DATA)"
QUOTA = "host {relay} said: 454 Throttling failure: Daily message quota exceeded. (in reply to MAIL FROM)"
ALONE = parse_policy({"message_id_join": False})


@pytest.fixture
def sampled(tell):
    return tell(policy=ALONE, sampled=True)


def _lively(story: Story, seconds: int = 30) -> None:
    for second in range(seconds):
        mail = story.mail()
        story.at(f"{second}s").accepted(mail).at(f"{second + 1}s").send(mail).delivery(mail)


def test_the_feed_of_events_stops_and_returns(sampled):
    story = sampled
    _lively(story, 3)
    waiting = [story.mail() for _ in range(20)]
    for number, mail in enumerate(waiting):
        story.at(f"{10 + number}m").accepted(mail)
    story.watermark("30m").watermark("50m")
    assert story.conditions() == ["raised source_stalled ses: SES's events"]
    assert story.announced() == []
    for number, mail in enumerate(waiting):
        story.at(f"{10 + number}m", read="1h").send(mail).delivery(mail)
    story.watermark("1h1m").watermark("2h")
    assert story.conditions()[1:] == ["cleared source_stalled ses: SES's events"]
    assert story.announced() == []


def test_a_stall_is_raised_only_after_a_while(sampled):
    story = sampled
    _lively(story, 3)
    for number in range(20):
        story.at(f"{60 + number}s").accepted(story.mail())
    story.watermark("10m")
    assert story.conditions() == []
    story.watermark("11m")
    assert len(story.conditions()) == 1


def test_one_region_of_two_is_silent(sampled):
    """Its Delivery events are silent with it: that is one condition, and the other region's mails are judged."""
    story = sampled
    for number in range(25):
        mail = story.mail()
        mail.ses_id = f"0102{after(f'{number}s'):012x}-{number:08x}-0000-4000-8000-000000000000-000000"
        mail.accepted = after(f"{number}s")
        story.at(f"{number}s").accepted(mail)
    _lively(story, 40)
    story.watermark("12m")
    assert story.conditions() == ["raised feed_missing ses: SES's events of region eu-west-1"]


def test_a_configuration_set_without_deliveries(sampled):
    story = sampled
    for number in range(25):
        mail = story.mail(configuration_set="sends-only")
        story.at(f"{number}s").accepted(mail).send(mail)
    _lively(story, 40)
    story.watermark("12m")
    assert story.conditions() == [
        "raised feed_missing ses: the Delivery events of configuration set sends-only (us-east-1, account 123456789012)"
    ]


def test_the_log_of_one_host_breaks_off(sampled):
    story = sampled
    for number in range(25):
        mail = story.mail(host="mx2")
        story.at(f"{number}s").submitted(mail).deferred(mail)
    for minute in range(1, 14):
        other = story.mail()
        story.at(f"{minute}m").submitted(other).accepted(other).send(other).delivery(other)
    story.watermark("13m")
    assert story.conditions() == ["raised source_stalled smtp: the log of mx2"]
    assert story.announced() == []
    story.at("14m").submitted(story.mail(host="mx2")).watermark("15m")
    assert story.conditions()[1:] == ["cleared source_stalled smtp: the log of mx2"]


def test_the_logs_of_all_hosts_break_off(sampled):
    story = sampled
    for number in range(50):
        mail = story.mail(host=f"mx{number % 2}")
        story.at(f"{number}s").submitted(mail).deferred(mail)
    story.watermark("20m")
    assert story.conditions() == ["raised source_stalled smtp: the logs of all hosts"]


@pytest.mark.parametrize(("why", "cause"), [(PAUSED, "account_paused"), (QUOTA, "quota_exceeded")])
def test_an_account_that_ses_refuses_is_known_from_the_first_line(story, why, cause):
    mails = [story.mail() for _ in range(3)]
    story.at("0s").submitted(mails[0]).deferred(mails[0], why=why).state()
    assert story.conditions() == ["raised account_refused smtp: region us-east-1"]
    assert story.told().conditions[0].cause == cause
    for number, mail in enumerate(mails[1:], start=1):
        story.at(f"{number}m").submitted(mail).deferred(mail, why=why).watermark(f"{number}m")
    assert len(story.conditions()) == 1


def test_an_account_that_ses_takes_mail_from_again(story):
    mail, other = story.mail(), story.mail()
    story.at("0s").submitted(mail).deferred(mail, why=PAUSED).watermark("5m")
    story.at("6m").submitted(other).accepted(other).send(other).delivery(other).watermark("7m")
    assert len(story.conditions()) == 1, "it may be other credentials that work"
    story.at("8m").accepted(mail).removed(mail).at("8m1s").send(mail).delivery(mail).watermark("11m")
    assert story.conditions()[1:] == ["cleared account_refused smtp: region us-east-1"]
    again = story.mail()
    story.at("2h").submitted(again).deferred(again, why=PAUSED).watermark("2h1m")
    assert story.conditions()[2:] == ["raised account_refused smtp: region us-east-1"]


def test_events_that_were_lost_unread(story):
    """Retention removed what SES said about one mail: its silence is no evidence. The others are judged."""
    before, lost, later = story.mail(), story.mail(), story.mail("bob@example.com")
    story.at("0s").submitted(before).accepted(before).at("1s").send(before).delivery(before)
    story.at("1h").submitted(lost).accepted(lost).watermark(smtp="1h1m")
    hole = Hole(Source.SES, "ses-records", 0, 100, 200, after("1s"), after("2h"))
    story.state(entry(Source.SES, after("2h")), holes=(hole,))
    story.at("3h").submitted(later).accepted(later).watermark("4h").watermark("20h")
    assert story.conditions()[:1] == ["raised evidence_lost ses: ses-records, partition 0, from offset 100"]
    assert story.announced() == ["opened no_events bob@example.com"]
    assert story.document(lost)["held"]


def test_lines_that_were_lost_unread(story):
    refused, waits = story.mail(), story.mail("bob@example.com")
    story.at("0s").submitted(refused).refused(refused).submitted(waits)
    hole = Hole(Source.SMTP, "smtp-records", 0, 5, 9, after("1s"), after("1m"))
    story.state(entry(Source.SMTP, after("1m")), holes=(hole,)).watermark("20h")
    assert story.announced() == [f"opened unverified_identity {ANN}"], "a refusal is no silence"


@pytest.mark.parametrize("restart", [False, True])
def test_facts_that_were_lost_unread(restart):
    """The worker was away for longer than facts are kept: what SES may have said of a mail since is not known."""
    story = Story(policy=ALONE)
    waits, later = story.mail(), story.mail("bob@example.com")
    story.at("1h").submitted(waits).accepted(waits).watermark("1h1m")
    world = World(ALONE, story.sources)
    world.take(story.log)
    count = len(story.log)
    world.correlators[0].lose("mailgap-facts", 0, 100, 200)
    story.watermark("9h")
    world.take(story.log[count:])
    if restart:
        world.crash()
    count = len(story.log)
    story.at("9h1s").submitted(later).accepted(later).watermark("20h")
    world.take(story.log[count:])
    assert [(c.condition, c.state, c.about) for c in world.conditions] == [
        ("evidence_lost", "raised", f"what {source} said, in mailgap-facts, partition 0, from offset 100")
        for source in ("smtp", "ses")
    ]
    assert [gap.recipient for gap in world.gaps] == ["bob@example.com"]
    assert world.documents[waits.ses_id]["held"]


def test_a_hole_is_forgotten_when_nothing_can_overlap_it(tell):
    story = tell(forgets=True)
    hole = Hole(Source.SES, "ses-records", 0, 100, 200, after("1s"), after("1m"))
    story.state(entry(Source.SES, after("2h")), holes=(hole,)).watermark("3h").watermark("80h")
    assert [said.partition(" ")[0] for said in story.conditions()] == ["raised", "cleared"]
