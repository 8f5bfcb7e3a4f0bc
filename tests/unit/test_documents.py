"""JSON documents, however they were strung together; and what one broken document may not do to its neighbours."""

import time

import pytest

from service.parsing.documents import documents

A, B = b'{"a": 1}', b'{"b": [{"c": "}{"}]}'
ONE, TWO = {"a": 1}, {"b": [{"c": "}{"}]}
PRETTY = b'{\n  "to": [\n    "ann@example.com"\n  ],\n  "headers": [\n{"name": "x"}\n  ]\n}'
READ = {"to": ["ann@example.com"], "headers": [{"name": "x"}]}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(A, [ONE], id="one"),
        pytest.param(PRETTY, [READ], id="one, pretty-printed"),
        pytest.param(A + b"\n" + B + b"\n", [ONE, TWO], id="JSON lines"),
        pytest.param(A + b"\r\n\r\n" + B, [ONE, TWO], id="JSON lines, from Windows, with a blank one"),
        pytest.param(A + B + A, [ONE, TWO, ONE], id="one after the other, as Firehose can"),
        pytest.param(PRETTY + PRETTY, [READ, READ], id="pretty-printed, one after the other"),
        pytest.param(b"[" + A + b", " + B + b"]", [ONE, TWO], id="an array"),
        pytest.param(b"[" + A + b"]\n[" + B + b"]", [ONE, TWO], id="an array a line"),
        pytest.param(A + b",\n" + B + b",", [ONE, TWO], id="with commas, an array that lost its brackets"),
        pytest.param(b"\xef\xbb\xbf" + A + b"\n\xef\xbb\xbf" + B, [ONE, TWO], id="a byte order mark, and another"),
        pytest.param(b"\0\0 " + A + b" \n\0\0\0", [ONE], id="padding"),
        pytest.param(b"\x1e" + A + b"\n\x1e" + B + b"\n", [ONE, TWO], id="a JSON text sequence"),
        pytest.param(rb'"{\"a\": 1}"', ['{"a": 1}'], id="a document quoted as text"),
        pytest.param(b'"x"\n"y"', ["x", "y"], id="quoted ones, a line each"),
        pytest.param(rb'{"a": "\\\"}{", "\\": 1}{"a": 1}', [{"a": '\\"}{', "\\": 1}, ONE], id="escapes"),
        pytest.param(b"", [], id="nothing"),
        pytest.param(b" \r\n\0\xef\xbb\xbf", [], id="nothing but space"),
    ],
)
def test_documents_are_found_however_they_are_strung_together(raw, expected):
    assert documents(raw) == (expected, [])


@pytest.mark.parametrize(
    ("raw", "expected", "broken"),
    [
        pytest.param(b'{"a": "tru\n' + A + b"\n" + B, [ONE, TWO], [b'{"a": "tru'], id="a line cut off"),
        pytest.param(A + b"\n" + B[:-5], [ONE], [B[:-5]], id="the last one cut off"),
        pytest.param(A + b"{oops}" + B, [ONE, TWO], [b"{oops}"], id="one that is no JSON"),
        pytest.param(A + b"} noise " + B, [ONE, TWO], [b"} noise"], id="noise between"),
        pytest.param(b"hello\n" + A, [ONE], [b"hello"], id="a line of plain text"),
        pytest.param(b'{"a": "\xff"}' + A, [ONE], [b'{"a": "\xff"}'], id="not UTF-8"),
        pytest.param(b"[" * 9000 + A, [], [b"[" * 9000 + A], id="brackets that never close"),
        pytest.param(b"[" * 9000 + b"]" * 9000 + A, [ONE], [b"[" * 9000 + b"]" * 9000], id="nested beyond reason"),
    ],
)
def test_a_broken_document_does_not_take_its_neighbours_with_it(raw, expected, broken):
    assert documents(raw) == (expected, broken)


def test_half_a_surrogate_pair_at_a_header_cut_short_is_replaced():
    assert documents(rb'{"subject": "\ud83d\ude00 \\ud83d \ud83d"}') == ([{"subject": "\U0001f600 \\ud83d \ufffd"}], [])


@pytest.mark.parametrize(
    "unit",
    [b"[", b"{", b"{}", b"{x}", b'{"', b'"\\', b'"\\"', b'"', b"\\ud800", b"}{", b"{\n", b"\n", b'["a\n', b"\xff"],
)
def test_hostile_bytes_take_linear_time(unit):
    started = time.process_time()
    documents(unit * (256 * 1024 // len(unit)))
    assert time.process_time() - started < 5  # quadratic would be minutes
