"""Somebody closes a gap: recorded once, kept through crashes, and no obstacle to what the mail still does."""

from __future__ import annotations

import pytest

from service.contract.enums import GapState
from service.facts_record import Closing, FactsRecord
from service.lives import name_of
from service.policy import parse_policy
from tests.stories.story import after

ALONE = parse_policy({"message_id_join": False})


@pytest.fixture
def story(tell):
    return tell(policy=ALONE, forgets=True)


def _close(story, offset="20m", reason="the test account"):
    """Closes whatever gap was announced last, as `mailgap gaps close` does."""
    gap = story.told().gaps[-1]
    closing = Closing(name_of(gap.mail_id, gap.ses_message_id), gap.gap_id, after(offset), "ann", reason)
    story.log.append(FactsRecord(closings=[closing]))
    return story.told().gaps


def _silent(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).watermark("18m")
    return mail


def test_a_closed_gap_says_who_when_and_why_and_is_not_counted_as_open(story):
    mail = _silent(story)
    opened, closed = _close(story)
    assert (opened.state, closed.state) == (GapState.OPENED, GapState.CLOSED)
    assert (closed.gap_id, closed.revision, closed.resolution) == (opened.gap_id, 2, "closed_by_operator")
    assert (closed.closed_by, closed.close_reason) == ("ann", "the test account")
    assert story.gaps(mail) == ["rate_exceeded ann@example.com: closed_by_operator"]
    assert story.told().counts["gaps_resolved", "sent_no_ses_id", "closed_by_operator", "default"] == 1
    assert not any(correlator.ruling.open_gaps for correlator in story.told().correlators)


def test_it_is_closed_once_and_never_opened_again(story):
    _silent(story)
    _close(story)
    _close(story)
    story.told().crash()
    story.watermark("60m").watermark("130h").watermark("300h")
    assert [gap.state for gap in story.told().gaps] == [GapState.OPENED, GapState.CLOSED]


def test_the_mails_own_record_goes_on_telling_what_becomes_of_it(story):
    mail = _silent(story)
    _close(story)
    story.at("30m").accepted(mail).removed(mail).at("31m").send(mail).delivery(mail).watermark("60m")
    assert story.outcome(mail) == "delivered"
    assert len(story.told().gaps) == 2


def test_silence_after_ses_took_the_mail_is_closed_under_its_id(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).removed(mail).at("2s").send(mail).watermark("15h")
    assert [gap.state for gap in _close(story, "16h")] == [GapState.OPENED, GapState.CLOSED]
    story.at("17h").delivery(mail).watermark("18h")
    assert len(story.told().gaps) == 2
    assert story.outcome(mail) == "delivered"


def test_what_is_not_there_or_is_over_is_left_alone(story):
    mail = _silent(story)
    gap = story.told().gaps[-1]
    for name in (b"Q:mx9/4F2A", b"S:none"):
        story.log.append(FactsRecord(closings=[Closing(name, gap.gap_id, after("20m"), "ann", "why")]))
    story.log.append(FactsRecord(closings=[Closing(name_of(gap.mail_id, None), "other", after("20m"), "ann", "why")]))
    assert len(story.told().gaps) == 1
    story.at("20m").accepted(mail)
    assert [gap.state for gap in _close(story)] == [GapState.OPENED, GapState.RESOLVED], "it was over"
