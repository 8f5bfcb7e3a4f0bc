"""A feed that falls silent is one condition, over all shards, and no storm of gaps (rule 15). The others are judged."""

from __future__ import annotations

import pytest

from service.policy import parse_policy
from tests.stories.queues import Queues
from tests.stories.story import Story, after

ALONE = parse_policy({"message_id_join": False})
SHARDS, HOSTS = 4, 50
REGIONS = {"us-east-1": "0100", "eu-west-1": "0102", "eu-central-1": "0107"}


@pytest.fixture
def story():
    return Story(policy=ALONE)


def world_of(story):
    world = Queues(ALONE, story.sources, SHARDS)
    world.publish(story.log)
    world.run()
    return world


def said(world):
    return [f"{c.state} {c.condition}: {c.about}" for c in world.conditions]


def test_one_host_of_fifty_is_silent(story):
    """Its log breaks off with 60 mails in flight; SES goes on deferring the 49 others' mails for a second each."""
    silent = [story.mail(host="mx7") for _ in range(60)]
    for number, mail in enumerate(silent):
        story.at(f"{number}s").submitted(mail).deferred(mail)
    for minute in range(1, 40):
        for host in range(HOSTS):
            if host != 7 and host % 10 == minute % 10:
                mail = story.mail(host=f"mx{host}")
                story.at(f"{minute}m").submitted(mail).deferred(mail).at(f"{minute}m1s").accepted(mail).removed(mail)
                story.at(f"{minute}m2s").send(mail).delivery(mail)
        story.watermark(f"{minute}m3s")
    lost = story.mail(host="mx8")
    story.at("41m").submitted(lost).deferred(lost).at("58m").submitted(story.mail(host="mx8"))
    story.watermark("59m").watermark("60m")
    world = world_of(story)
    assert said(world) == ["raised source_stalled: the log of mx7"]
    assert [gap.mail_id.partition("@")[0] for gap in world.gaps] == [lost.submission]


def test_one_region_of_three_is_silent(story):
    """SES goes silent about eu-west-1 in the middle of its mails, some of which it had sent: their Delivery events are
    missing with all others, which is no second condition.
    """

    def said_of(region, number):
        if region != "eu-west-1":
            return ("Send", "Delivery")
        return ("Send",) if number < 100 else ()

    lost = _mails_in_three_regions(story, said_of, "transactional")
    world = world_of(story)
    assert said(world) == ["raised source_stalled: SES's events of region eu-west-1"]
    assert [gap.ses_message_id for gap in world.gaps] == [lost.ses_id]


def test_a_set_without_delivery_events(story):
    def said_of(region, _):
        return ("Send",) if region == "eu-west-1" else ("Send", "Delivery")

    lost = _mails_in_three_regions(story, said_of, "sends-only")
    world = world_of(story)
    about = "the Delivery events of configuration set sends-only (eu-west-1, account 123456789012)"
    assert said(world) == [f"raised feed_missing: {about}"]
    assert [gap.ses_message_id for gap in world.gaps] == [lost.ses_id]


def _mails_in_three_regions(story, said_of, configuration_set):
    """A hundred mails a region. Past all deadlines, only the silent feed's and the lost one have no final event."""
    for number in range(300):
        region = list(REGIONS)[number % len(REGIONS)]
        mail = _accepted(story, f"{number}s", region, number, configuration_set)
        for kind in said_of(region, number):
            _said(story, mail, kind, region)
    lost = _accepted(story, "301s", "us-east-1", 999, configuration_set)
    other = _accepted(story, "302s", "us-east-1", 1000, configuration_set)
    for kind in ("Send", "Delivery"):
        _said(story, other, kind, "us-east-1")
    story.watermark("20m").watermark("15h")
    return lost


def _accepted(story, offset, region, number, configuration_set):
    mail = story.mail(configuration_set=configuration_set)
    mail.accepted = after(offset)
    mail.ses_id = f"{REGIONS[region]}{mail.accepted:012x}-{number:08x}-0000-4000-8000-000000000000-000000"
    story.at(offset).accepted(mail)
    return mail


def _said(story, mail, kind, region):
    send_or_delivery = {"Send": story.send, "Delivery": story.delivery}[kind]
    send_or_delivery(mail, region=region)
