"""Stamps that leave something out: the year, the zone, which of two hours; and those written in other ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.parsing.instants import instant, is_believable
from service.parsing.months import month_of
from service.parsing.smtp import parse_not_later
from service.parsing.syslog import parse_line, stamp_of

VIENNA = ZoneInfo("Europe/Vienna")
MINUTE, DAY = 60_000, 86_400_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def read(stamp: str, seen: str, zone: ZoneInfo | None = None) -> int:
    found = stamp_of(stamp, at(seen), zone)
    assert found is not None
    assert found.floating is (zone is None)
    return found.at


# -- the year --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [0, 1, 24, 24 * 30, 24 * 180])
def test_over_new_years_eve_in_both_directions(hours):
    """The record is later than the line, or, where its clock is behind, earlier."""
    turn = datetime(2025, 1, 1, tzinfo=UTC)
    for seconds in (-1, 0, 1, 3600):
        moment = turn + timedelta(seconds=seconds)
        stamp = moment.strftime("%b %e %H:%M:%S")
        for way in (-1, 1):
            found = stamp_of(stamp, round((moment + way * timedelta(hours=hours)).timestamp() * 1000))
            assert found is not None
            assert found.at == moment.timestamp() * 1000


@pytest.mark.parametrize(
    ("stamp", "seen", "zone", "meant"),
    [
        # New Year comes to Vienna an hour before UTC, and to New York five hours after.
        ("Jan  1 00:00:05", "2024-12-31T23:00:06+00:00", VIENNA, "2024-12-31T23:00:05+00:00"),
        ("Dec 31 23:59:59", "2025-01-01T04:59:59+00:00", ZoneInfo("America/New_York"), "2025-01-01T04:59:59+00:00"),
        ("Feb 29 23:59:59", "2024-02-29T23:00:00+00:00", VIENNA, "2024-02-29T22:59:59+00:00"),
        ("Feb 29 12:00:00", "2025-12-05T00:00:00+00:00", VIENNA, "2024-02-29T11:00:00+00:00"),
        ("Mar  1 00:00:00", "2024-02-29T23:00:00+00:00", VIENNA, "2024-02-29T23:00:00+00:00"),
        ("Dec 31 24:00:00", "2025-01-01T00:00:02+00:00", None, "2025-01-01T00:00:00+00:00"),
    ],
)  # fmt: skip
def test_the_year_of_a_zone(stamp, seen, zone, meant):
    assert read(stamp, seen, zone) == at(meant)


# -- daylight saving -------------------------------------------------------------------------------------------------

# Vienna put its clocks back from 03:00 to 02:00 at 01:00 UTC.
BACK = "2024-10-27"


@pytest.mark.parametrize(
    ("stamp", "seen", "meant"),
    [
        ("Oct 27 01:59:59", "T00:00:05", "T23:59:59"),
        ("Oct 27 02:00:00", "T00:00:05", "T00:00:00"),
        ("Oct 27 02:30:00", "T00:30:05", "T00:30:00"),
        ("Oct 27 02:59:59", "T01:00:02", "T00:59:59"),
        ("Oct 27 02:00:00", "T01:00:02", "T01:00:00"),
        ("Oct 27 02:30:00", "T01:30:05", "T01:30:00"),
        ("Oct 27 02:30:00", "T09:00:00", "T01:30:00"),
        ("Oct 27 02:59:59", "T02:00:03", "T01:59:59"),
        ("Oct 27 03:00:00", "T02:00:03", "T02:00:00"),
        ("2024-10-27 02:30:00", "T00:30:05", "T00:30:00"),
        ("2024-10-27 02:30:00,250", "T01:30:05", "T01:30:00.250"),
        ("2024-10-27T02:30:00+02:00", "T01:30:05", "T00:30:00"),
    ],
)
def test_the_hour_that_came_twice_is_the_one_nearest_to_the_record(stamp, seen, meant):
    day = "2024-10-26" if meant == "T23:59:59" else BACK
    assert read(stamp, f"{BACK}{seen}+00:00", VIENNA) == at(f"{day}{meant}+00:00")


@pytest.mark.parametrize(
    ("stamp", "seen", "meant"),
    [
        ("Mar 31 01:59:59", "T01:00:02", "T00:59:59"),
        ("Mar 31 03:00:00", "T01:00:02", "T01:00:00"),
        # 02:30 never was: by a clock that was put forward late it is 01:30 UTC, by one put forward early 00:30.
        ("Mar 31 02:30:00", "T01:30:02", "T01:30:00"),
        ("Mar 31 02:30:00", "T00:30:02", "T00:30:00"),
    ],
)
def test_the_hour_that_never_came_is_near_the_record_too(stamp, seen, meant):
    assert read(stamp, f"2024-03-31{seen}+00:00", VIENNA) == at(f"2024-03-31{meant}+00:00")


@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_every_second_minute_of_two_days_around_a_change_is_read_right(zone):
    """A log that is read as it is written: each record comes 2 s after its line."""
    there = ZoneInfo(zone)
    for month, day in ((3, 30), (4, 6), (10, 26)):
        begin = datetime(2024, month, day, tzinfo=UTC)
        for minute in range(0, 48 * 60, 2):
            moment = begin + timedelta(minutes=minute)
            instant = round(moment.timestamp()) * 1000
            found = stamp_of(moment.astimezone(there).strftime("%b %e %H:%M:%S"), instant + 2000, there)
            assert found is not None
            assert found.at == instant, moment


# -- other ways to write it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "meant"),
    [
        ("2024-03-05T11:59:58.123456789Z", "2024-03-05T11:59:58.123+00:00"),
        ("2024-03-05T11:59:58.1Z", "2024-03-05T11:59:58.100+00:00"),
        ("2024-03-05T11:59:60Z", "2024-03-05T11:59:59+00:00"),
        ("2024-03-04T24:00:00Z", "2024-03-05T00:00:00+00:00"),
        ("2024-12-31T24:00:00+01:00", "2024-12-31T23:00:00+00:00"),
        ("2024-03-05 11:59:58 +0100", "2024-03-05T10:59:58+00:00"),
        ("2024-03-05 11:59:58 -05:30", "2024-03-05T17:29:58+00:00"),
        ("2024-03-05T11:59:58+01", "2024-03-05T10:59:58+00:00"),
    ],
)
def test_stamps_with_a_zone(stamp, meant):
    found = stamp_of(stamp, 0)
    assert found is not None
    assert (found.at, found.floating) == (at(meant), False)


@pytest.mark.parametrize(
    "stamp", ["2024-03-05T24:00:01Z", "2024-03-05T25:00:00Z", "2023-02-29T00:00:00Z", "Feb 30 00:00:00"]
)
def test_what_is_no_time(stamp):
    assert stamp_of(stamp, at("2024-03-05T12:00:00+00:00")) is None


@pytest.mark.parametrize(
    ("stamp", "month"),
    [
        ("mars 15 19:58:40", 3),
        ("9月 01 09:13:56", 9),
        ("12월 24 09:13:56", 12),
        ("Mär  5 11:59:58", 3),
        ("Dez 31 11:59:58", 12),
        ("mai 15 11:59:58", 5),
        ("févr. 15 11:59:58", 2),
        ("août 15 11:59:58", 8),
        ("ene 15 11:59:58", 1),
        ("giu 15 11:59:58", 6),
        ("okt 15 11:59:58", 10),
        ("мая 15 11:59:58", 5),
        ("paź 15 11:59:58", 10),
        ("JUL 15 11:59:58", 7),
    ],
)
def test_months_in_other_languages(stamp, month):
    found = stamp_of(stamp, at("2024-06-30T12:00:00+00:00"))
    assert found is not None
    assert datetime.fromtimestamp(found.at / 1000, UTC).month == month
    read_line = parse_line(f"{stamp} mx1 postfix/qmgr[7]: 4A1B2C3D4E: removed", at("2024-06-30T12:00:00+00:00"))
    assert read_line is not None
    assert (read_line.at, read_line.host, read_line.program) == (found.at, "mx1", "postfix/qmgr")


@pytest.mark.parametrize("name", ["", "foo", "13月", "0月", "ma", "Januari"])
def test_what_is_no_month(name):
    assert month_of(name) == 0


def test_a_word_that_is_no_month_begins_no_line():
    assert parse_line("word 15 11:59:58 mx1 postfix/qmgr[7]: 4A1B2C3D4E: removed", 0) is None


# -- laws ------------------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(2012, 1, 1), datetime(2080, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
ZONES = st.sampled_from(["Europe/Vienna", "America/St_Johns", "Pacific/Chatham", "Africa/Casablanca", "Asia/Tokyo"])


@given(MOMENTS, ZONES.map(ZoneInfo), st.integers(-20, 20))
def test_a_stamp_is_read_back_where_the_record_is_near(moment, zone, minutes):
    instant = int(moment.timestamp()) * 1000
    found = stamp_of(moment.astimezone(zone).strftime("%b %e %H:%M:%S"), instant + minutes * MINUTE, zone)
    assert found is not None
    assert found.at == instant


@given(MOMENTS, st.integers(-170, 170))
def test_without_a_zone_the_year_is_found_half_a_year_around(moment, days):
    instant = int(moment.timestamp()) * 1000
    found = stamp_of(moment.strftime("%b %e %H:%M:%S"), instant + days * DAY)
    assert found is not None
    assert (found.at, found.floating) == (instant, True)


@given(
    st.from_regex(r"\A\w{2,5}\.? [ \d]?\d (\d{4} )?\d\d:\d\d:\d\d\Z")
    | st.from_regex(r"\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\Z"),
    st.integers(-(10**16), 10**16),
    st.none() | ZONES.map(ZoneInfo),
)
def test_anything_that_looks_like_a_stamp_is_survived(text, seen, zone):
    found = stamp_of(text, seen, zone)
    assert found is None or is_believable(found.at)


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("Mar 10 10:00:00", "2026-03-10T10:00:00Z"),
        ("Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
        ("Nov 24 20:00:00", "2026-11-24T20:00:00Z"),  # nine hours east, or a clock that is fast
        ("Nov 26 12:00:00", "2025-11-26T12:00:00Z"),
    ],
)
def test_a_log_does_not_speak_of_the_future(stamp, at):
    now = instant("2026-11-24T11:00:00Z")
    line = f"{stamp} mx1 postfix/smtp[1]: AB12345678: to=<a@b.example>, relay=none, status=deferred (connect timed out)"
    parsed, _ = parse_not_later(line.encode(), now, now)
    assert {fact.at for _, fact in parsed.facts} == {instant(at)}
