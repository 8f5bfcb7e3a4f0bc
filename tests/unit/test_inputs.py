"""Files, folders and standard input, packed or not, as whole records with the line on which each begins."""

from __future__ import annotations

import gzip
import io
import json

import pytest
import zstandard

from service.edges.inputs import MAX_RECORD, InputError, documents, files, lines, opened
from service.parsing.documents import documents as documents_in


def lines_of(data: bytes) -> list[tuple[bytes, int]]:
    return [(raw.data, raw.line) for raw in lines(io.BytesIO(data))]


def documents_of(data: bytes) -> list[bytes]:
    return [raw.data.strip() for raw in documents(io.BytesIO(data))]


def test_lines_keep_their_bytes_and_numbers():
    assert lines_of(b"one\n\ntwo\xff\r\nthree") == [(b"one\n", 1), (b"\n", 2), (b"two\xff\r\n", 3), (b"three", 4)]
    assert lines_of(b"") == []


def test_a_folded_line_is_one():
    assert lines_of(b"one\n two\n\tthree\nfour\n") == [(b"one\n two\n\tthree\n", 1), (b"four\n", 4)]


def test_a_file_that_begins_in_the_middle_of_a_fold():
    assert lines_of(b" tail\nnext\n") == [(b" tail\n", 1), (b"next\n", 2)]


PRETTY = b'{\n  "msg": "mail sent",\n  "to": [\n    "a@x.example"\n  ]\n}\n'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PRETTY, [PRETTY.rstrip()]),
        (PRETTY + PRETTY, [PRETTY.rstrip()] * 2),
        (b"before\n" + PRETTY + b"after\n", [b"before\n", PRETTY.rstrip(), b"after\n"]),
        (b"{\n  accepted: [],\n}\nafter\n", [b"{\n  accepted: [],\n}", b"after\n"]),
        (b"{\n  never closed\nnext\n more\n", [b"{\n  never closed\n", b"next\n more\n"]),
        (b"{\n  cut off", [b"{\n  cut off"]),
        (b"[{\n  1: 2\n}]\n", [b"{\n  1: 2\n}"]),
    ],
    ids=["alone", "two", "among lines", "an object of Node's", "never closed", "cut off", "array"],
)
def test_a_document_printed_for_people_is_one_record_of_a_log(data, expected):
    assert [data for data, _ in lines_of(data) if data.strip()] == expected


@pytest.mark.parametrize("data", [b"[", b"\0\0\0", b"[\n]\n", b"[]", b"]\n"])
def test_brackets_around_nothing_are_a_record_that_is_counted(data):
    assert documents_of(data) == [data.strip()]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"  \n"])
def test_blank_is_no_record(data):
    assert documents_of(data) == []


A, B = b'{"a": {"b": "}{"}}', b'{"c": ["\\"]", 1]}'


@pytest.mark.parametrize(
    "data",
    [
        A + b"\n" + B + b"\n",
        b"[" + A + b",\n" + B + b"]\n",
        b"[\n" + A + b"\n,\n" + B + b"\n]",
        b"\xef\xbb\xbf" + A + b"\r\n\r\n" + B,
        b"[[" + A + b"],[" + B + b"]]",
    ],
    ids=["lines", "array", "array on lines", "byte order mark", "nested arrays"],
)
def test_documents_however_strung_together(data):
    assert documents_of(data) == [A, B]


@pytest.mark.parametrize("between", [b"", b" ", b", "])
def test_documents_of_one_line_are_taken_apart_by_the_parser_if_not_here(between):
    found = [documents_in(raw.data) for raw in documents(io.BytesIO(A + between + B + b"\n"))]
    assert [value for each in found for value in each.values] == [json.loads(A), json.loads(B)]
    assert not any(each.broken for each in found)


def test_an_object_of_firehose_s_is_one_long_line():
    many = [json.dumps({"n": n, "text": "quoted \\" + "}{" * (n % 50)}).encode() for n in range(40_000)]
    data = b"".join(many)
    assert len(data) > 2 << 20, "longer than what is looked at together"
    assert documents_of(data) == many


def test_pretty_documents_with_the_line_they_begin_on():
    text = "\n".join(json.dumps(json.loads(one), indent=2) for one in (A, B)).encode()
    found = list(documents(io.BytesIO(text)))
    assert [json.loads(raw.data) for raw in found] == [json.loads(A), json.loads(B)]
    assert [raw.line for raw in found] == [1, 6]


def test_a_pretty_array():
    text = json.dumps([json.loads(A), json.loads(B)], indent=4).encode()
    assert [json.loads(one) for one in documents_of(text)] == [json.loads(A), json.loads(B)]


def test_a_document_that_was_cut_off_takes_no_other_with_it():
    assert documents_of(b'{"cut": "off\n' + A + b"\n" + B) == [b'{"cut": "off', A, B]
    pretty = b'{\n  "cut": {\n    "off":\n{\n  "a": 1\n}\n' + B
    assert [json.loads(one) for one in documents_of(pretty)[1:]] == [{"a": 1}, json.loads(B)]


@pytest.mark.parametrize("never_closed", [b'{"a":[[[', b'{"mail":' + b"[" * 100_000, b'{"a":' * 200_000])
def test_brackets_that_are_never_closed_take_no_document_with_them(never_closed):
    assert documents_of(A + b"\n" + never_closed + b"\n" + A + b"\n" + B) == [A, never_closed, A, B]


@pytest.mark.parametrize("array", [b"[[[", b"[" * (1 << 20)])
def test_an_array_that_is_never_closed_has_its_documents_all_the_same(array):
    assert documents_of(array + A + b"\n," + B) == [A, B]
    assert [data for data, _ in lines_of(array + b"\n" + A + b"\n")] == [array + b"\n", A + b"\n"], "a log has none"


def test_text_between_documents_is_kept():
    assert documents_of(b"hello\n" + A + b"junk\n" + B) == [b"hello", A, b"junk", B]


def test_no_byte_is_lost_whatever_comes():
    data = b'\x00\xff{"a"\n}}]]{{"\\"\n"x{"}\n[1,2]\n{"ok": 1}\n'
    joined = b"".join(documents_of(data))
    kept = bytes(byte for byte in data if byte not in b" \n")
    assert bytes(byte for byte in joined if byte not in b" \n") in {kept, kept.replace(b"\x00", b"")}


def test_a_line_without_an_end_is_cut_and_the_next_one_is_whole():
    data = b"x" * (MAX_RECORD + 5_000_000) + b"\nnext\n"
    first, second = lines_of(data)
    assert MAX_RECORD < len(first[0]) < MAX_RECORD + 10
    assert second == (b"next\n", 2)


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_packed_or_not(tmp_path, pack):
    path = tmp_path / "mail.log"
    path.write_bytes(pack(b"one\n") + pack(b"two\n"))  # as logrotate and rsyslog append: a stream after a stream
    with opened(str(path)) as stream:
        assert stream.read() == b"one\ntwo\n"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("spoil", ["cut", "flipped"])
def test_a_broken_archive_is_named(tmp_path, pack, spoil):
    packed = bytearray(pack(bytes(range(256)) * 4000 + b"".join(b"%d" % n for n in range(20_000))))
    if spoil == "cut":
        del packed[len(packed) // 2 :]
    else:
        packed[len(packed) // 2 : len(packed) // 2 + 64] = b"\xff" * 64
    path = tmp_path / "mail.log.packed"
    path.write_bytes(packed)
    with pytest.raises(InputError, match=rf"{path}: cannot be read to its end"):
        _read(path)


def _read(path):
    with opened(str(path)) as stream:
        while stream.read(1 << 16):
            pass


def test_an_empty_file(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    with opened(str(tmp_path / "empty")) as stream:
        assert stream.read() == b""


def test_folders_are_walked_in_order_without_hidden_files(tmp_path):
    for name in ("b/2.log", "b/1.log", "a.log", ".hidden", "b/.swp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert files([str(tmp_path)]) == [str(tmp_path / name) for name in ("a.log", "b/1.log", "b/2.log")]
    assert files(["-", str(tmp_path / "a.log")]) == ["-", str(tmp_path / "a.log")]


def test_a_path_that_is_not_there():
    with pytest.raises(InputError, match=r"/nowhere/mail\.log: there is no such file or folder"):
        files(["/nowhere/mail.log"])
