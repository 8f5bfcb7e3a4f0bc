"""How far the sources have spoken, over several partitions and topics (section 7, rules 14, 17 and 18)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from service.facts import MINUTE, Source
from service.policy import parse_policy
from service.watermarks import NEVER, Entry, Watermark, Watermarks
from tests.stories.statements import entry
from tests.stories.story import after

ALONE = parse_policy({"message_id_join": False})


@pytest.fixture
def story(tell):
    return tell(policy=ALONE)


def silent_mail(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail)
    return mail


def test_a_partition_that_was_not_heard_of_holds_back_its_source(story):
    silent_mail(story)
    story.state(entry(Source.SES, after("1h"), partition=0, partitions=3))
    story.state(entry(Source.SES, after("1h"), partition=1, partitions=3))
    assert story.announced() == []
    story.state(entry(Source.SES, after("1h"), partition=2, partitions=3))
    assert story.announced() == ["opened no_events ann@example.com"]


def test_a_partition_that_lags_holds_back_its_source(story):
    silent_mail(story)
    story.state(*(entry(Source.SES, after("5m" if n else "1h"), partition=n, partitions=2) for n in range(2)))
    assert story.announced() == []
    story.state(entry(Source.SES, after("17m1s"), partition=1, partitions=2))
    assert story.announced() == ["opened no_events ann@example.com"]


def delayed(at: str) -> Entry:
    """The last record was on its way for half an hour: what a bridge with a backlog brings."""
    return entry(Source.SES, after("0s"), said_at=after(at), last_record_at=after(at), delay=30 * MINUTE)


def fresh(at: str) -> Entry:
    """Of a worker that has just begun: the topic is read to its end, and no record has come yet."""
    return entry(Source.SES, after(at), said_at=after(at), last_record_at=NEVER)


def test_a_worker_that_has_just_begun_knows_of_no_delay_but_the_log_does(story):
    """A restart or a rebalance must not make gaps of what still waits behind the bridge."""
    silent_mail(story)
    story.state(delayed("20m")).state(fresh("21m")).state(fresh("34m"))
    assert story.announced() == []


def test_a_delay_is_remembered_for_a_quarter_of_an_hour(story):
    silent_mail(story)
    story.state(delayed("20m")).state(fresh("35m"))
    assert story.announced() == ["opened no_events ann@example.com"]


def test_a_topic_that_was_not_heard_of_holds_back_its_source(story):
    silent_mail(story)
    topics = ("ses-eu", "ses-us")
    story.state(entry(Source.SES, after("1h"), topic="ses-us", topics=topics))
    assert story.announced() == []
    story.state(entry(Source.SES, after("1h"), topic="ses-eu", topics=topics))
    assert story.announced() == ["opened no_events ann@example.com"]


def test_the_other_source_does_not_matter(story):
    silent_mail(story)
    story.watermark(smtp="100h")
    assert story.announced() == []


def test_a_topic_that_is_no_longer_read_does_not_hold_it_back(story):
    silent_mail(story)
    story.state(entry(Source.SES, after("2m"), topic="old", topics=("old", "new"), said_at=after("2m")))
    story.state(entry(Source.SES, after("1h"), topic="new", topics=("old", "new"), said_at=after("1h")))
    assert story.announced() == []
    story.state(entry(Source.SES, after("61m"), topic="new", topics=("new",), said_at=after("61m")))
    assert story.announced() == ["opened no_events ann@example.com"]


def test_a_source_that_is_not_configured_is_never_judged_by_its_silence(tell):
    """Even if an old statement of it is still in the log."""
    story = tell(policy=ALONE, sources=(Source.SMTP,))
    silent_mail(story)
    story.watermark("20h")
    assert story.announced() == []


def statements():
    """Of two partitions of one topic, of which there were one, and of a topic that came and went."""
    return [
        entry(Source.SES, after("10m"), partitions=1, topics=("ses-records",), said_at=after("10m")),
        entry(Source.SES, after("8m"), partitions=2, topics=("ses-records",), said_at=after("12m")),
        entry(Source.SES, after("11m"), partition=1, partitions=2, topics=("ses-records",), said_at=after("11m")),
        entry(Source.SES, after("3m"), topic="more", topics=("more", "ses-records"), said_at=after("9m")),
    ]


def folded(entries) -> Watermarks:
    marks = Watermarks()
    for each in entries:
        marks.learn(Watermark((each,)))
    return marks


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1), (0, 1, 0, 2, 3, 3)])
def test_statements_may_come_in_any_order_and_again(order):
    marks = folded(statements()[n] for n in order)
    assert marks.entries == folded(statements()).entries
    assert marks.of(Source.SES) == after("10m")  # a bridge's backlog lowers what is said next, not what was true


def test_of_two_partition_counts_the_larger_holds():
    old, new = (entry(Source.SES, after(t), partitions=n) for t, n in (("2h", 1), ("1h", 2)))
    assert folded([old]).of(Source.SES) == after("2h")
    assert folded([old, new]).of(Source.SES) == folded([new, old]).of(Source.SES) == NEVER


def test_a_watermark_never_goes_back():
    marks = Watermarks()
    seen = []
    for each in statements() * 2:
        marks.learn(Watermark((each,)))
        seen.append(marks.of(Source.SES))
    known = [at for at in seen if at != NEVER]
    assert all(before <= later for before, later in pairwise(known))


def test_nobody_has_spoken():
    assert Watermarks().of(Source.SMTP) == NEVER
