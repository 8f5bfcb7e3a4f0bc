"""Rows live as long as somebody may ask for them, and no longer (rules 3, 6 and 7)."""

from __future__ import annotations

import pytest

from service.facts import Source
from service.policy import parse_policy
from tests.stories.world import deadlines

# The window's hour, the longest deadline of 14 h and a day of keeping: rows go 39 h after their window began.
ALONE = parse_policy({"message_id_join": False})


@pytest.fixture
def story(tell):
    return tell(policy=ALONE, forgets=True)


def rows(story) -> int:
    return sum(name[:1] != b"\0" for store in story.told().stores for name in store)


def test_what_is_over_is_forgotten(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).removed(mail).at("2s").send(mail).delivery(mail)
    story.watermark("38h59m")
    assert rows(story) == 2
    story.watermark("39h")
    assert rows(story) == 0
    assert story.announced() == []
    assert story.outcome(mail) == "delivered"  # what was published stays published


def test_an_open_gap_is_closed_before_its_row_goes(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").send(mail).watermark("15h").watermark("39h")
    assert story.announced() == [
        "opened sent_then_silent ann@example.com",
        "closed sent_then_silent ann@example.com: window_closed",
    ]
    assert rows(story) == 0


def test_a_deferred_mail_stays_for_the_lifetime_of_the_queue(story):
    """Postfix goes on trying for five days."""
    mail, gone = story.mail(), story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).submitted(gone).deferred(gone).watermark("1h")
    story.watermark("100h")
    assert rows(story) == 2
    story.at("119h").taken(mail).at("119h").accepted(mail).removed(mail).at("119h2s").send(mail).delivery(mail)
    story.watermark("120h")
    assert story.gaps(mail) == ["rate_exceeded ann@example.com: accepted"]
    story.watermark("146h")
    assert story.gaps(gone) == ["rate_exceeded ann@example.com: window_closed"]
    story.watermark("200h")
    assert rows(story) == 0


def test_a_complaint_after_weeks(story):
    """It is published by itself: the row is gone, and the published record must not be overwritten."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").delivery(mail).watermark("39h")
    before = story.document(mail)
    story.at("500h").complaint(mail).watermark("501h")
    assert story.document(mail) == before
    late = [document for key, document in story.told().documents.items() if "#late#" in key]
    assert [key.partition("#late#")[0] for key in story.world.documents if "#late#" in key] == [mail.ses_id]
    assert (late[0]["partial"], late[0]["mail_id"], late[0]["gaps"]) == (True, mail.ses_id, [])
    assert [r["outcome"] for r in late[0]["recipients"]] == ["complained"]
    assert [entry["fact"] for entry in late[0]["trail"]] == ["complained"]
    assert rows(story) == 0


def test_a_late_event_of_an_id_that_carries_no_clock(story):
    """Anonymised ids join like any other; when their mail was accepted the event itself says."""
    mail = story.mail()
    story.at("1s").taken(mail)
    mail.ses_id = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
    story.at("1s").accepted(mail).at("2s").delivery(mail).watermark("39h")
    assert (story.outcome(mail), rows(story)) == ("delivered", 0)
    story.at("500h").opened(mail).watermark("501h")
    assert (story.announced(), rows(story)) == ([], 0)


def test_a_late_line_of_the_log_opens_no_gap(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").delivery(mail).watermark("39h")
    story.at("1s", read="60h").accepted(mail).removed(mail).watermark("90h").watermark("140h")
    assert story.announced() == []


@pytest.mark.parametrize("sources", [(Source.SMTP,), (Source.SES,)])
def test_rows_go_as_well_where_one_source_is_all_there_is(tell, sources):
    """What no source can ever say must not keep a row for ever."""
    story = tell(policy=ALONE, sources=sources, forgets=True)
    mail = story.mail()
    if sources == (Source.SMTP,):
        story.at("0s").submitted(mail).at("1s").accepted(mail).removed(mail).watermark(smtp="50h")
    else:
        story.at("1s").send(mail).watermark(ses="15h").watermark(ses="50h")
    assert rows(story) == 0


def test_an_id_from_the_far_future_is_kept_no_longer_than_others(story):
    mail = story.mail()
    story.at("20000h").taken(mail).at("1s").send(mail).at("3s").delivery(mail).watermark("39h").watermark("40h")
    assert rows(story) == 0


def test_memory_comes_back(story):
    for hour in range(60):
        mail = story.mail()
        story.at(f"{hour}h").submitted(mail).accepted(mail).removed(mail).at(f"{hour}h1s").send(mail).delivery(mail)
        story.watermark(f"{hour}h30m")
    assert rows(story) <= 2 * 40
    story.watermark("120h")
    assert rows(story) == 0
    (correlator,) = story.told().correlators
    assert (deadlines(correlator), correlator.open_names) == (0, 0)
