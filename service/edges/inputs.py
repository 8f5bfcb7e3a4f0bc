"""Reads log files and archived events: files, folders and standard input, plain, gzip or zstd, as a stream.

It hands out whole log lines (a folded line with its continuations) and whole JSON documents, each with the number of
the line it begins on. It parses nothing, and never holds more than one record and a buffer.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import zstandard

from service.parsing.journald import is_exported
from service.parsing.pieces import may_hold_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_RECORD: Final = 32 << 20
"""Bytes of one line or document that are held. The parser refuses records far smaller than this, and a refused record
goes to the rejects whole; only what is longer still is cut, so that a file without line ends cannot fill the memory."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PACKED_CHUNK: Final = 4096
"""Packed bytes at a time: even of an archive that was made to be a bomb this unpacks to no more than 128 MiB."""
_MARKS: Final = re.compile(rb'[{}\[\]"\\]')


BROKEN: Final = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError, OSError)
"""What reading a packed stream raises where it is cut off, or is none."""


class InputError(Exception):
    """A path that cannot be read; the text says which and why."""


class Raw(NamedTuple):
    """One record of a file: its bytes, and where it begins."""

    data: bytes
    line: int


def files(paths: Iterable[str]) -> list[str]:
    """The files behind the paths, folders walked in the order of their names. `-` is standard input."""
    found: list[str] = []
    for path in paths:
        if path == "-":
            found.append(path)
            continue
        try:
            found += _files(path)
        except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
            raise InputError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}") from error
    return found


def _files(path: str) -> list[str]:
    where = Path(path)
    if path and where.is_dir():
        return [str(p) for p in sorted(where.rglob("*")) if p.is_file() and not p.name.startswith(".")]
    if not path or not where.exists():
        raise InputError(f"{shown(path) or repr(path)}: there is no such file or folder")
    return [path]


def shown(path: str) -> str:
    """The path as text that can be printed and encoded; a file's name may hold any bytes."""
    return os.fsencode(path).decode(errors="backslashreplace")


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """The file's plain bytes, whatever it is packed with."""
    try:
        raw = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115 closed below
    except OSError as error:
        raise InputError(f"{shown(path)}: {error.strerror}") from error
    buffered = io.BufferedReader(raw, 1 << 20) if isinstance(raw, io.RawIOBase) else raw
    try:
        with unpacked(buffered, shown(path)) as stream:
            yield stream
    finally:
        if path != "-":
            buffered.close()


@contextmanager
def unpacked(stream: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """The plain bytes of a buffered stream, whatever it is packed with; `name` is for the error."""
    try:
        yield _unpacked(stream)
    except BROKEN as error:
        raise InputError(f"{name}: cannot be read to its end: {error}") from error


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    magic = stream.peek(4)[:4] if isinstance(stream, io.BufferedReader) else b""
    if magic[:2] == _GZIP:
        return io.BufferedReader(gzip.GzipFile(fileobj=stream), 1 << 20)
    if magic == _ZSTD:
        return io.BufferedReader(_Chunks(_frames(stream)), 1 << 20)
    return stream


def _frames(stream: IO[bytes]) -> Iterator[bytes]:
    """The plain bytes of zstd frames. (zstandard's own reader takes a frame that was cut off for a whole one.)"""
    rest = b""
    while rest := rest or stream.read(_PACKED_CHUNK):
        frame = zstandard.ZstdDecompressor().decompressobj()
        yield frame.decompress(rest)
        while not frame.eof:
            rest = stream.read(_PACKED_CHUNK)
            if not rest:
                raise EOFError("the archive is cut off")
            yield frame.decompress(rest)
        rest = frame.unused_data


class _Chunks(io.RawIOBase):
    """A stream of the chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = chunks, b""

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, into: Any) -> int:
        """As `io.RawIOBase` wants it; 0 at the end."""
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._held = chunk
        size = min(len(into), len(self._held))
        into[:size], self._held = self._held[:size], self._held[size:]
        return size


def lines(stream: IO[bytes]) -> Iterator[Raw]:
    """The records of `batches`, one by one."""
    for batch in batches(stream):
        yield from batch.records


class Batch(NamedTuple):
    """Some thousand records of a log, in order. `plain`: none of them is a piece of a line."""

    records: list[Raw]
    plain: bool


def batches(stream: IO[bytes]) -> Iterator[Batch]:
    """Log lines, or the entries of a journal. A line that begins with a space or a tab continues the one before it.

    A bracket alone on a line begins a document that was printed for people: it ends with its bracket.
    """
    if isinstance(stream, io.BufferedReader) and is_exported(stream.peek(_PEEKED)[:_PEEKED]):
        for entry in _entries(stream):
            yield Batch([entry], plain=False)
        return
    folder, before = _Folder(), True
    for text in _line_ends(stream):
        every = io.BytesIO(text).readlines()
        plain = not may_hold_pieces(text)
        calm = plain and before and not folder.printing
        if folder.printing or text.startswith(_FOLDS) or _FOLDED(text) or (b"{" in text and _OPENED(text)):
            yield Batch([raw for line in every for raw in folder.take(line)], calm)
        else:
            yield Batch(folder.take_all(every), calm)
        before = plain
    yield Batch(folder.rest(), before and not folder.printing)


class _Folder:
    """Puts lines together that continue the one before them, and numbers them."""

    def __init__(self) -> None:
        self._printed = _Open()
        self._number = self._start = 0
        self._held = b""

    @property
    def printing(self) -> bool:
        """A document has begun that was printed for people."""
        return self._printed.depth > 0

    def take(self, line: bytes) -> Iterator[Raw]:
        """One line; gives the records that are whole by now."""
        self._number += 1
        if self._printed.depth or line.strip() in _ALONE:
            yield from self._given()
            if not self._printed.depth or line[:1] in _WITHIN:
                yield from self._printed.feed(line, self._number)
                return
            yield from self._printed.rest()  # it was never closed, and must not swallow what follows
        if line.startswith(_FOLDS) and self._held and len(self._held) < MAX_RECORD:
            self._held += line
            return
        yield from self._given()
        self._held, self._start = line, self._number

    def take_all(self, every: list[bytes]) -> list[Raw]:
        """Lines of which none continues another; the last is held, since what comes may continue it."""
        first, self._number = self._number + 1, self._number + len(every)
        records = [*self._given(), *map(Raw, every, range(first, self._number))]
        self._held, self._start = every[-1], self._number
        return records

    def rest(self) -> list[Raw]:
        """What is held at the end."""
        return [*self._given(), *self._printed.rest()]

    def _given(self) -> Iterator[Raw]:
        if self._held:
            yield Raw(self._held, self._start)
            self._held = b""


_ALONE: Final = (b"{", b"[{")
_OPENED: Final = re.compile(rb"\{(?:\s|\Z)").search
_WITHIN: Final = (b" ", b"\t", b"}", b"]", b"\n", b"\r")
_FOLDS: Final = (b" ", b"\t")
_FOLDED: Final = re.compile(rb"\n[ \t]").search
_PEEKED: Final = 64
_MARGIN: Final = 4096


def _entries(stream: IO[bytes]) -> Iterator[Raw]:
    """The entries of a journal in its export format, in which an empty line ends one and a value may be binary."""
    number = start = 1
    held = bytearray()
    while line := stream.readline(MAX_RECORD):
        number += 1
        if line == b"\n":
            if held:
                yield Raw(bytes(held), start)
            held, start = bytearray(), number
            continue
        held += line
        if b"=" not in line:
            size = stream.read(8)
            value = stream.read(min(int.from_bytes(size, "little"), MAX_RECORD) + 1)
            held += size + value
            number += value.count(b"\n")
    if held:
        yield Raw(bytes(held), start)


def documents(stream: IO[bytes]) -> Iterator[Raw]:
    """JSON documents: one a line, pretty-printed, concatenated, or the items of one array; other text line by line."""
    open_, number, begins = _Open(), 1, True
    empty: bytes | None = b""
    while line := stream.readline(_PIECE):
        if line.endswith(b"\\"):
            line += stream.read(1)  # what it escapes is read with it
        for raw in open_.feed(line, number, begins=begins):
            empty = None
            yield raw
        if empty is not None and not open_.depth and line.strip():
            empty += line[:_PEEKED] if len(empty) < _MARGIN else b""
        begins = line.endswith(b"\n")
        number += begins
    if empty and not open_.depth:
        yield Raw(empty, 1)  # brackets around nothing, or padding: the parser counts what it is
    yield from open_.rest()


_PIECE: Final = 1 << 20
"""Bytes of a line that are looked at together: Firehose writes whole objects, of 128 MB and more, as one line."""


class _Open:
    """The document that has begun and not yet ended."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.depth = 0
        self.quoted = False
        self.indented = False
        self.start = 0

    def feed(self, line: bytes, number: int, *, begins: bool = True) -> Iterator[Raw]:
        """Takes one line, or a piece of it (`begins`: the first), and gives the documents that end on it."""
        if begins and self.depth and self._begins_anew(line):
            yield from self.rest()
        if not self.depth and _whole(line) and b"}{" not in line:
            yield Raw(line, number)
            return
        begin = at = 0
        while (mark := _MARKS.search(line, at)) is not None:
            at = mark.end()
            if mark[0] == b"\\":
                at += self.quoted  # what it escapes is no mark
                continue
            change = self._change(mark[0])
            if change > 0 and not self.depth:
                yield from _text(line[begin : mark.start()], number)
                begin, self.start = mark.start(), number
            self.depth += change
            if change < 0 and not self.depth:
                self._keep(line[begin:at])
                yield self._take()
                begin = at
        if self.depth:
            self._keep(line[begin:])
        else:
            yield from _text(line[begin:], number)

    def rest(self) -> Iterator[Raw]:
        """What was never finished: the parser says why it is no document."""
        self.depth, self.quoted = 0, False
        if self.data:
            yield self._take()

    def _change(self, sign: bytes) -> int:
        """How a mark changes the depth. The brackets of an array around documents do not."""
        if self.quoted or sign == b'"':
            self.quoted = self.depth > 0 and not (self.quoted and sign == b'"')
            return 0
        if sign in b"}]":
            return -1 if self.depth else 0
        return 1 if sign == b"{" or self.depth else 0

    def _begins_anew(self, line: bytes) -> bool:
        """A document was cut off, and this line begins the next one: one broken line must not swallow the others."""
        if line[:1] != b"{":
            self.indented = self.indented or line[:1] in (b" ", b"\t")
            return False
        return (self.indented and line.strip() == b"{") or (_whole(line) and _loads(line))

    def _keep(self, part: bytes) -> None:
        if len(self.data) <= MAX_RECORD:
            self.data += part

    def _take(self) -> Raw:
        raw = Raw(bytes(self.data), self.start)
        self.data.clear()
        self.indented = False
        return raw


def _loads(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _whole(line: bytes) -> bool:
    """The usual case: a line is a document. A line that only looks so is taken apart by the parser."""
    text = line.strip()
    return text[:1] == b"{" and text[-1:] == b"}" and text.count(b"{") == text.count(b"}")


def _text(part: bytes, number: int) -> Iterator[Raw]:
    """Text between documents; the brackets and commas of an array around them are nothing."""
    if part.strip(b" \t\r\n,[]\0\xef\xbb\xbf"):
        yield Raw(part, number)


def _line_ends(stream: IO[bytes]) -> Iterator[bytes]:
    """The stream in pieces that end where a line ends, which costs a fraction of reading line by line.

    A line is at most as long as a record; what is beyond is skipped, one byte kept so that the parser sees the excess.
    """
    held = b""
    while piece := stream.read(_PIECE):
        first, end = piece.find(b"\n") + 1, piece.rfind(b"\n") + 1
        if len(held) + (first or len(piece)) > MAX_RECORD + 1:
            held = (held + piece)[: MAX_RECORD + 1]
            if first:
                yield held
                held, piece, end = b"", piece[first:], end - first
        if end:
            yield held + piece[:end]
            held = piece[end:]
        elif first:
            held = piece
        elif len(held) <= MAX_RECORD:
            held += piece
    if held:
        yield held
