"""One file that is read: whole lines from an offset on, a chunk at a time, so that memory stays bounded.

The offset moves only when the caller says that the lines are delivered. A line without its end is held in the file, and
read again when more has come.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from service.edges.inputs import BROKEN, InputError, opened, shown
from service.feed.place import HEAD, Place, hashed

if TYPE_CHECKING:
    from service.feed.place import Found

CHUNK: Final = 512 * 1024
LARGEST: Final = 256 * 1024 + 1
"""Bytes that are kept of a line longer than a chunk: one more than any parser takes, so that it says what is wrong."""


class Chunk(NamedTuple):
    """Whole lines without their ends, and the offset at which the next one begins."""

    lines: list[bytes]
    end: int


NOTHING: Final = Chunk([], -1)


class Source:
    """A plain file, which may grow. It is held open, so a rename or a removal takes nothing away."""

    def __init__(self, found: Found) -> None:
        """Opens it. Raises `OSError`."""
        self.path = found.path
        self._file = found.path.open("rb", buffering=0)
        status = os.fstat(self._file.fileno())
        place = found.place
        head = os.pread(self._file.fileno(), HEAD, 0)
        self.place = Place(
            status.st_dev,
            status.st_ino,
            hashed(head),
            len(head),
            place.offset if place else 0,
            place.caught_up if place else 0,
        )
        self._all_at = 0
        """When what was read last was all that there was; 0: it was not."""
        self._looked = 0
        """Up to where a line's end was looked for in vain."""
        self.changed = (status.st_size, status.st_mtime_ns)

    def close(self) -> None:
        """Lets it go."""
        self._file.close()

    @property
    def waiting(self) -> int:
        """Bytes that were not delivered yet."""
        try:
            return max(os.fstat(self._file.fileno()).st_size - self.place.offset, 0)
        except ValueError:  # it was let go while we looked
            return 0

    def quiet(self, seconds: float) -> bool:
        """Whether nothing was written to it for so long."""
        return time.time() - os.fstat(self._file.fileno()).st_mtime > seconds

    def begin_at_end(self) -> None:
        """Skips what stands there, but for a line that is not whole."""
        size = os.fstat(self._file.fileno()).st_size
        start = max(size - CHUNK, 0)
        self.place.offset = start + os.pread(self._file.fileno(), size - start, start).rfind(b"\n") + 1

    def truncated(self) -> bool:
        """Whether what was read is no longer there: the file was emptied, or written anew from its beginning."""
        status = os.fstat(self._file.fileno())
        changed = (status.st_size, status.st_mtime_ns)
        if changed == self.changed:
            return False
        self.changed = changed
        if status.st_size < self.place.offset:
            return True
        head = os.pread(self._file.fileno(), HEAD, 0)
        if hashed(head[: self.place.head_size]) != self.place.head:
            return True
        self.place.head, self.place.head_size = hashed(head), len(head)
        return False

    def read(self, *, last: bool = False) -> Chunk:
        """The next lines. `last`: nothing more comes, so what is left is a line. Raises `OSError`."""
        offset, now = self.place.offset, int(time.time() * 1000)
        data = os.pread(self._file.fileno(), CHUNK, offset)
        end = data.rfind(b"\n") + 1
        self._all_at = now if end == len(data) < CHUNK else 0
        if end:
            return Chunk(data[:end].split(b"\n")[:-1], offset + end)
        if len(data) == CHUNK:
            return self._longer(data, last=last)
        return Chunk([data], offset + len(data)) if last and data else NOTHING

    def _longer(self, data: bytes, *, last: bool) -> Chunk:
        at = max(self._looked, self.place.offset + len(data))
        while piece := os.pread(self._file.fileno(), CHUNK, at):
            end = piece.find(b"\n") + 1
            if end:
                return Chunk([data[:LARGEST]], at + end)
            self._looked = at = at + len(piece)
        return Chunk([data[:LARGEST]], at) if last else NOTHING

    def delivered(self, chunk: Chunk) -> None:
        """The lines of the chunk are with Kafka."""
        self.place.offset, self._looked = chunk.end, 0
        self.place.caught_up = self._all_at or self.place.caught_up


class Packed:
    """A file of gzip or zstd, which is whole. Read as a stream; its place is one in its plain bytes."""

    def __init__(self, found: Found) -> None:
        """Opens it, and skips what was read. Raises `OSError` and `InputError`."""
        self.path = found.path
        status = found.path.stat()
        place = found.place
        self._opened = ExitStack()
        self._stream: IO[bytes] = self._opened.enter_context(opened(str(found.path)))
        self._rest, self._ended = b"", False
        self._next: Chunk | None = None
        """What was handed out, and is not delivered yet."""
        try:
            self._rest = self._plain(CHUNK)
            head = self._rest[:HEAD]
            offset = place.offset if place else 0
            self.place = Place(status.st_dev, status.st_ino, hashed(head), len(head), offset)
            self.place.caught_up = place.caught_up if place else 0
            self._skip(offset)
        except InputError:
            self.close()
            raise

    def close(self) -> None:
        """Lets it go."""
        self._opened.close()

    @property
    def waiting(self) -> int:
        """Bytes that are held; how many more there are, only reading them shows."""
        return len(self._rest)

    def quiet(self, seconds: float) -> bool:
        """Nothing more is written to it."""
        del seconds
        return True

    def read(self, *, last: bool = True) -> Chunk:
        """The next lines; the end of the file ends the last one. Raises `InputError` where it breaks off."""
        del last
        if self._next is None:
            self._next = self._cut()
        return self._next

    def _cut(self) -> Chunk:
        data = self._rest + self._plain(CHUNK - len(self._rest))
        end = data.rfind(b"\n") + 1
        if end:
            self._rest = data[end:]
            return Chunk(data[:end].split(b"\n")[:-1], self.place.offset + end)
        self._rest, size = b"", len(data)
        while not self._ended:
            piece = self._plain(CHUNK)
            end = piece.find(b"\n") + 1
            size += end or len(piece)
            if end:
                self._rest = piece[end:]
                break
        return Chunk([data if size == len(data) else data[:LARGEST]], self.place.offset + size) if data else NOTHING

    def _skip(self, offset: int) -> None:
        while offset > len(self._rest) and not self._ended:
            offset -= len(self._rest)
            self._rest = self._plain(CHUNK)
        self._rest = self._rest[offset:]

    def _plain(self, size: int) -> bytes:
        """So many bytes, unless it ends before."""
        parts = []
        try:
            while size and (part := self._stream.read(size)):
                parts.append(part)
                size -= len(part)
        except BROKEN as error:
            raise InputError(f"{shown(str(self.path))}: cannot be read to its end: {error}") from error
        self._ended = self._ended or size > 0
        return b"".join(parts)

    def delivered(self, chunk: Chunk) -> None:
        """The lines of the chunk are with Kafka."""
        self.place.offset, self._next = chunk.end, None
