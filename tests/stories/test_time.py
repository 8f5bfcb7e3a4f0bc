"""Logs that leave out the year and the zone, of hosts whose clocks change or are wrong: `scan` dates every mail right.

Every log's mails alternate between accepted (whose SES id tells the time) and refused (whose lines do not).
"""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tests.stories.logs import Log, moment, scan

VIENNA, NEW_YORK, KOLKATA = ZoneInfo("Europe/Vienna"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")
SPRING, AUTUMN = moment("2024-03-31 00:00"), moment("2024-10-26 23:30")
"""An hour, and an hour and a half, before Vienna's clocks change."""


def day(begin, *hosts, every=300, mails=36, refused=3, **how):
    """A mail every so many seconds on each host, each `refused`th of them refused."""
    log = Log()
    for number in range(mails):
        for place, (host, zone) in enumerate(hosts):
            at = begin + timedelta(seconds=every * number + 7 * place)
            log.mail(at, host, zone, accepted=number % refused != 1, **how)
    return log


@pytest.mark.parametrize("begin", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("zone", [(), ("--timezone", "Europe/Vienna")], ids=["by SES ids", "by --timezone"])
def test_daylight_saving(tmp_path, begin, zone):
    log = day(begin, ("mx1", VIENNA))
    assert log.misdated(scan(tmp_path, log.text(), *zone, written=begin + timedelta(days=1))) == []


def test_daylight_saving_with_few_ids(tmp_path):
    log = day(AUTUMN, ("mx1", VIENNA), refused=2)
    assert log.misdated(scan(tmp_path, log.text(), written=AUTUMN + timedelta(days=1))) == []
    rare = Log()
    for number in range(36):
        rare.mail(AUTUMN + timedelta(minutes=5 * number), zone=VIENNA, accepted=number % 7 == 0)
    assert rare.misdated(scan(tmp_path, rare.text(), written=AUTUMN + timedelta(days=1))) == []


def test_without_any_id_a_given_zone_tells_the_hour_that_came_twice(tmp_path):
    log = Log()
    for minute in range(0, 180, 4):
        log.mail(AUTUMN + timedelta(minutes=minute), zone=VIENNA, accepted=False)
    documents = scan(tmp_path, log.text(), "--timezone", "Europe/Vienna", written=AUTUMN + timedelta(days=1))
    assert log.misdated(documents) == []


def test_hosts_of_several_zones_in_one_file(tmp_path):
    for begin in (AUTUMN, moment("2024-12-31 16:00")):
        log = day(begin, ("mx1", VIENNA), ("mx2", NEW_YORK), ("mx3", KOLKATA), every=900)
        assert log.misdated(scan(tmp_path, log.text(), written=begin + timedelta(days=1))) == []


@pytest.mark.parametrize("hours", [-1, 0, 1, 24 * 170])
def test_new_years_eve(tmp_path, hours):
    """Read while it was still written to, a little later, or half a year later."""
    begin = moment("2024-12-31 21:00")
    log = day(begin, ("mx1", UTC), refused=1000, mails=40)
    refused = Log()
    for number in range(40):
        refused.mail(begin + timedelta(minutes=5 * number), accepted=False)
    written = begin + timedelta(hours=4 + hours)
    assert log.misdated(scan(tmp_path, log.text(), written=written)) == []
    assert refused.misdated(scan(tmp_path, refused.text(), written=written)) == []


def test_a_leap_day(tmp_path):
    log = day(moment("2024-02-28 22:00"), ("mx1", VIENNA), every=7200)
    assert log.misdated(scan(tmp_path, log.text(), written=moment("2024-03-02"))) == []
    assert log.misdated(scan(tmp_path, log.text(), written=moment("2026-03-02"))) == []


def test_a_file_of_years(tmp_path):
    """A mail a week, of which one in ten shows the year."""
    log = Log()
    for week in range(150):
        log.mail(moment("2022-03-05 12:00") + timedelta(weeks=week), accepted=week % 10 == 3)
    assert log.misdated(scan(tmp_path, log.text(), written=moment("2026-11-24"))) == []


def test_a_silence_of_many_months(tmp_path):
    log = Log()
    for begin in ("2023-03-05 12:00", "2023-12-05 12:00"):
        for minute in range(5):
            log.mail(moment(begin) + timedelta(minutes=minute), accepted=minute != 2)
    wrong = log.misdated(scan(tmp_path, log.text(), written=moment("2026-11-24")))
    # The first lines after nine months look nearer to the year before; from the first id on all is well.
    assert {recipient for recipient, _, _ in wrong} <= {"r5@client.example"}


@pytest.mark.parametrize("ahead", [-1234, 37, 1800, 86_400 * 20])
def test_a_host_whose_clock_is_wrong(tmp_path, ahead):
    """What counts, the time of the gap, is by SES's clock. Stamps with a zone are shown as they were written."""
    log = Log()
    for minute in range(0, 60, 5):
        log.mail(moment("2024-03-05 12:00") + timedelta(minutes=minute), accepted=minute != 30,
                 ahead=timedelta(seconds=ahead))  # fmt: skip
    documents = scan(tmp_path, log.text(), written=moment("2024-03-06"))
    gaps = [gap["opened_at"] for document in documents for gap in document["gaps"] if not document["accepted_at"]]
    assert gaps == ["2024-03-05T12:30:01.000Z"]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%b %d %Y %H:%M:%S"]
)
def test_other_stamps(tmp_path, form):
    log = day(moment("2024-12-31 22:00"), ("mx1", UTC), form=form)
    assert log.misdated(scan(tmp_path, log.text(), written=moment("2026-03-05"))) == []


def test_stamps_that_end_a_day_or_hold_a_leap_second(tmp_path):
    log = Log()
    log.mail(moment("2024-12-31 00:00"))
    log.mail(moment("2024-12-31 00:00:59"), accepted=False)
    text = log.text().replace("Dec 31 00:00:00", "Dec 30 24:00:00").replace("Dec 31 00:00:59", "Dec 31 00:00:60")
    assert "24:00:00" in text
    assert ":60" in text
    assert log.misdated(scan(tmp_path, text, written=moment("2025-01-01"))) == []


def test_a_zone_that_no_map_has(tmp_path):
    log = day(moment("2024-06-05 12:00"), ("mx1", timezone(timedelta(hours=12, minutes=45))))
    assert log.misdated(scan(tmp_path, log.text(), written=moment("2024-06-06"))) == []
