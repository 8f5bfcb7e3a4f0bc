"""Which file it was, and how far it was read: what is known again after a rename, a copy, a compression or a restart.

A file is known by device and inode and by a hash of its first bytes: a number alone is given to another file once the
first is gone, and a copy (copytruncate, gzip) has another number and the same bytes.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.edges.inputs import InputError, opened
from service.facts import Instant

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

HEAD: Final = 1024
"""Bytes at the beginning by which a file is known; of a shorter one all."""
PACKED: Final = (".gz", ".zst")

_LIVE: Final = re.compile(r"(.+?)(?:[.-](?:\d[\d_T-]{0,30}|old))?(?:\.gz|\.zst)?").fullmatch


class Place(msgspec.Struct):
    """How far a file was read; `offset` counts plain bytes, `caught_up` says when (ms) nothing was left to read."""

    device: int
    inode: int
    head: str
    head_size: int
    offset: int
    caught_up: Instant = 0

    @property
    def number(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode


class Found(NamedTuple):
    """A file to read, and the place from which on; None: from its beginning."""

    path: Path
    place: Place | None


def live_name(name: str) -> str:
    """The name that a log had before it was rotated: `mail.log` of `mail.log.2.gz` and `mail.log-20261124`."""
    found = _LIVE(name)
    return found[1] if found else name


def is_rotated(name: str) -> bool:
    """Whether the name is one that rotation gives."""
    return live_name(name) != name


def hashed(head: bytes) -> str:
    """What a file is known by."""
    return blake2b(head, digest_size=16).hexdigest()


def predecessors(path: Path) -> list[Path]:
    """The rotated files of a log, oldest first. A symbolic link's are beside the file that it points to."""
    real = path.resolve()
    try:
        beside = [each for each in real.parent.iterdir() if each != real and live_name(each.name) == real.name]
    except FileNotFoundError:
        return []
    dated = [(status.st_mtime_ns, each.name, each) for each in beside if (status := status_of(each)) is not None]
    return [each for _, _, each in sorted(dated)]


def unread(path: Path, places: Sequence[Place]) -> tuple[list[Found], list[Place]]:
    """The files of a log in which something may be left to read, oldest first; and the places that none of them fits.

    What lies before the oldest that was known was read, or is not wanted; what came after it was never seen. An archive
    that cannot be opened is none of them: perhaps it is only being written. Raises `OSError`.
    """
    before = [each for each in predecessors(path) if not places or _opens(each)]
    candidates = [*before, path] if status_of(path) is not None else before
    fits: dict[Path, Place] = {}
    left = list(places)
    for same in (True, False):  # the file itself before any copy of it
        for place in list(left):
            for each in candidates:
                if each not in fits and _is(each, place, same=same):
                    fits[each] = place
                    left.remove(place)
                    break
    known = [number for number, each in enumerate(candidates) if each in fits]
    since = min((place.caught_up for place in places), default=None)
    if known:
        newer = candidates[known[0] :]
    else:
        newer = [each for each in candidates if each == path or (since is not None and _written_after(each, since))]
    return [Found(each, fits.get(each)) for each in newer], left


def _is(path: Path, place: Place, *, same: bool) -> bool:
    status = status_of(path)
    if status is None or same != ((status.st_dev, status.st_ino) == place.number):
        return False
    if not place.head_size:
        return same and place.offset == 0
    if not path.name.endswith(PACKED) and status.st_size < place.offset:
        return False
    try:
        with opened(str(path)) as stream:
            return hashed(stream.read(place.head_size)) == place.head
    except InputError:  # it has gone, or was replaced, since we looked
        return False


def _opens(path: Path) -> bool:
    try:
        with opened(str(path)) as stream:
            stream.read(1)
    except InputError:
        return False
    return True


def _written_after(path: Path, since: Instant) -> bool:
    status = status_of(path)
    return status is not None and status.st_mtime * 1000 > since


def status_of(path: Path) -> os.stat_result | None:
    """What the system says of the file, where there is one. Raises `OSError`."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
