"""Where a host's clocks were put forward or back, a line belongs where it is in order."""

from __future__ import annotations

import pytest

from service.edges.clocks import HostClock, Shown, shown_by, shown_of
from service.facts import HOUR, MINUTE, SECOND, Accepted, Closed, Parsed

NOW = 1_795_500_000_000


def accepted(clock: int, stamp: int) -> Accepted:
    ses_id = f"0102{clock:012x}-76b6ee63-ad84-420f-8c29-90e54410372f-000000"
    return Accepted(stamp, True, ("a@b.example",), ses_id, "mx1/4F2A00", "eu-west-1")


def shown(clock: int, stamp: int) -> Shown:
    found = shown_of(accepted(clock, stamp))
    assert found is not None
    return found


def clock(zone: int, *lines: int) -> HostClock:
    """A host whose stamps are ahead by `zone`, as its acceptances showed; and lines that were placed since."""
    found = HostClock()
    for number in range(9, 0, -1):
        found.learn(shown(NOW - number * MINUTE, NOW - number * MINUTE + zone))
    for at in lines:
        found.placed(at + zone)
    return found


def placed(host: HostClock, at: int, following: Shown | None) -> int:
    """Where the line is placed that `following` is the next acceptance after."""
    if following is not None:
        host.expect(following)
    return host.placed(at)


def test_as_long_as_nothing_changes_the_usual_correction_holds():
    host = clock(2 * HOUR, NOW - MINUTE)
    for following in (None, Shown(NOW + MINUTE, -2 * HOUR), Shown(NOW + MINUTE, -2 * HOUR - 3000)):
        assert placed(host, NOW + 2 * HOUR, following) == NOW


@pytest.mark.parametrize("change", [-HOUR, HOUR, 30 * MINUTE])
def test_a_line_after_the_change_is_placed_by_the_acceptance_that_follows(change):
    host = clock(2 * HOUR, NOW - SECOND)
    shown = Shown(NOW + MINUTE, -2 * HOUR - change)
    assert placed(host, NOW + 2 * HOUR + change, shown) == NOW


@pytest.mark.parametrize("change", [-HOUR, HOUR])
def test_a_line_before_the_change_is_placed_by_those_before_it(change):
    host = clock(2 * HOUR, NOW - SECOND)
    assert placed(host, NOW + 2 * HOUR, Shown(NOW + MINUTE, -2 * HOUR - change)) == NOW


def test_a_line_after_the_change_is_placed_by_the_acceptance_before_it():
    host = clock(2 * HOUR, NOW - SECOND)
    host.learn(shown(NOW, NOW + HOUR))
    assert placed(host, NOW + HOUR + SECOND, None) == NOW + SECOND


def test_one_acceptance_out_of_place_moves_no_line():
    host = clock(0, NOW - SECOND)
    host.learn(shown(NOW - 20 * MINUTE, NOW))
    assert placed(host, NOW, Shown(NOW + MINUTE, 0)) == NOW


def test_before_any_acceptance_the_next_one_counts():
    assert placed(HostClock(), NOW, Shown(NOW + MINUTE, -HOUR)) == NOW - HOUR
    assert placed(HostClock(), NOW, None) == NOW


def test_another_file_may_be_older():
    host = clock(0, NOW + 400 * 24 * HOUR)
    host.begin()
    host.learn(shown(NOW - HOUR, NOW))
    assert placed(host, NOW, Shown(NOW + MINUTE - HOUR, -HOUR)) == NOW - HOUR


def test_what_shows_a_clock():
    fact = accepted(NOW, NOW + HOUR)
    closed = Closed(NOW, floating=True, how="removed")
    assert shown_by(Parsed([(b"Q:x", closed), (b"Q:x", fact), (b"S:x", fact)])) == Shown(NOW, -HOUR)
    assert shown_by(Parsed([(b"Q:x", closed)])) is None
