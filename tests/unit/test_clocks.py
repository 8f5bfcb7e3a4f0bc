"""A host's clock and zone are learned from the SES ids in its own lines."""

from __future__ import annotations

import pytest

from service.edges.clocks import HostClocks, shown_of
from service.facts import HOUR, MINUTE, SECOND, Accepted

NOW = 1_795_500_000_000
FLOATING = True


def accepted(clock: int, stamp: int) -> Accepted:
    """SES took the mail at `clock`, and the host's line says `stamp`."""
    ses_id = f"0102{clock:012x}-76b6ee63-ad84-420f-8c29-90e54410372f-000000"
    return Accepted(stamp, FLOATING, ("a@b.example",), ses_id, "mx1/4F2A00", "eu-west-1")


def learned(*facts: Accepted) -> HostClocks:
    clocks = HostClocks()
    for fact in facts:
        shown = shown_of(fact)
        assert shown is not None
        clocks.of("mx1").learn(shown)
    return clocks


def test_an_unknown_host_is_taken_at_its_word():
    clock = HostClocks().of("mx1")
    assert clock.corrected(NOW) == NOW
    assert clock.correction is None


def test_what_the_round_trip_takes_is_no_skew():
    clocks = learned(accepted(NOW - 300, NOW))
    assert clocks.of("mx1").correction == 0
    assert clocks.of("mx1").corrected(NOW) == NOW


@pytest.mark.parametrize("zone", [-5 * HOUR, 2 * HOUR, 5 * HOUR + 45 * MINUTE])
@pytest.mark.parametrize("trip", [0, 300, 990])
def test_a_zone_is_corrected_by_exactly_a_zone(zone, trip):
    """The stamp has whole seconds, and SES answered a little before it: that is not the zone's."""
    clocks = learned(accepted(NOW - zone + trip, NOW))
    assert clocks.of("mx1").corrected(NOW) == NOW - zone


def test_a_clock_that_is_off_is_corrected_by_what_it_is_off():
    clocks = learned(accepted(NOW + 37 * SECOND, NOW))
    assert clocks.of("mx1").corrected(NOW) == NOW + 37 * SECOND


def test_one_line_that_was_queued_for_long_does_not_move_the_clock():
    clocks = learned(*[accepted(NOW, NOW)] * 4, accepted(NOW - 20 * MINUTE, NOW), *[accepted(NOW, NOW)] * 2)
    assert clocks.of("mx1").corrected(NOW) == NOW


def test_a_clock_that_was_set_right_is_followed():
    clocks = learned(*[accepted(NOW + HOUR, NOW)] * 20, *[accepted(NOW, NOW)] * 9)
    assert clocks.of("mx1").corrected(NOW) == NOW


def test_hosts_do_not_share_their_clocks():
    clocks = learned(accepted(NOW + HOUR, NOW))
    assert clocks.of("mx2").corrected(NOW) == NOW


def test_an_id_without_a_clock_teaches_nothing():
    ses_id = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
    fact = Accepted(NOW, FLOATING, ("a@b.example",), ses_id, "mx1/A", "")
    assert shown_of(fact) is None


def test_a_reading_that_knew_nothing_fits_where_one_zone_is_told_all_along():
    before = learned(*[accepted(NOW, NOW + 2 * HOUR)] * 3)
    same = learned(accepted(NOW - 300, NOW + 2 * HOUR))
    assert before.fit(same.showed())
    before.follow(same.showed())
    assert before.of("mx1").correction == -2 * HOUR
    assert len(before.seen()["mx1"]) == 4


@pytest.mark.parametrize("others", [[NOW + HOUR], [NOW + 2 * HOUR, NOW + HOUR], [NOW + 2 * HOUR + 7 * SECOND]])
def test_it_does_not_fit_where_another_is_told(others):
    before = learned(accepted(NOW, NOW + 2 * HOUR))
    assert not before.fit(learned(*(accepted(NOW, stamp) for stamp in others)).showed())


@pytest.mark.parametrize(("stamp", "fits"), [(NOW, True), (NOW + 2 * HOUR, False)])
def test_a_line_that_was_taken_at_its_word_fits_where_the_clock_is_right(stamp, fits):
    adrift = HostClocks()
    adrift.of("mx1").placed(NOW)
    assert learned(accepted(NOW, stamp)).fit(adrift.showed()) is fits
    assert HostClocks().fit(adrift.showed())
