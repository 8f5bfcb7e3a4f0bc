"""Lines that came in pieces are whole again before they are parsed; and what is open is not acknowledged."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.assembler import FOLDED, LARGEST, MOST, PATIENCE, STREAMS, TORN, Assembler, Held, Joined
from service.parsing.smtp import parse_smtp

NOW = 1_709_640_000_000
STAMP = "2024-03-05T11:59:58.123456789Z"
QID = "4A1B2C3D4E"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
LINE = (
    f"Mar  5 11:59:58 mx1 postfix/smtp[7]: {QID}: to=<ann@shop.example>, "
    f"relay=email-smtp.eu-west-1.amazonaws.com[192.0.2.10]:587, delay=1, dsn=2.0.0, status=sent (250 Ok {ID})"
)


@dataclass(frozen=True)
class Record:
    value: bytes
    offset: int = 0
    timestamp: int = NOW
    key: bytes | None = None
    topic: str = "mail"
    partition: int = 0


def record(value: Any, offset: int = 0, timestamp: int = NOW, **more: Any) -> Record:
    raw = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else orjson.dumps(value)
    return Record(raw, offset, timestamp, **more)


def cri(text: str, tag: str, stream: str = "stdout") -> str:
    return f"{STAMP} {stream} {tag} {text}"


def assembled(*values: Any) -> list[bytes | None]:
    """What is to be parsed of these records, in one batch and in batches of one."""
    records = [record(value, offset) for offset, value in enumerate(values)]
    assembler, ready = Assembler().take(records, NOW)
    one_by_one, found = Assembler(), []
    for each in records:
        one_by_one, some = one_by_one.take([each], NOW)
        found += some
    assert (one_by_one, found) == (assembler, ready)
    return [each.value for each in [*ready, *assembler.rest()]]


HALF = len(LINE) // 2
THIRDS = [LINE[:70], LINE[70:140], LINE[140:]]
POD = {"pod_name": "mx-0", "namespace_name": "mail", "container_name": "postfix", "labels": {"app": "mx"}}


@pytest.mark.parametrize(
    ("shape", "pieces"),
    [
        ("CRI", [cri(THIRDS[0], "P"), cri(THIRDS[1], "P"), cri(THIRDS[2], "F")]),
        ("CRI with further tags", [cri(LINE[:HALF], "P:a"), cri(LINE[HALF:], "F:a")]),
        ("CRI in a document", [{"message": cri(LINE[:HALF], "P"), "file": "a"},
                               {"message": cri(LINE[HALF:], "F"), "file": "a"}]),
        ("Fluent Bit's CRI parser", [{"log": LINE[:HALF], "logtag": "P", "stream": "stdout", "kubernetes": POD},
                                     {"log": LINE[HALF:], "logtag": "F", "stream": "stdout", "kubernetes": POD}]),
        ("Fluent Bit's multiline parser", [{"log": LINE[:HALF], "_p": "P"}, {"log": LINE[HALF:], "_p": "F"}]),
        ("Vector", [{"message": LINE[:HALF], "_partial": True, "file": "a"}, {"message": LINE[HALF:], "file": "a"}]),
        ("fluentd's Docker driver", [
            {"log": part, "partial_message": "true", "partial_id": "x", "partial_ordinal": str(number),
             "partial_last": str(number == 3).lower()}
            for number, part in enumerate(THIRDS, 1)
        ]),
        ("journald, from a container", [
            {"MESSAGE": LINE[:HALF], "CONTAINER_PARTIAL_MESSAGE": "true", "CONTAINER_PARTIAL_ID": "x",
             "CONTAINER_PARTIAL_LAST": "false"},
            {"MESSAGE": LINE[HALF:], "CONTAINER_PARTIAL_MESSAGE": "true", "CONTAINER_PARTIAL_ID": "x",
             "CONTAINER_PARTIAL_LAST": "true"},
        ]),
        ("Docker, its attributes below", [
            {"log": LINE[:HALF], "attrs": {"partial_message": "true", "partial_last": "false"}},
            {"log": LINE[HALF:], "attrs": {"partial_message": "true", "partial_last": "true"}},
        ]),
    ],
)  # fmt: skip
def test_pieces_are_one_line_again(shape: str, pieces: list[Any]) -> None:
    (whole,) = assembled(*pieces)
    assert parse_smtp(whole or b"", NOW) == parse_smtp(LINE.encode(), NOW), shape


def test_docker_cuts_after_16_kib_and_says_so_by_the_line_end_that_is_missing() -> None:
    long = LINE + " " * (16_384 - len(LINE)) + "the rest"
    pieces = [{"log": long[:16_384], "stream": "stdout", "time": STAMP}, {"log": "the rest\n", "stream": "stdout"}]
    (whole,) = assembled(*pieces)
    assert orjson.loads(whole or b"")["log"] == long + "\n"
    for ended in ("x" * 16_383 + "\n", "x" * 16_000, "x" * 20_000):
        assert len(assembled({"log": ended, "stream": "stdout"}, {"log": "next\n", "stream": "stdout"})) == 2


def test_a_character_that_was_cut_in_two_is_whole_again() -> None:
    raw = "é".encode()
    first, second = cri("caf", "P").encode() + raw[:1], cri("", "F").encode() + raw[1:]
    assert assembled(first, second) == [cri("café", "F").encode()]


EXIM = "2024-03-05 11:59:58 1rhTyZ-000000001bo-D342"


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([f"{EXIM} ** a@b R=r T=t: 554 Message rejected:", "  Email address is not verified."],
         f"{EXIM} ** a@b R=r T=t: 554 Message rejected:\n  Email address is not verified."),
        ([f"{EXIM} == a@b defer (-44): 454", "\tone", "\ttwo"], f"{EXIM} == a@b defer (-44): 454\n\tone\n\ttwo"),
        ([f'{EXIM} => a@b R=r C="250 Ok', '  x"'], f'{EXIM} => a@b R=r C="250 Ok\n  x"'),
        ([cri(f"{EXIM} ** a@b: 554", "F"), cri("  more", "F")], cri(f"{EXIM} ** a@b: 554\n  more", "F")),
        (["Mar  5 11:59:58 mx1 exim[7]: [1/3] 2024-03-05 11:59:58 x ** a@b: 554",
          "Mar  5 11:59:58 mx1 exim[7]: [2\\3] Email address", "Mar  5 11:59:59 mx1 exim[7]: [3/3] is not verified"],
         "Mar  5 11:59:58 mx1 exim[7]: 2024-03-05 11:59:58 x ** a@b: 554 Email address is not verified"),
    ],
)  # fmt: skip
def test_what_exim_folded_is_one_line_again(pieces: list[str], whole: str) -> None:
    assert assembled(*pieces) == [whole.encode()]


def test_a_folded_line_in_documents() -> None:
    (whole,) = assembled({"log": f"{EXIM} ** a@b: 554\n", "file": "m"}, {"log": "  more\n", "file": "m"})
    assert orjson.loads(whole or b"")["log"] == f"{EXIM} ** a@b: 554\n  more"


@pytest.mark.parametrize(
    "values",
    [
        [f"{EXIM} ** a@b: 554 no", f"{EXIM} Completed"],
        [f"{EXIM} ** a@b: 554 no", f"{EXIM} ** c@d: 554 no"],
        [f"{EXIM} ** a@b: 554 no"],
        [f'{EXIM} => a@b C="250 Ok {ID}"', "  stray"],
        ["  stray", LINE],
        [LINE, LINE],
        [cri(LINE, "F"), cri(LINE, "F")],
        [cri("the end of a line whose beginning we never saw", "F"), LINE],
        [f"{LINE}\n{LINE}", b"\xff\0", b"", b"{}", b'{"log": 5}', b'{"log": "P", "P": "P"}', b"[1]", b"{"],
        [{"log": "x\n", "stream": "stdout"}, {"message": "x", "logtag": "F"}],
        [{"message": " 4A1B2C3D4E: removed", "programname": "postfix"}] * 2,
    ],
)
def test_what_is_whole_passes_as_it_came(values: list[Any]) -> None:
    assert assembled(*values) == [record(value).value for value in values]


def test_lines_that_are_woven_into_one_another_are_told_apart() -> None:
    one = [{"log": part, "logtag": tag, "kubernetes": POD} for part, tag in ((LINE[:9], "P"), (LINE[9:], "F"))]
    pod = POD | {"pod_name": "mx-1"}
    other = [{"log": part, "logtag": tag, "kubernetes": pod} for part, tag in (("other ", "P"), ("line", "F"))]
    found = [orjson.loads(value or b"")["log"] for value in assembled(one[0], other[0], one[1], other[1])]
    assert found == [LINE, "other line"]
    assert assembled(cri("a", "P"), cri("b", "P", "stderr"), cri("A", "F"), cri("B", "F", "stderr")) == [
        cri("aA", "F").encode(), cri("bB", "F", "stderr").encode(),
    ]  # fmt: skip


def test_partitions_and_keys_are_streams_of_their_own() -> None:
    first = [record(cri("a", "P"), key=b"1"), record(cri("b", "P"), 1, key=b"2"), record(cri("c", "P"), partition=1)]
    assembler, ready = Assembler().take(first, NOW)
    assert ready == []
    _, ready = assembler.take([record(cri("B", "F"), 2, key=b"2")], NOW)
    assert [each.value for each in ready] == [cri("bB", "F").encode()]


def test_the_joined_record_is_where_and_when_the_first_was() -> None:
    parts = [record(cri("a", "P"), 5, NOW - 9, key=b"k"), record(cri("b", "F"), 7, NOW - 3, key=b"k")]
    _, (joined,) = Assembler().take(parts, NOW)
    assert joined == Joined("mail", 0, 5, NOW - 9, b"k", cri("ab", "F").encode(), tuple(parts))


# -- what is held ----------------------------------------------------------------------------------------------------


def test_the_oldest_open_line_is_held_and_a_whole_one_is_not() -> None:
    assembler, ready = Assembler().take([record(cri("a", "P"), 5, NOW - 9), record(LINE, 6, NOW)], NOW)
    assert [each.offset for each in ready] == [6]
    assert assembler.held("mail", 0) == Held(5, NOW - 9)
    assert assembler.held("mail", 1) is None
    assembler, _ = assembler.take([record(cri("b", "F"), 7)], NOW)
    assert assembler == Assembler()


def test_a_line_woven_into_an_open_one_is_read_again_with_it() -> None:
    """Read again from the second line's beginning, the end of the first would pass for a line of its own."""
    assembler, _ = Assembler().take([record(cri("a", "P"), 5), record(cri("b", "P", "stderr"), 7)], NOW)
    assembler, ready = assembler.take([record(cri("A", "F"), 8)], NOW)
    assert len(ready) == 1
    assert assembler.held("mail", 0) == Held(5, NOW)


def test_lines_woven_together_for_ever_do_not_hold_the_input_for_ever() -> None:
    assembler = Assembler()
    for second in range(0, 600, 10):
        at, streams = NOW + second * 1000, ("stdout", "stderr")
        mine, other = streams if second % 20 else streams[::-1]
        assembler, _ = assembler.take(
            [record(cri("x", "P", mine), second, at), record(cri("y", "F", other), second + 1, at)], at
        )
        held = assembler.held("mail", 0)
        assert held is not None
        assert second - held.offset <= 70


def test_a_partition_that_is_not_ours_is_forgotten() -> None:
    assembler, _ = Assembler().take([record(cri("a", "P")), record(cri("a", "P"), partition=1)], NOW)
    left = assembler.without("mail", 0)
    assert (left.held("mail", 0), left.held("mail", 1)) == (None, Held(0, NOW))


# -- patience --------------------------------------------------------------------------------------------------------


def test_after_half_a_minute_of_record_time_a_part_is_parsed_as_it_is() -> None:
    assembler, _ = Assembler().take([record(cri(LINE, "P"))], NOW)
    assembler, ready = assembler.take([record("x", 1, NOW + PATIENCE)], NOW + PATIENCE)
    assert len(ready) == 1
    assembler, ready = assembler.take([record("x", 2, NOW + PATIENCE + 1)], NOW + PATIENCE + 1)
    assert [each.value for each in ready] == [b"x", cri(LINE, "F").encode()]
    assert assembler == Assembler()


def test_a_partition_in_which_nothing_more_comes_waits_by_the_clock() -> None:
    for value, patience in ((cri(LINE, "P"), PATIENCE), (f"{EXIM} ** a@b: 554", FOLDED)):
        assembler, _ = Assembler().take([record(value)], NOW)
        same, ready = assembler.waited("mail", 0, NOW + patience)
        assert (same, ready) == (assembler, [])
        done, (whole,) = assembler.waited("mail", 0, NOW + patience + 1)
        assert done == Assembler()
        assert whole.value == value.replace(" P ", " F ").encode()


def test_a_late_rest_is_a_line_of_its_own_and_never_joined_to_what_was_parsed() -> None:
    late = NOW + PATIENCE + 1
    assembler, _ = Assembler().take([record(cri("a", "P"))], NOW)
    assembler, ready = assembler.take([record(cri("b", "F"), 1, late)], late)
    assert [each.value for each in ready] == [cri("a", "F").encode(), cri("b", "F").encode()]
    assert assembler == Assembler()


def test_a_line_that_grows_too_long_is_parsed_as_it_is_and_its_rest_left_out() -> None:
    """Its pieces begin where whoever wrote it wants, with a forged status line perhaps."""
    long = [cri("x" * 16_000, "P")] * 5
    found = assembled(*long, cri(LINE, "P"), cri(LINE, "F"), cri(LINE, "F"))
    assert [len(value or b"") > LARGEST for value in found] == [True, False, False, False]
    assert found[1:] == [b"", b"", cri(LINE, "F").encode()]
    short = assembled(*[cri("x", "P")] * (MOST + 5))
    assert len(short) == 6
    at = NOW + TORN + 1
    assembler, _ = Assembler().take([record(value, n) for n, value in enumerate(long)], NOW)
    assert assembler.held("mail", 0) is None
    _, ready = assembler.take([record(cri(LINE, "F"), 9, at)], at)
    assert [each.value for each in ready] == [cri(LINE, "F").encode()]


def test_the_open_lines_of_a_partition_are_bounded() -> None:
    records = [record(cri("x", "P"), n, NOW + n, key=b"%d" % n) for n in range(STREAMS + 3)]
    assembler, ready = Assembler().take(records, NOW + STREAMS + 3)
    assert [each.offset for each in ready] == [0, 1, 2]
    assert len(assembler.rest()) == STREAMS


@pytest.mark.parametrize("depth", [250, 300, 1000])
@pytest.mark.parametrize("key", ["kubernetes", "partial_message", "logtag", "attrs", "x"])
def test_documents_that_are_nested_deeper_than_can_be_written_are_survived(depth: int, key: str) -> None:
    deep = f'{{"{key}":' * depth + "1" + "}" * depth
    values = [f'{{"log":"{text}","_p":"{tag}","{key}":{deep}}}' for text, tag in (("a", "P"), ("b", "F"))]
    assembler, ready = Assembler().take([record(value, n) for n, value in enumerate(values)], NOW)
    for each in [*ready, *assembler.rest()]:
        parse_smtp(each.value or b"", NOW)


# -- laws ------------------------------------------------------------------------------------------------------------

TAGS = st.sampled_from(["P", "F"])
STREAM = st.sampled_from(["stdout", "stderr"])
VALUES = st.one_of(
    st.builds(lambda text, tag, stream: cri(text, tag, stream).encode(), st.text("ab \t", max_size=4), TAGS, STREAM),
    st.sampled_from([f"{EXIM} ** a@b: 554".encode(), b"  more", b"\tmore", b"plain", b"", b"a\nb", b"\xff\xfe", b"{"]),
    st.builds(lambda tag, text: orjson.dumps({"log": text, "logtag": tag}), TAGS, st.text(max_size=3)),
    st.sampled_from([b"sent: {", b"}", b"  }", b"starting delivery 1: msg 7 to remote a@b", b"delivery 1: success: x",
                     b"Starting delivery: host: h protocol: smtp file: 1.2", b"From: <a@b> to: <c@d>",
                     b"smtp: Succeeded: x"]),
    st.builds(lambda text, tag: cri(text, tag).encode(), st.sampled_from(["delivery 1: ", "success: x", "{", "}"]),
              TAGS),
)  # fmt: skip


@given(st.lists(VALUES, max_size=20), st.data())
def test_read_again_from_what_is_held_the_records_make_the_same_lines(values: list[bytes], data: st.DataObject) -> None:
    """A crash anywhere: what was acknowledged was handed on, and what was not is read again, to the same end."""
    records = [record(value, offset, NOW + offset * 200) for offset, value in enumerate(values)]
    now = NOW + 60_000
    cut = data.draw(st.integers(0, len(records)))
    before, first = Assembler().take(records[:cut], now)
    _, all_of_them = before.take(records[cut:], now)
    held = before.held("mail", 0)
    again, second = Assembler().take(records[cut if held is None else held.offset :], now)
    assert again.rest() == before.take(records[cut:], now)[0].rest()
    wanted = {(each.offset, each.value) for each in itertools.chain(first, all_of_them)}
    assert wanted == {(each.offset, each.value) for each in itertools.chain(first, second)}


def test_a_line_that_becomes_another_is_read_again_from_where_its_pieces_began_to_straddle() -> None:
    """Its first piece lies within a delivery of qmail's: read again from there, that delivery would lack its start."""
    values = [b"starting delivery 1: msg 7 to remote a@b", cri("delivery 1: ", "P").encode(),
              b"delivery 1: success: x", cri("{", "F").encode()]  # fmt: skip
    before, first = Assembler().take([record(value, n, NOW + n * 200) for n, value in enumerate(values)], NOW + 60_000)
    assert [each.offset for each in first] == [2]
    assert before.held("mail", 0) == Held(0, NOW + 200)


@given(st.lists(VALUES, max_size=20))
def test_no_byte_is_lost(values: list[bytes]) -> None:
    records = [record(value, offset) for offset, value in enumerate(values)]
    assembler, ready = Assembler().take(records, NOW)
    parts = [
        part for each in [*ready, *assembler.rest()] for part in (each.parts if isinstance(each, Joined) else [each])
    ]
    assert sorted(part.offset for part in parts) == list(range(len(records)))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_survived(raw: bytes, open_: bool) -> None:  # noqa: FBT001
    assembler = Assembler().take([record(cri("a", "P"))], NOW)[0] if open_ else Assembler()
    for prefix in (b"", b"{", b'{"log":"', f"{STAMP} stdout P ".encode(), b"Mar  5 11:59:58 h exim[1]: [1/2] "):
        done, _ = assembler.take([record(prefix + raw, 1)], NOW)
        done.rest()
