"""How a record falls into parts, and that none of them is lost."""

from __future__ import annotations

import base64
import gzip
from datetime import timedelta, timezone
from typing import Any

import orjson
import pytest

from service.facts import Accepted, Closed, Name, Reason
from service.parsing.smtp import LIMIT, SmtpContext, parse_smtp

SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
QID = "4A1B2C3D4E"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
SES = "email-smtp.eu-west-1.amazonaws.com[192.0.2.10]:587"
REMOVED = f"{QID}: removed"
LINE = f"Mar  5 11:59:58 mx1 postfix/qmgr[7]: {REMOVED}"
SENT = f"{QID}: to=<ann@shop.example>, relay={SES}, delay=1, dsn=2.0.0, status=sent (250 Ok {ID})"
SENT_LINE = f"Mar  5 11:59:58 mx1 postfix/smtp[7]: {SENT}"
BROKEN_LINE = f"Mar  5 11:59:58 mx1 postfix/smtp[7]: {QID}: to=<ann@shop.example>, relay="
NOISE = "Mar  5 11:59:58 web cron[1]: nothing to see"


def names(raw: bytes | str) -> list[Name]:
    parsed, unparsable = parse_smtp(raw.encode() if isinstance(raw, str) else raw, SEEN)
    assert unparsable is None
    return [name for name, _ in parsed.facts]


def json(value: Any) -> str:
    return orjson.dumps(value).decode()


MX1 = b"Q:mx1/" + QID.encode()


@pytest.mark.parametrize(
    ("shape", "record"),
    [
        ("a line", LINE),
        ("a line with an end", LINE + "\r\n"),
        ("a line after a hole in the file", "\0" * 500 + LINE + "\n"),
        ("a line after a byte order mark", "\ufeff" + LINE),
        ("a line with space before it", "  " + LINE),
        ("RFC 5424", f"<22>1 2024-03-05T11:59:58Z mx1 postfix/qmgr 7 - - {REMOVED}"),
        ("an octet count", f"{len(LINE) + 4} <22>{LINE}"),
        ("a line of a container", f"2024-03-05T11:59:58.123456789Z stdout F {LINE}"),
        ("Docker", json({"log": LINE + "\n", "stream": "stdout", "time": "2024-03-05T11:59:58Z"})),
        ("an envelope around a whole line", json({"message": LINE, "host": "agent", "program": "tail"})),
        ("an envelope around a line without a host",
         json({"message": LINE.replace("mx1 ", ""), "hostname": "MX1", "@timestamp": 1709639998.0})),
        ("an envelope around a bare message",
         json({"message": " " + REMOVED, "host": "mx1", "appname": "postfix/qmgr"})),
        ("an envelope in an envelope", json({"log": json({"message": LINE}) + "\n", "stream": "stdout"})),
        ("gzip", gzip.compress(LINE.encode(), mtime=0)),
        ("gzip, in base64", base64.b64encode(gzip.compress(LINE.encode(), mtime=0)).decode()),
        ("pretty JSON", orjson.dumps({"message": LINE, "a": {"b": 1}}, option=orjson.OPT_INDENT_2).decode()),
        ("an array of envelopes", json([{"message": LINE}])),
        ("an array of lines", json([LINE])),
        ("noise around it", f"{NOISE}\n{LINE}\n{NOISE}"),
    ],
)  # fmt: skip
def test_one_fact_in_many_shapes(shape: str, record: bytes | str) -> None:
    assert names(record) == [MX1], shape


@pytest.mark.parametrize(
    "record",
    [
        f"{LINE}\n{LINE}",
        f"{LINE}\r\n\r\n{LINE}\r\n",
        json({"message": LINE}) + "\n" + json({"message": LINE}),
        json({"message": LINE}) + json({"message": LINE}),
        json([{"message": LINE}, {"message": LINE}]),
        json({"message": f"{LINE}\n{LINE}\n"}),
        f"{len(LINE)} {LINE}".replace("Mar", "<22>Mar").replace(str(len(LINE)), str(len(LINE) + 4)) * 2,
        f"{LINE}\n{json({'message': LINE})}",
    ],
)
def test_a_record_may_hold_several(record: str) -> None:
    assert names(record) == [MX1, MX1]


def test_a_line_that_begins_with_space_goes_on_from_the_one_before() -> None:
    head, tail = SENT_LINE.split(", status=")
    assert names(f"{LINE}\n{head},\n\tstatus={tail}\n{LINE}") == [MX1, MX1, b"S:" + ID.encode(), MX1]


@pytest.mark.parametrize("tag", ["P", "P:x"])
def test_lines_that_a_container_runtime_cut_are_whole_again(tag: str) -> None:
    stamp, cut = "2024-03-05T11:59:58.123456789Z", len(SENT_LINE) // 2
    pieces = [
        f"{stamp} stdout {tag} {SENT_LINE[:cut]}",
        f"{stamp} stderr F {LINE}",
        f"{stamp} stdout F {SENT_LINE[cut:]}",
    ]
    assert sorted(names("\r\n".join(pieces))) == sorted([MX1, MX1, b"S:" + ID.encode()])
    assert names(f"{pieces[1]}\n{stamp} stdout P {LINE}") == [MX1, MX1]


def test_the_header_in_the_text_wins_over_its_envelope() -> None:
    record = json({"message": LINE, "host": "agent", "timestamp": "2024-03-05T12:34:56Z", "appname": "tail"})
    parsed, _ = parse_smtp(record.encode(), SEEN)
    assert parsed.facts == [(MX1, Closed(SEEN - 2000, True, "removed"))]


def test_without_a_header_the_envelope_dates_the_message_and_without_that_the_record() -> None:
    bare = {"message": REMOVED, "host": "mx1", "appname": "postfix/qmgr"}
    for stamp, at in (({"timestamp": "2024-03-05T11:00:00Z"}, SEEN - 3_600_000), ({}, SEEN)):
        parsed, _ = parse_smtp(json(bare | stamp).encode(), SEEN)
        assert [fact.at for _, fact in parsed.facts] == [at]


def test_a_zone_that_is_given_makes_stamps_exact() -> None:
    context = SmtpContext(zone=timezone(timedelta(hours=8)))
    parsed, _ = parse_smtp(LINE.encode(), SEEN, context)
    assert parsed.facts == [(MX1, Closed(SEEN - 2000 - 8 * 3_600_000, False, "removed"))]


def test_further_relays_count_as_ses() -> None:
    line = SENT_LINE.replace(SES, "out.shop.example[192.0.2.9]:25").replace(ID, "an-id-with-hyphens-1")
    parsed, _ = parse_smtp(line.encode(), SEEN, SmtpContext(relays=frozenset({"out.shop.example"})))
    assert [type(fact) for _, fact in parsed.facts] == [Accepted, Accepted]


@pytest.mark.parametrize(
    ("record", "ignored"),
    [
        ("", 1),
        ("\n\n", 1),
        (NOISE, 1),
        (f"{NOISE}\n{LINE}\n{NOISE}", 2),
        ("just some text", 1),
        ("[NOTICE] just some text", 1),
        ("text\n  at some.Trace(1)\n  at some.Trace(2)\nmore", 2),
        ("{}", 1),
        ("[]", 1),
        ('[{"a": 1}, 1, "x", null]', 4),
        (json({"log": "GET / 200\n", "stream": "stdout"}), 1),
        (json({"log": "{not json\n", "stream": "stdout"}), 1),
        ("[[[[[[[[1]]]]]]]]", 1),
    ],
)
def test_what_is_no_mail_is_counted(record: str, ignored: int) -> None:
    parsed, unparsable = parse_smtp(record.encode(), SEEN)
    assert (parsed.ignored, unparsable) == (ignored, None)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"x" * (LIMIT + 1), Reason.TOO_LARGE),
        (b'{"message": "cut o', Reason.BAD_JSON),
        (b"{mail not json}", Reason.BAD_JSON),
        (b'[{"message": ]', Reason.BAD_JSON),
        (gzip.compress(LINE.encode(), mtime=0)[:-1], Reason.NOT_TEXT),
        (gzip.compress(b" " * (8 << 20)), Reason.TOO_LARGE),
        (b"\x28\xb5\x2f\xfd zstd", Reason.NOT_TEXT),
        (b"some\0text", Reason.NOT_TEXT),
        (LINE.encode("utf-16"), Reason.NOT_TEXT),
        (bytes(range(256)).replace(b"\n", b"").replace(b"\0", b""), Reason.NOT_TEXT),
        (BROKEN_LINE.encode(), Reason.UNPARSABLE_MAIL_LINE),
        (b"mail.log:" + SENT_LINE.encode(), Reason.UNPARSABLE_MAIL_LINE),
        (b"?? postfix/smtp ?? to=<a@b> 250 Ok " + ID.encode(), Reason.UNPARSABLE_MAIL_LINE),
    ],
)
def test_what_should_have_been_understood_is_told(record: bytes, reason: Reason) -> None:
    parsed, unparsable = parse_smtp(record, SEEN)
    assert parsed.facts == []
    assert unparsable is not None
    assert unparsable.reason is reason
    assert "ann@" not in unparsable.detail


def test_good_parts_are_not_lost_with_a_bad_one_nor_the_bad_one_with_them() -> None:
    parsed, unparsable = parse_smtp(f"{LINE}\n{BROKEN_LINE}\n{NOISE}\n{LINE}".encode(), SEEN)
    assert ([name for name, _ in parsed.facts], parsed.ignored) == ([MX1, MX1], 1)
    assert unparsable is not None
    assert unparsable.reason is Reason.UNPARSABLE_MAIL_LINE
    assert unparsable.detail.startswith("1 of 4 parts")


def test_a_broken_document_does_not_take_its_neighbours_with_it() -> None:
    parsed, unparsable = parse_smtp(
        f'{json({"message": LINE})}\n{{"message": "cut\n{json({"message": LINE})}'.encode(), SEEN
    )
    assert [name for name, _ in parsed.facts] == [MX1, MX1]
    assert unparsable is not None
    assert unparsable.reason is Reason.BAD_JSON


def test_another_program_that_quotes_a_mail_server_makes_no_fact() -> None:
    for record in (
        f"Mar  5 11:59:58 web app[1]: {SENT_LINE}",
        f"Mar  5 11:59:58 web app[1]: {SENT}",
        json({"message": SENT, "host": "web", "appname": "app"}),
    ):
        assert names(record) == []


@pytest.mark.parametrize(
    "nasty",
    [
        b"{" * LIMIT,
        b"[" * LIMIT,
        b'{"a":' * 50_000,
        b'"' * LIMIT,
        b'{"' + b"\\" * (LIMIT - 2),
        b"{}" * (LIMIT // 2),
        b"{}\n" * (LIMIT // 3),
        b"\n " * (LIMIT // 2),
        b"\n" * LIMIT,
        b"a\n" * (LIMIT // 2),
        b"{\n" * (LIMIT // 2),
        b"1 <1>" * (LIMIT // 5),
        b"\0" * LIMIT,
        b"\xff" * LIMIT,
        b"\x01" * LIMIT,
        SENT_LINE.encode() + b")" * (LIMIT - 1000),
        (SENT_LINE.encode() + b"\n") * (LIMIT // 250),
        b"postfix/ to=<" + b"250 Ok " * 37_000,
    ],
)
def test_hostile_records_are_read_in_one_pass(nasty: bytes) -> None:
    parse_smtp(nasty[:LIMIT], SEEN)
