"""In a backlog a watermark moves at a pace at which names can answer each other; live it is never held up."""

from __future__ import annotations

from service.facts import HOUR, MINUTE, SECOND
from service.pace import FASTEST, OLDEST, Pace
from service.policy import DAY, Policy

NOW = 1_795_000_000_000


def test_a_day_of_the_log_takes_longer_than_an_answer():
    assert Policy().keep // FASTEST >= 8 * SECOND


def test_a_week_takes_a_minute():
    pace = Pace(NOW - 7 * DAY, NOW, historic=False)
    assert pace.limit(NOW) == NOW - 7 * DAY
    assert pace.limit(NOW + SECOND) == NOW - 7 * DAY + 3 * HOUR
    assert pace.limit(NOW + MINUTE) > NOW + MINUTE


def test_live_there_is_no_limit():
    pace = Pace(NOW - SECOND, NOW, historic=False)
    assert all(pace.limit(NOW + passed) >= NOW + passed for passed in range(SECOND, DAY, 7 * MINUTE))


def test_a_clock_that_is_none_holds_nobody_up_for_long():
    pace = Pace(1, NOW, historic=False)
    assert pace.limit(NOW + OLDEST // FASTEST + SECOND) > NOW + OLDEST // FASTEST + SECOND


def test_history_is_as_old_as_it_is():
    begin = NOW - 3 * 365 * DAY
    assert Pace(begin, NOW, historic=True).limit(NOW + SECOND) == begin + 3 * HOUR


def test_our_clock_may_be_set_back():
    pace = Pace(NOW - DAY, NOW, historic=False)
    assert pace.limit(NOW - HOUR) == NOW - DAY
