"""What is computed for people: deadlines to come, the funnel, sources, lanes."""

from __future__ import annotations

import pytest

from service.contract.enums import GapKind, Outcome
from service.contract.wire import timestamp
from service.facts import Source
from service.policy import Policy, parse_policy
from service.story import tell
from service.trace.awaited import Awaited, awaited
from service.trace.sources import health
from service.trace.store.statistics import Tally
from service.trace.store.store import Size
from service.trace.summary import summarize
from service.trace.web.charts import Bar, bars
from service.trace.web.overview import lanes, stages
from service.trace.web.pages import ago, mail_link
from service.trace.web.runbooks import runbook
from service.watermarks import Entry, Watermark, Watermarks
from tests.trace.mails import HOUR, MINUTE, T0, mail, silent, to

POLICY = parse_policy(
    {"streams": [{"name": "otp", "match": {"configuration_set": "otp"}, "handoff": "2m", "max_delivery": "30m"}]}
)
PENDING = (to("ann1@gmail.com", Outcome.PENDING),)
SENT = mail().trail[:2]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"recipients": PENDING, "trail": SENT}, [(GapKind.ACCEPTED_NOT_DELIVERED, 15 * MINUTE)]),
        ({"recipients": PENDING}, [(GapKind.ACCEPTED_NOT_DELIVERED, 14 * HOUR)]),  # an event of SES's is there
        ({"recipients": PENDING, "stream": "otp"}, [(GapKind.ACCEPTED_NOT_DELIVERED, 30 * MINUTE)]),
        ({"recipients": PENDING, "accepted_at": None, "trail": SENT}, [(GapKind.SENT_NO_SES_ID, 15 * MINUTE - 1000)]),
        ({"recipients": PENDING, "accepted_at": None, "submitted_at": None, "trail": ()}, []),
        ({"recipients": PENDING, "superseded_by": "x"}, []),
        ({"recipients": PENDING, "partial": True}, []),
        ({"recipients": PENDING, "gaps": silent().gaps}, []),  # it is open already
    ],
)
def test_what_is_awaited_and_until_when(changes, expected):
    found = awaited(mail(**changes), POLICY)
    assert [(each.kind, each.deadline - T0) for each in found] == expected


def test_ses_says_how_long_it_will_try():
    until = timestamp(T0 + 13 * HOUR)
    delayed = (to("ann1@gmail.com", Outcome.DELAYED, T0, expires=until), to("bob@gmail.com", Outcome.DELIVERED, T0))
    assert awaited(mail(recipients=delayed), Policy()) == [
        Awaited(GapKind.ACCEPTED_NOT_DELIVERED, "ann1@gmail.com", T0 + 14 * HOUR)
    ]


TALLIES = [
    Tally(T0, "a", "gmail", Outcome.DELIVERED, True, 90),
    Tally(T0, "a", "gmail", Outcome.BOUNCED, True, 4),
    Tally(T0 + HOUR, "a", "web.de", Outcome.PENDING, True, 3),
    Tally(T0 + HOUR, "b", "gmail", Outcome.REFUSED, False, 2),
    Tally(T0 + HOUR, "b", "gmail", Outcome.COMPLAINED, True, 1),
]


def test_the_funnel_narrows_and_loses_nobody():
    sums = summarize(TALLIES, T0, T0 + 3 * HOUR)
    assert (sums.funnel.handed_over, sums.funnel.accepted, sums.funnel.answered, sums.funnel.delivered) == (
        100,
        98,
        95,
        91,
    )
    assert [(part.name, part.funnel.handed_over) for part in sums.streams] == [("a", 97), ("b", 3)]
    assert [(hour.delivered, hour.failed, hour.open) for hour in sums.hours] == [(90, 4, 0), (1, 2, 3), (0, 0, 0)]
    assert sum(sums.outcomes.values()) == 100
    assert [(stage.recipients, stage.lost[:2]) for stage in stages(sums.funnel)] == [
        (100, ""), (98, "2 "), (95, "3 "), (91, "4 ")]  # fmt: skip


def test_an_empty_time_has_a_funnel_of_nothing():
    sums = summarize([], T0, T0)
    assert [stage.share for stage in stages(sums.funnel)] == [0, 0, 0, 0]
    assert bars("nothing", []).count("<rect") == 0


def test_a_source_has_spoken_as_far_as_its_slowest_partition():
    def entry(partition, up_to):
        return Entry(Source.SES, "ses", partition, 2, up_to, up_to, 500, T0, ("ses",))

    marks = Watermarks(configured=())
    marks.learn(Watermark((entry(0, T0),)))
    size = Size(1, 0, 10, None)
    [source] = health(marks, [], size, 0, T0 + 5000).sources
    assert (source.up_to, source.behind) == (None, None)  # one partition was never heard of
    marks.learn(Watermark((entry(1, T0 - MINUTE),)))
    [source] = health(marks, [], size, 0, T0 + 5000).sources
    assert (source.up_to, source.behind) == (timestamp(T0 - MINUTE), 65.0)
    assert [partition.delay for partition in source.partitions] == [0.5, 0.5]


def test_a_story_goes_through_its_lanes():
    placed = lanes(tell(mail()))
    assert [(each.lane, each.tone, each.since) for each in placed] == [
        ("application", "", ""), ("SES", "well", "+1 s"), ("provider", "well", "+2 s")]  # fmt: skip


def test_a_chart_says_in_words_what_it_shows_and_takes_no_markup():
    drawn = bars('<b>"all"', [Bar("<i>", (("delivered", 1_000_000), ("failed", 1))), Bar("x", (("delivered", 0),))])
    assert drawn.count("<rect") == 2  # one lost mail is seen
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    assert 'aria-label="&lt;b&gt;&quot;all&quot;"' in drawn


def test_how_long_ago():
    assert ago(timestamp(T0), T0 + 90_000) == "1 min 30 s ago"
    assert ago(timestamp(T0 + 26 * HOUR), T0) == "in 1 d 2 h"
    assert ago(timestamp(T0), T0 + 3 * HOUR + MINUTE) == "3 h 1 min ago"


def test_links_hold_any_id():
    assert mail_link("mx1/4DQX@17?#%") == "/mail/mx1/4DQX@17%3F%23%25"


def test_runbooks_are_pages_and_nothing_else_is():
    page = runbook("bounced")
    assert "<h1>" in page or "<h2" in page
    assert "<code>" in page
    for name in ("nothing", "../../pyproject", "README/", "a" * 99, "bounced.md", ""):
        assert runbook(name) is None
