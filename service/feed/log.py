"""One log and all files of it: the live one, and those that were rotated and may have something left to read.

Rotation by rename: the old file is held open and read on until nothing has come for a while, since its writer may not
have noticed. Rotation by truncation: what was not read yet is looked for in the copy. Either way the files that came
and went between two looks are found by their names, oldest first.
"""

from __future__ import annotations

import time
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from service.edges.inputs import InputError, shown
from service.feed.place import PACKED, Found, predecessors, status_of, unread
from service.feed.source import NOTHING, Chunk, Packed, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from service.facts import Instant
    from service.feed.place import Place

DRAIN: Final = 600.0
"""Seconds for which a rotated file is followed after its last line: until its writer was told to open the new one."""
PATIENCE: Final = 120.0
"""Seconds in which a file that was rotated away must be found again: it may be in the middle of being packed."""
AGAIN: Final = 5.0
"""Seconds between two searches."""


@dataclass(slots=True)
class _Missing:
    """A place of which the file is not there: since when (by the clock of waits)."""

    place: Place
    since: float


class Log:
    """Reads on. `read` may block for as long as a disk does, and is for a thread; `kept` may be looked at meanwhile."""

    def __init__(
        self,
        path: Path,
        places: Sequence[Place] = (),
        start: str = "beginning",
        lost: Callable[[str], None] = lambda _: None,
        *,
        drain: float = DRAIN,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`places`: how far its files were read; where there are none, `start` says (`end beginning rotated`).

        `lost` is told, in a sentence, of what cannot be read any more.
        """
        self.path = path
        self._sources: list[Source | Packed] = []
        self._missing = [_Missing(place, clock()) for place in places]
        self._start = "" if places else start
        self._lost, self._drain, self._patience, self._clock = lost, drain, patience, clock
        self._searched = -AGAIN
        self._broken: dict[tuple[str, int], float] = {}
        """Since when an archive breaks off at a place."""
        self._vanished = False
        """A file was renamed while we looked: look again."""
        self._last: Place | None = None
        """Of the file that was finished last, where none is open: what came after it is new."""
        self.kept: tuple[Place, ...] = ()
        """How far its files were read, as it was when a call had ended."""
        self._keep()

    def _places(self) -> list[Place]:
        found = [*(missing.place for missing in self._missing), *(source.place for source in self._sources)]
        return found or ([self._last] if self._last else [])

    @property
    def files(self) -> int:
        """How many are open."""
        return len(self._sources)

    @property
    def waiting(self) -> int:
        """Bytes that were not sent yet."""
        return sum(source.waiting for source in list(self._sources))

    @property
    def gone(self) -> bool:
        """Whether there is nothing left of it."""
        return not self._sources and not self._missing and status_of(self.path) is None

    def close(self) -> None:
        """Lets all files go."""
        for source in self._sources:
            source.close()

    def read(self) -> tuple[Source | Packed, Chunk] | None:
        """The next lines, oldest first; None where there are none at the moment. Raises `OSError`."""
        try:
            return self._read()
        finally:
            self._keep()

    def delivered(self, source: Source | Packed, chunk: Chunk) -> None:
        """The lines of the chunk are with Kafka."""
        source.delivered(chunk)
        self._keep()

    def _keep(self) -> None:
        self.kept = tuple(map(copy, self._places()))

    def _read(self) -> tuple[Source | Packed, Chunk] | None:
        now = int(time.time() * 1000)
        self._look()
        live = self._live()
        for source in list(self._sources):
            over = source is not live and source.quiet(self._drain)
            try:
                chunk = source.read(last=over)
            except InputError as error:
                self._drop(source)
                self._breaks_off(source.place, str(error))
                continue
            if chunk is not NOTHING:
                return source, chunk
            if over:
                self._drop(source)
                self._last = source.place
        self._caught_up(now)
        return None

    def _caught_up(self, now: Instant) -> None:
        for place in self._places():
            place.caught_up = now

    def _drop(self, source: Source | Packed) -> None:
        source.close()
        self._sources.remove(source)

    def _breaks_off(self, place: Place, why: str) -> None:
        """An archive: perhaps it is only being written, so it is tried again for a while."""
        since = self._broken.setdefault((place.head, place.offset), self._clock())
        if self._clock() - since < self._patience:
            self._missing.append(_Missing(place, since))
        else:
            self._lost(why)

    def _live(self) -> Source | Packed | None:
        status = status_of(self.path)
        if status is None:
            return None
        number = status.st_dev, status.st_ino
        return next((source for source in self._sources if source.place.number == number), None)

    # -- which files there are ---------------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._start:
            self._begin()
            return
        emptied = [source for source in self._sources if isinstance(source, Source) and source.truncated()]
        for source in emptied:
            self._drop(source)
            self._missing.append(_Missing(source.place, self._clock()))
        new = self._live() is None and status_of(self.path) is not None
        due = bool(self._missing) and self._clock() - self._searched >= AGAIN
        if emptied or new or due or self._vanished:
            self._search()

    def _begin(self) -> None:
        """The first look at a log of which nothing is known."""
        if status_of(self.path) is None:
            return
        before = predecessors(self.path) if self._start == "rotated" else []
        self._sources = self._opened([Found(path, None) for path in [*before, self.path]])
        first = self._sources[0] if self._sources else None
        if self._start == "end" and isinstance(first, Source):
            first.begin_at_end()
        self._start = ""

    def _search(self) -> None:
        self._searched = self._clock()
        found, left = unread(self.path, self._places())
        missing = [missing for missing in self._missing if any(missing.place is place for place in left)]
        self._missing = [each for each in missing if self._searched - each.since < self._patience]
        self._sources = self._opened(found)
        for each in missing:
            if each not in self._missing and each.place.head_size:
                self._lost(
                    f"{shown(str(self.path))}: the file that was read up to byte {each.place.offset} was rotated away"
                    " and cannot be found again; what else came to it was not read"
                )

    def _opened(self, found: list[Found]) -> list[Source | Packed]:
        """The files, opened where they are not yet; those that are held and found by no name any more come first."""
        held = {source.place.number: source for source in self._sources}
        opened: list[Source | Packed] = []
        self._vanished = False
        for each in found:
            try:
                status = each.path.stat()
                same = held.pop((status.st_dev, status.st_ino), None)
                opened.append(same or (Packed(each) if each.path.name.endswith(PACKED) else Source(each)))
            except FileNotFoundError:
                self._vanished = True
            except InputError as error:
                if each.place is None:
                    self._lost(str(error))
                else:
                    self._breaks_off(each.place, str(error))
            except OSError:
                for source in opened:
                    if source not in self._sources:
                        source.close()
                raise
        return [*held.values(), *opened]
