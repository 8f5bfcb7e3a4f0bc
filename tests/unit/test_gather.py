"""A scan reads each line once, dates it by SES's clock, and leaves out and counts what came after `--as-of`."""

from __future__ import annotations

import json

import pytest

from service.edges import gather
from service.edges.gather import Gathered
from service.facts import HOUR, Closed, Reason, Source
from service.parsing.smtp import DEFAULT

NOW = 1_795_507_200_000  # 2026-11-24T08:00:00Z
CLOCK = 1_795_507_199_800


def line(number: int, text: str = "removed", stamp: str = "Nov 24 08:00:00") -> str:
    return f"{stamp} mx1 postfix/qmgr[7]: {number:08X}: {text}\n"


def accepted(stamp: str = "Nov 24 08:00:00", number: int = 0) -> str:
    ses_id = f"0102{CLOCK:012x}-76b6ee63-ad84-420f-8c29-90e54410372f-000000"
    relay = "relay=email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587, delay=1, delays=0/0/0/1, dsn=2.0.0"
    return f"{stamp} mx1 postfix/smtp[7]: {number:08X}: to=<a@b.example>, {relay}, status=sent (250 Ok {ses_id})\n"


@pytest.fixture
def rejected():
    return []


@pytest.fixture
def gathered(rejected):
    return Gathered(NOW + HOUR, None, DEFAULT, lambda path, raw, why: rejected.append((path, raw, why.reason)))


def written(tmp_path, text: str | bytes) -> str:
    path = tmp_path / "input"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def sightings(gathered: Gathered, name: bytes) -> list[tuple[int, str]]:
    return [(sighting.seen, sighting.where) for _, sighting in gathered.take(name)]


@pytest.mark.parametrize("more", [-1, 0, 1, 2, 500])
def test_every_line_is_read_once_and_keeps_its_number(tmp_path, gathered, more):
    """Also those around the end of what was looked at ahead."""
    count = gather.AHEAD + more
    path = written(tmp_path, "".join(line(number) for number in range(count)))
    gathered.read_smtp(path, NOW)
    assert gathered.tally.records == {Source.SMTP: count}
    names = gathered.names(b"Q:")
    assert names == [f"Q:mx1/{number:08X}".encode() for number in range(count)]
    for number, name in enumerate(names, 1):
        assert sightings(gathered, name) == [(NOW, f"{path}:{number}")]


def test_more_facts_than_are_held_as_objects(tmp_path, gathered, monkeypatch):
    monkeypatch.setattr(gather, "CHUNK", 7)
    path = written(tmp_path, "".join(line(number % 10, f"from=<>, size={number}, nrcpt=1 (q)") for number in range(50)))
    gathered.read_smtp(path, NOW)
    found = sightings(gathered, b"Q:mx1/00000003")
    assert [where.rpartition(":")[2] for _, where in found] == ["4", "14", "24", "34", "44"]
    assert gathered.take(b"Q:mx1/00000003") == []


def test_the_first_lines_already_have_the_year_and_zone_that_a_later_one_shows(tmp_path, gathered):
    text = line(1, stamp="Nov 24 09:00:00") + accepted("Nov 24 09:00:00")
    gathered.read_smtp(written(tmp_path, text), NOW - 3 * 365 * 24 * HOUR)
    assert sightings(gathered, b"Q:mx1/00000001")[0][0] == NOW


def test_without_any_id_the_reference_gives_the_year(tmp_path, gathered):
    gathered.read_smtp(written(tmp_path, line(1)), NOW + 9 * HOUR)
    assert sightings(gathered, b"Q:mx1/00000001")[0][0] == NOW


def test_what_is_later_than_as_of_is_left_out_and_counted(tmp_path):
    gathered = Gathered(NOW + HOUR, NOW, DEFAULT, lambda *_: None)
    gathered.read_smtp(written(tmp_path, line(1) + line(2, stamp="Nov 24 08:00:01")), NOW)
    assert gathered.names(b"Q:") == [b"Q:mx1/00000001"]
    assert gathered.tally.left_out == 1
    assert gathered.tally.latest == {Source.SMTP: NOW}


def event(kind: str = "Delivery", at: str = "2026-11-24T07:59:59.000Z", **mail: object) -> dict:
    told = {"messageId": "x-1-2", "timestamp": "2026-11-24T07:59:00.000Z", "destination": ["a@b.example"], **mail}
    return {"eventType": kind, "mail": told, kind.lower(): {"timestamp": at, "recipients": ["a@b.example"]}}


def test_an_event_is_dated_by_itself(tmp_path, gathered):
    gathered.read_ses(written(tmp_path, json.dumps(event(), indent=1)))
    assert {seen for seen, _ in sightings(gathered, b"S:x-1-2")} == {NOW - 1000}


def test_an_event_of_the_future_is_counted_as_now(tmp_path, gathered):
    gathered.read_ses(written(tmp_path, json.dumps(event(at="2027-01-01T00:00:00Z"))))
    assert max(seen for seen, _ in sightings(gathered, b"S:x-1-2")) == NOW + HOUR


@pytest.mark.parametrize("undated", [event("Open", at="?", timestamp="?"), event(at="2027-01-01T00:00:00Z")])
def test_an_event_that_is_dated_by_our_clock_does_not_show_how_far_ses_has_spoken(tmp_path, gathered, undated):
    """One odd event in an archive of last year would make a gap of each mail that was under way at its end."""
    gathered.read_ses(written(tmp_path, json.dumps(event()) + "\n" + json.dumps(undated)))
    assert gathered.tally.latest == {Source.SES: NOW - 1000}


def test_what_cannot_be_understood_is_handed_over_whole(tmp_path, gathered, rejected):
    bad = b"\x00\x01\x02 gar\x00bage \xff\x00"
    path = written(tmp_path, line(1).encode() + bad + b"\n" + line(2).encode())
    gathered.read_smtp(path, NOW)
    assert rejected == [(path, rejected[0][1], Reason.NOT_TEXT)]
    assert (rejected[0][1].data, rejected[0][1].line) == (bad + b"\n", 2)
    assert gathered.tally.rejected == {Reason.NOT_TEXT: 1}
    assert len(gathered.names(b"Q:")) == 2


def test_what_names_tell_each_other_is_kept_like_what_was_read(gathered):
    sighting = gather.Sighting(NOW, "here:1")
    fact = Closed(NOW, floating=False, how="removed")
    gathered.add(b"Q:mx1/1", fact, sighting)
    assert gathered.take(b"Q:mx1/1") == [(fact, sighting)]


# -- files that name no host -----------------------------------------------------------------------------------------


def exim(number: int, stamp: str, text: str) -> str:
    return f"2026-11-24 {stamp} 1rjIZ{number:x}-0005MB-00 {text}\n"


def took(number: int, stamp: str) -> str:
    ses_id = f"0102{CLOCK:012x}-76b6ee63-ad84-420f-8c29-90e5441037{number:02x}-000000"
    host = "H=email-smtp.eu-west-1.amazonaws.com [203.0.113.9]"
    return exim(number, stamp, f'=> a@b.example R=ses T=smtp {host} C="250 Ok {ses_id}"')


def test_a_file_that_names_no_host_has_a_clock_of_its_own(tmp_path, gathered):
    """Exim's main logs of two machines, one of them five hours behind UTC."""
    (tmp_path / "a").write_text(took(1, "03:00:00") + exim(2, "03:00:00", "Completed"))
    (tmp_path / "b").write_text(exim(3, "08:00:00", "Completed"))
    gathered.read_smtp(str(tmp_path / "a"), NOW)
    gathered.read_smtp(str(tmp_path / "b"), NOW)
    assert sightings(gathered, b"Q:-/1rjIZ2-0005MB-00")[0][0] == NOW
    assert sightings(gathered, b"Q:-/1rjIZ3-0005MB-00")[0][0] == NOW


def test_lines_without_a_stamp_are_dated_by_their_neighbours_and_teach_no_clock(tmp_path, gathered):
    def printed(hours: int) -> str:
        return (
            f"reply: b'250 Ok 0102{CLOCK + hours * HOUR:012x}-76b6ee63-ad84-420f-8c29-90e5441037{hours:02x}-000000'\n"
        )

    refused = "smtplib.SMTPDataError: (554, b'Message rejected: Email address is not verified.')\n"
    path = written(tmp_path, printed(0) + printed(5) + refused)
    gathered.read_smtp(path, NOW)
    (name,) = gathered.names(b"Q:")
    assert sightings(gathered, name)[0][0] == CLOCK + 5 * HOUR
    assert sorted(gathered.take(name)[0][1].seen for name in gathered.names(b"S:")) == [CLOCK, CLOCK + 5 * HOUR]


def test_the_rest_of_an_error_is_dated_by_the_line_that_begins_it(tmp_path, gathered):
    refused = "MessageRejected (client): Email address is not verified. - <ErrorResponse"
    text = f"[2026-11-24 08:00:00] production.ERROR: it failed:\n<Error>\n{refused}\n"
    gathered.read_smtp(written(tmp_path, text), NOW + 9 * HOUR)
    (name,) = gathered.names(b"Q:")
    ((fact, sighting),) = gathered.take(name)
    assert (fact.at, sighting.seen) == (NOW, NOW)
