"""Many mails whose `250` was lost, and what must find them again is far behind or dead (rule 10): late, never false."""

from __future__ import annotations

import pytest

from service.facts import message_id_name
from tests.stories.queues import Queues
from tests.stories.story import LOST, Story

SHARDS = 4
MAILS = 60
MISSING = (7, 31)
"""Of these SES knows nothing."""
DAY = 24 * 60


@pytest.fixture
def story():
    return Story()


def replies_are_lost(story):
    """A mail a minute, of which SES's answer does not reach the log: the connection breaks, or a proxy eats the id."""
    mails = [story.mail() for _ in range(MAILS)]
    for number, mail in enumerate(mails):
        story.at(f"{number}m").submitted(mail).taken(mail)
        if number % 2:
            story.unconfirmed(mail)
        else:
            story.deferred(mail, why=LOST)
    return mails


def events_come(story, mails, read):
    """What SES said at the time reaches Kafka when `read(number)` says."""
    for number, mail in enumerate(mails):
        if number not in MISSING:
            story.at(f"{number}m", read=read(number)).send(mail).delivery(mail)


def missing(mails):
    return sorted(mails[number].submission for number in MISSING)


def opened(world):
    return sorted(gap.mail_id.partition("@")[0] for gap in world.gaps if gap.state == "opened")


def test_a_day_s_backlog_of_events(story):
    """The consumer of SES's events is a day behind, while the logs are up to date."""
    world, mails = Queues(story.policy, story.sources, SHARDS), replies_are_lost(story)
    for hour in range(1, 25):
        story.watermark(smtp=f"{hour}h", ses="30s")
    world.publish(story.log)
    world.run()
    assert world.gaps == []
    count = len(story.log)
    events_come(story, mails, lambda number: f"{DAY + number}m")
    story.watermark("26h").watermark("27h")
    world.publish(story.log[count:])
    world.run()
    assert opened(world) == missing(mails)
    assert all(gap.state == "opened" for gap in world.gaps), "nothing was announced that had to be taken back"
    found = [world.documents[mail.ses_id]["queue_ids"] for n, mail in enumerate(mails) if n not in MISSING]
    assert found == [[mail.submission] for n, mail in enumerate(mails) if n not in MISSING]


@pytest.mark.parametrize("dead", range(SHARDS))
def test_the_shard_of_the_message_ids_is_dead_past_the_deadline(story, dead):
    """It dies before it has read of any mail, and comes back two hours later; the others go on."""
    world, mails = Queues(story.policy, story.sources, SHARDS), replies_are_lost(story)
    there = [world.shard_of(message_id_name(mail.message_id)) == dead for mail in mails]
    assert any(there)
    assert not all(there)
    events_come(story, mails, lambda number: f"{number}m")
    story.watermark("1h").watermark("3h")
    world.publish(story.log)
    world.run(dead)
    assert set(opened(world)) <= set(missing(mails))
    world.kill(dead)
    world.kill(dead)
    world.run()
    count = len(story.log)
    world.publish(story.watermark("4h").log[count:])
    world.run()
    assert opened(world) == missing(mails)
    assert all(gap.state == "opened" for gap in world.gaps)
