"""One line of a log in the forms syslog daemons write: who said what, and when.

Decides where the header ends and what its stamp means: a stamp without a year is put into the year that brings it
nearest to the record's own time, one without a zone is read as UTC and marked `floating`. Where a zone is given and its
clocks showed that time twice or never (daylight saving), the record's own time decides too. It must never look into the
message for another header: a program that quotes a mail server's line is still that program.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

import msgspec

from service.facts import HOUR, MINUTE, SECOND, Instant
from service.parsing import months
from service.parsing.instants import is_believable


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line's header, read, and its message. `program` is the tag without its process id; unknown parts are empty."""

    at: Instant
    floating: bool
    host: str
    program: str
    message: str


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """When something was said; `floating` where the stamp had no zone and none was given."""

    at: Instant
    floating: bool


_BSD: Final = r"([A-Z][a-z]{2} [ \d]?\d (?:\d{4} )?\d\d:\d\d:\d\d)(?:\.\d{1,9})?"
_LOCAL: Final = rf"({months.PATTERN} [ \d]?\d (?:\d{{4}} )?\d\d:\d\d:\d\d)(?:\.\d{{1,9}})?"
_ISO: Final = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?( ?(?:Z|[+-]\d\d(?::?\d\d)?))?"
_HOST: Final = r"(?:([^\s\[\]]{1,255}+)(?<!:) )?+"  # a tag ends with a colon or has brackets; an IPv6 host has neither
_TAG: Final = r"([^\s\[\]:]{1,128}+)(?:\[[^\]\s]{0,64}+\])?:(?: |$)"
_HEADER: Final = re.compile(rf"(?:<\d{{1,3}}>)?(?:{_BSD}|{_ISO}) {_HOST}{_TAG}").match
_LOCAL_HEADER: Final = re.compile(rf"(?:<\d{{1,3}}>)?(?:{_LOCAL}|{_ISO}) {_HOST}{_TAG}").match

_DATA: Final = r'(?:-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*+")*+\])++)'
_RFC5424: Final = re.compile(
    rf"(?:<\d{{1,3}}>)?1 (?:-|{_ISO}) (\S{{1,255}}+) (\S{{1,128}}+) \S{{1,128}}+ \S{{1,128}}+ {_DATA}(?: \ufeff?|$)",
    re.DOTALL,
).match
_COUNT: Final = re.compile(rb"(\d{1,6}) (?=<\d{1,3}>)").match
_STAMP: Final = re.compile(rf"(?:{_LOCAL}|{_ISO})").fullmatch

# rsyslog writes control characters as # and three octal digits.
_ESCAPES: Final = (("#011", "\t"), ("#012", "\n"), ("#015", "\r"))
_PADDING: Final = "\0\r\n\ufeff"  # copytruncate leaves NULs where the file was cut

_DAY: Final = 24 * HOUR
_LEAP_DAY: Final = (2, 29)
_YEARS_TO_A_LEAP_YEAR: Final = 4
_MIDNIGHT: Final = 24
_LAST_SECOND: Final = 59  # a leap second counts as the one before it


def decode(raw: bytes) -> str:
    """Text out of bytes that may be anything; what is not UTF-8 stays visible as an escape."""
    return raw.decode(errors="backslashreplace")


def parse_line(text: str, seen: Instant, zone: tzinfo | None = None) -> Line | None:
    """One line with a header of RFC 3164, RFC 5424 or a file of rsyslog or journald; None where it has none of these.

    `seen` decides the year, and stands in for a stamp that is no date. `zone` is that of stamps without one.
    """
    text = text.strip(_PADDING)
    found = _HEADER(text)
    if found is None:
        return _rfc5424(text, seen, zone) or _local(text, seen, zone) or _journalctl(text, seen, zone)
    return _headed(found, text, seen, zone)


def _local(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    """A header in another language."""
    found = _LOCAL_HEADER(text)
    return _headed(found, text, seen, zone) if found and months.month_of(found[1].partition(" ")[0]) else None


def _journalctl(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    """What `journalctl -o short-full` and `-o short-unix` print: a weekday and a zone by name, or seconds."""
    found = _JOURNALCTL(text)
    if found is None:
        return None
    second, named, seconds, fraction, host, program = found.groups()
    if second:
        stamp = _iso(second, None, _ZONES.get(named, named if named[0] in "+-" else None), seen, zone)
    else:
        at = int(seconds) * SECOND + int((fraction + "00")[:3])
        stamp = Stamp(at, floating=False) if is_believable(at) else None
    return _line(stamp, seen, host, program, text[found.end() :])


_JOURNALCTL: Final = re.compile(
    r"(?:[A-Z][a-z]{2} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([A-Z]{2,5}|[+-]\d\d(?:\d\d)?)|(\d{10})\.(\d{1,6}))"
    rf" ([^\s\[\]]{{1,255}}+)(?<!:) {_TAG}"
).match
_ZONES: Final = {"UTC": "Z", "GMT": "Z"}
"""Other names stand for several zones: the clock is then the host's own, as in any stamp without a zone."""


def _headed(found: re.Match[str], text: str, seen: Instant, zone: tzinfo | None) -> Line:
    bsd, second, fraction, offset, host, program = found.groups()
    stamp = _bsd(bsd, seen, zone) if bsd else _iso(second, fraction, offset, seen, zone)
    return _line(stamp, seen, host or "", program, text[found.end() :])


def stamp_of(text: str, seen: Instant, zone: tzinfo | None = None) -> Stamp | None:
    """A stamp that stands alone, in any of the forms that a header may have."""
    found = _STAMP(text)
    if found is None:
        return None
    bsd, second, fraction, offset = found.groups()
    return _bsd(bsd, seen, zone) if bsd else _iso(second, fraction, offset, seen, zone)


def frames(raw: bytes) -> list[bytes]:
    """What RFC 6587 framed by octet counts (`123 <22>1 ...`), without the counts; `[raw]` where nothing is framed."""
    found, start = [], 0
    while count := _COUNT(raw, start):
        end = count.end() + int(count[1])
        found.append(raw[count.end() : end])
        start = end
    if raw[start:]:
        found.append(raw[start:])
    return found


def _rfc5424(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    found = _RFC5424(text)
    if found is None:
        return None
    second, fraction, offset, host, program = found.groups()
    stamp = _iso(second, fraction, offset, seen, zone) if second else None
    known = ["" if part == "-" else part for part in (host, program)]
    return _line(stamp, seen, known[0], known[1], text[found.end() :])


def _line(stamp: Stamp | None, seen: Instant, host: str, program: str, message: str) -> Line:
    # rsyslog's %msg% begins with the space after the tag, and some templates write one of their own before it.
    message = _unescaped(message) if "#0" in message else message.strip()
    if stamp is None:
        return Line(at=seen, floating=False, host=host, program=program, message=message)
    return Line(stamp.at, stamp.floating, host, program, message)


def _unescaped(message: str) -> str:
    for escape, character in _ESCAPES:
        message = message.replace(escape, character)
    return message.strip()


# -- stamps ----------------------------------------------------------------------------------------------------------


def _bsd(text: str, seen: Instant, zone: tzinfo | None) -> Stamp | None:
    return _nearest(bsd_on(text, seen // _DAY, zone), seen)


def _nearest(stamps: tuple[Stamp, ...], seen: Instant) -> Stamp | None:
    """Of the instants at which clocks showed the same time, the one nearest to the record's."""
    if len(stamps) == 1:
        return stamps[0]
    return min(stamps, key=lambda stamp: (abs(stamp.at - seen), -stamp.at), default=None)


@lru_cache(maxsize=4096)
def bsd_on(text: str, day: int, zone: tzinfo | None) -> tuple[Stamp, ...]:
    """The instants of a stamp of RFC 3164, read on that day since the epoch.

    Days are exact enough to choose a year by, and worth keeping.
    """
    month, date, *given, clock = text.split()
    number, time = months.month_of(month), [int(part) for part in clock.split(":")]
    years = [int(given[0])] if given else _years(day, leap=(number, int(date)) == _LEAP_DAY)
    instants = [_instants([year, number, int(date), *time], zone) for year in years]
    noon = day * _DAY + _DAY // 2
    nearest = min(filter(None, instants), key=lambda each: abs(each[0] - noon), default=())
    return tuple([Stamp(at, floating=zone is None) for at in nearest])


def _years(day: int, *, leap: bool) -> range:
    """The years that may be the nearest to the day since the epoch."""
    about, away = 1970 + day * 400 // 146_097, _YEARS_TO_A_LEAP_YEAR if leap else 1
    return range(about - away, about + away + 1)


def _iso(second: str, fraction: str | None, offset: str | None, seen: Instant, zone: tzinfo | None) -> Stamp | None:
    stamp = _nearest(iso_second(second, offset, zone), seen)
    if stamp is None or fraction is None:
        return stamp
    return Stamp(stamp.at + int((fraction + "00")[:3]), stamp.floating)


@lru_cache(maxsize=4096)
def iso_second(text: str, offset: str | None, zone: tzinfo | None) -> tuple[Stamp, ...]:
    """The instants of an ISO stamp's date and second: one as a rule, as in `_instants`."""
    date, clock = text[:10].split("-"), text[11:].split(":")
    found = _instants([int(part) for part in (*date, *clock)], None if offset else zone)
    if offset:
        return tuple([Stamp(at - _offset(offset.lstrip()), floating=False) for at in found])
    return tuple([Stamp(at, floating=zone is None) for at in found])


def _offset(text: str) -> int:
    if text == "Z":
        return 0
    minutes = int(text[-2:]) if len(text) > len("+00") else 0
    away = int(text[1:3]) * HOUR + minutes * MINUTE
    return -away if text[0] == "-" else away


def _instants(parts: list[int], zone: tzinfo | None) -> tuple[Instant, ...]:
    """When clocks showed this year, month, day, hour, minute and second: once as a rule.

    Twice where clocks were put back; and two readings, before and after, of a time that was left out when they were put
    forward. Never where there is no such day, or none that is believable.
    """
    year, month, day, hour, minute, second = parts
    # ISO 8601 lets a day end with 24:00:00, and a leap second counts as the one before it.
    late = hour == _MIDNIGHT and not minute and not second
    try:
        moment = datetime(year, month, day, 0 if late else hour, minute, min(second, _LAST_SECOND), tzinfo=zone or UTC)
        moment += timedelta(days=late)
        found = {int(moment.timestamp()) * SECOND}
        if zone is not None:
            found.add(int(moment.replace(fold=1).timestamp()) * SECOND)
    except (ValueError, OverflowError):
        return ()
    return tuple(sorted(at for at in found if is_believable(at)))
