"""The header of a line, in every form that a syslog daemon writes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from service.parsing.syslog import Line, decode, frames, parse_line, stamp_of


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


SEEN = at("2024-03-05T12:00:00+00:00")
NOON = at("2024-03-05T11:59:58+00:00")
TEXT = "4A1B2C3D4E: removed"


def line(when: int = NOON, *, floating: bool = True, host: str = "mx1", program: str = "postfix/qmgr") -> Line:
    return Line(when, floating, host, program, TEXT)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        # RFC 3164
        ("Mar  5 11:59:58 mx1 postfix/qmgr[77]: ", line()),
        ("<22>Mar  5 11:59:58 mx1 postfix/qmgr[77]: ", line()),
        ("Mar 5 11:59:58 mx1 postfix/qmgr[77]: ", line()),
        ("Mar  5 11:59:58 mx1 postfix/qmgr: ", line()),
        ("Mar  5 2024 11:59:58 mx1 postfix/qmgr[77]: ", line()),
        ("Mar  5 2019 11:59:58 mx1 postfix/qmgr[77]: ", line(at("2019-03-05T11:59:58+00:00"))),
        ("Mar  5 11:59:58 2001:db8::25 postfix/qmgr[77]: ", line(host="2001:db8::25")),
        ("Mar  5 11:59:58 postfix/qmgr[77]: ", line(host="")),
        ("Mar  5 11:59:58 postfix/qmgr: ", line(host="")),
        # RFC 5424
        ("<22>1 2024-03-05T11:59:58.5+00:00 mx1 postfix/qmgr 77 - - ", line(NOON + 500, floating=False)),
        ("<22>1 2024-03-05T11:59:58Z mx1 postfix/qmgr 77 - -  ", line(floating=False)),
        ("<22>1 2024-03-05T11:59:58Z mx1 postfix/qmgr 77 - - \ufeff", line(floating=False)),
        ('<22>1 2024-03-05T11:59:58Z mx1 postfix/qmgr 77 ID1 [a@1 b="c\\"]"][d] ', line(floating=False)),
        ("1 2024-03-05T11:59:58Z - postfix/qmgr - - - ", line(floating=False, host="")),
        ("<22>1 - mx1 postfix/qmgr 77 - - ", line(SEEN, floating=False)),
        # Files of rsyslog and journald
        ("2024-03-05T11:59:58.250000+00:00 mx1 postfix/qmgr[77]: ", line(NOON + 250, floating=False)),
        ("2024-03-05T13:59:58+02:00 mx1 postfix/qmgr[77]: ", line(floating=False)),
        ("2024-03-05T06:29:58-0530 mx1 postfix/qmgr[77]: ", line(floating=False)),
        ("2024-03-05T11:59:58 mx1 postfix/qmgr[77]: ", line()),
        ("2024-03-05 11:59:58,25 mx1 postfix/qmgr[77]: ", line(NOON + 250)),
        ("2024-03-05 11:59:58 mx1 postfix/qmgr[77]: ", line()),
        # A stamp that is no date is worth less than the rest of the line
        ("Mar 32 11:59:58 mx1 postfix/qmgr[77]: ", line(SEEN, floating=False)),
        ("Abc  5 11:59:58 mx1 postfix/qmgr[77]: ", line(SEEN, floating=False)),
        ("0000-03-05T11:59:58Z mx1 postfix/qmgr[77]: ", line(SEEN, floating=False)),
        # A leap second
        ("2016-12-31T23:59:60Z mx1 postfix/qmgr[77]: ", line(at("2016-12-31T23:59:59+00:00"), floating=False)),
    ],
)
def test_headers(text: str, read: Line) -> None:
    assert parse_line(text + TEXT, SEEN) == read


@pytest.mark.parametrize(
    "text", ["", "hello", "Mar  5 mx1 postfix/qmgr[77]: x", "[NOTICE] x", "<22>", "2024-03-05 x: y"]
)
def test_what_has_no_header_is_no_line(text: str) -> None:
    assert parse_line(text, SEEN) is None


@pytest.mark.parametrize(
    ("stamp", "seen", "meant"),
    [
        ("Dec 31 23:59:59", "2024-01-01T00:00:05+00:00", "2023-12-31T23:59:59+00:00"),
        ("Jan  1 00:00:01", "2023-12-31T23:59:58+00:00", "2024-01-01T00:00:01+00:00"),
        ("Feb 29 10:00:00", "2024-03-01T00:00:00+00:00", "2024-02-29T10:00:00+00:00"),
        ("Feb 29 10:00:00", "2025-01-01T00:00:00+00:00", "2024-02-29T10:00:00+00:00"),
        ("Feb 29 10:00:00", "2027-09-01T00:00:00+00:00", "2028-02-29T10:00:00+00:00"),
        ("Nov  8 10:00:00", "2019-11-09T00:00:00+00:00", "2019-11-08T10:00:00+00:00"),
    ],
)
def test_the_year_is_the_one_that_is_nearest(stamp: str, seen: str, meant: str) -> None:
    found = stamp_of(stamp, at(seen))
    assert found is not None
    assert (found.at, found.floating) == (at(meant), True)


def test_a_zone_that_is_given_is_used_for_stamps_without_one_only() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    for text in ("Mar  5 19:59:58", "2024-03-05 19:59:58", "2024-03-05T12:59:58+01:00"):
        found = stamp_of(text, SEEN, zone)
        assert found is not None
        assert (found.at, found.floating) == (NOON, False)


@pytest.mark.parametrize("seen", [-(10**30), -1, 0, 10**15, 10**30])
def test_an_absurd_record_time_is_survived(seen: int) -> None:
    assert parse_line("Mar  5 11:59:58 mx1 postfix/qmgr[77]: " + TEXT, seen) is not None


def test_escapes_padding_and_broken_text() -> None:
    read = parse_line("\0\0Mar  5 11:59:58 mx1 app[1]: one#011two#012three#012\r\n\0", SEEN)
    assert read is not None
    assert read.message == "one\ttwo\nthree"
    assert decode(b"caf\xe9 \xc3\xa9") == "caf\\xe9 é"


def test_only_the_first_header_counts() -> None:
    """A program that quotes a mail server is still that program."""
    read = parse_line(f"Mar  5 11:59:58 web app[1]: Mar  5 11:59:58 mx1 postfix/qmgr[77]: {TEXT}", SEEN)
    assert read is not None
    assert (read.host, read.program) == ("web", "app")


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"7 <22>1 a6 <22>1 ", [b"<22>1 a", b"<22>1 "]),
        (b"99 <22>1 cut off", [b"<22>1 cut off"]),
        (b"7 <22>1 a and a rest", [b"<22>1 a", b" and a rest"]),
        (b"5 apples", [b"5 apples"]),
        (b"", []),
    ],
)
def test_frames_are_taken_out_of_their_counts(raw: bytes, parts: list[bytes]) -> None:
    assert frames(raw) == parts


@pytest.mark.parametrize(
    "nasty",
    [
        "<22>1 2024-03-05T11:59:58Z h p 1 - " + '["\\' * 80_000,
        "<22>1 2024-03-05T11:59:58Z h p 1 - " + "[a]" * 80_000,
        "Mar  5 11:59:58 " + "h" * 250_000,
        "Mar  5 11:59:58 " + "h " * 125_000,
        "2024-03-05T11:59:58." + "1" * 250_000,
        "Mar  5 11:59:58 mx1 p[" + "1" * 250_000,
    ],
)
def test_hostile_headers_are_read_in_one_pass(nasty: str) -> None:
    parse_line(nasty, SEEN)


def test_many_frames_are_read_in_one_pass() -> None:
    assert len(frames(b"4 <22>" * 40_000)) == 40_000
