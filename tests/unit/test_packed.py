"""What is packed is opened, whatever it is made of, and never becomes more than was agreed."""

from __future__ import annotations

import base64
import gzip
import io
import zlib

import pytest

from service.facts import Reason, Unparsable
from service.parsing.packed import GZIP_IN_BASE64, MOST, Unpacker

TEXT = b"a line of a log\n" * 9


def reason(found: bytes | Unparsable | None) -> Reason:
    assert isinstance(found, Unparsable)
    assert found.detail
    return found.reason


def named(data: bytes) -> bytes:
    """gzip with a file's name and time in its header, as the command writes it."""
    out = io.BytesIO()
    with gzip.GzipFile("mail.log", "wb", fileobj=out, mtime=5) as file:
        file.write(data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("packed", "opened"),
    [
        (gzip.compress(TEXT, mtime=0), TEXT),
        (named(TEXT), TEXT),
        (gzip.compress(b"", mtime=0), b""),
        (gzip.compress(TEXT, mtime=0) * 3, TEXT * 3),
        (gzip.compress(TEXT, mtime=0) + b"\0\0\n" + gzip.compress(TEXT, mtime=0) + b"\0" * 5000, TEXT * 2),
        (gzip.compress(bytes(range(256)) * 400, mtime=0), bytes(range(256)) * 400),
        (TEXT, TEXT),
        (b"", b""),
    ],
)
def test_gzip_is_opened_and_all_else_is_left(packed: bytes, opened: bytes) -> None:
    assert Unpacker().opened(packed) == opened


@pytest.mark.parametrize(
    "broken",
    [
        gzip.compress(TEXT, mtime=0)[:-1],
        gzip.compress(TEXT, mtime=0)[:12],
        b"\x1f\x8b",
        b"\x1f\x8b\x08\0" + b"x" * 99,
        gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8,
        gzip.compress(TEXT, mtime=0) + b"and a rest",
    ],
)
def test_broken_gzip_is_told(broken: bytes) -> None:
    assert reason(Unpacker().opened(broken)) is Reason.NOT_TEXT


def test_a_bomb_never_goes_off() -> None:
    bomb = gzip.compress(b"\0" * (64 << 20), mtime=0)
    assert len(bomb) < 70_000
    assert reason(Unpacker().opened(bomb)) is Reason.TOO_LARGE
    assert reason(Unpacker().opened(gzip.compress(b"\0" * (MOST + 1), mtime=0))) is Reason.TOO_LARGE
    assert Unpacker().opened(gzip.compress(b"\0" * MOST, mtime=0)) == b"\0" * MOST


def test_many_small_packings_share_what_one_may_become() -> None:
    unpacker = Unpacker(most=100)
    assert unpacker.opened(gzip.compress(b"x" * 60, mtime=0)) == b"x" * 60
    assert reason(unpacker.opened(gzip.compress(b"x" * 60, mtime=0))) is Reason.TOO_LARGE
    assert unpacker.opened(gzip.compress(b"x" * 40, mtime=0)) == b"x" * 40
    assert reason(unpacker.opened(gzip.compress(b"x", mtime=0))) is Reason.TOO_LARGE
    assert unpacker.opened(gzip.compress(b"", mtime=0)) == b""


def test_thousands_of_empty_members_are_opened_in_one_pass() -> None:
    empty = gzip.compress(b"", mtime=0)
    assert Unpacker().opened(empty * (256 * 1024 // len(empty))) == b""


def test_base64_is_decoded_and_what_it_holds_is_opened() -> None:
    packed = base64.b64encode(gzip.compress(TEXT, mtime=0)).decode()
    assert packed.startswith(GZIP_IN_BASE64)
    assert Unpacker().decoded(packed) == TEXT
    assert Unpacker().decoded(base64.b64encode(TEXT).decode()) == TEXT
    assert reason(Unpacker().decoded(base64.b64encode(gzip.compress(TEXT, mtime=0)[:-1]).decode())) is Reason.NOT_TEXT


@pytest.mark.parametrize("text", ["no base64", "abc", "H4s", "é", "a\nb=", "\ud800"])
def test_what_is_no_base64_is_said_to_be_none(text: str) -> None:
    assert Unpacker().decoded(text) is None


def test_zlib_without_gzips_header_is_no_gzip() -> None:
    raw = zlib.compress(TEXT)
    assert Unpacker().opened(raw) == raw
