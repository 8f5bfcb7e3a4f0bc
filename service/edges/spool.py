"""Facts by name on disk, in parts small enough to be judged one by one: what a large `scan` has read is not in memory.

A name belongs to one part, by a hash of it. What is put is written piece by piece, a piece for each kind of name and
part, so that one part of one kind can be read without the others. Each entry bears the place at which it was read, and
a part's entries are read in the order of their places, whichever process wrote them.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeAlias
from zlib import crc32

import msgspec

from service.edges.inputs import InputError, shown
from service.facts import Fact, Name, Sighting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

Found: TypeAlias = list[tuple[Fact, Sighting]]
Kind: TypeAlias = bytes
"""The first two bytes of a name: `b"Q:"`, `b"M:"` or `b"S:"`."""

_encode = msgspec.msgpack.Encoder().encode
_entries: Final = msgspec.msgpack.Decoder(list[tuple[int, Name, msgspec.Raw]])
_facts: Final = msgspec.msgpack.Decoder(Found)


class Entry(NamedTuple):
    """Facts of one name that were read, or told, at one place."""

    place: int
    name: Name
    facts: Found


class Spooled(NamedTuple):
    """What stands in one file: by kind and part, where its pieces begin and how long they are."""

    path: str
    pieces: dict[tuple[Kind, int], list[tuple[int, int]]]

    def only(self, kind: Kind, part: int) -> Spooled:
        """As if it held no other part and no other kind: a process need not be sent where those are."""
        where = (kind, part)
        return Spooled(self.path, {where: self.pieces[where]} if where in self.pieces else {})


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new file. Raises `InputError` where it cannot be written."""
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        why = error.strerror or str(error)
        where = shown(str(path.parent))
        raise InputError(f"{where}: cannot be written: {why}; set TMPDIR to a folder with more room") from error


class Spool:
    """Writes one file."""

    def __init__(self, file: BinaryIO, parts: int) -> None:
        """`file` is what `writing` gave."""
        self._file, self._parts = file, parts
        self._pieces: dict[tuple[Kind, int], list[tuple[int, int]]] = defaultdict(list)
        self._at = 0

    def put(self, entries: Iterable[Entry]) -> None:
        """Writes entries, each to the part of its name."""
        placed: dict[tuple[Kind, int], list[Entry]] = defaultdict(list)
        for entry in entries:
            name = entry[1]
            placed[name[:2], crc32(name) % self._parts].append(entry)
        for where, each in placed.items():
            size = self._file.write(_encode(each))
            self._pieces[where].append((self._at, size))
            self._at += size

    def spooled(self) -> Spooled:
        """Where all of it is to be found, once the file was closed."""
        return Spooled(self._file.name, dict(self._pieces))


def pieces(spools: Iterable[Spooled], kind: Kind, part: int) -> Iterator[bytes]:
    """The pieces of a part of one kind, in the order in which they were written."""
    for spool in spools:
        where = spool.pieces.get((kind, part))
        if where:
            with Path(spool.path).open("rb") as file:
                for at, size in where:
                    file.seek(at)
                    yield file.read(size)


class Part(NamedTuple):
    """A part's facts of one kind of names, as they were packed: by name in order of the first place of each."""

    names: dict[Name, int]
    """Each with its first place."""
    packed: dict[Name, list[msgspec.Raw]]

    def facts(self, name: Name) -> Found:
        """What is known of a name, in order of place."""
        return list(chain.from_iterable(map(_facts.decode, self.packed.get(name, ()))))


def load(spools: Iterable[Spooled], kind: Kind, part: int, wanted: Collection[Name] | None = None) -> Part:
    """One part; of names that are `wanted` alone, where that is given."""
    found = [
        entry
        for piece in pieces(spools, kind, part)
        for entry in _entries.decode(piece)
        if wanted is None or entry[1] in wanted
    ]
    found.sort(key=_place)
    names: dict[Name, int] = {}
    packed: dict[Name, list[msgspec.Raw]] = {}
    for place, name, facts in found:
        if name in names:
            packed[name].append(facts)
        else:
            names[name], packed[name] = place, [facts]
    return Part(names, packed)


_place = itemgetter(0)
