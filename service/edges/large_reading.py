"""A large scan is read by several processes: each takes a few files at a time, and spools what they say.

They read as if nothing had been read before, and say what they saw of the hosts' clocks. Where what was read before
would have dated their lines otherwise, they are read again with it, so the result is that of one process.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from service.edges.clocks import HostClocks, Showed
from service.edges.gather import Gathered, Tally
from service.edges.inputs import InputError, Raw, shown
from service.edges.spool import Entry, Spool, Spooled, writing
from service.facts import Instant, Source, Unparsable
from service.intake import smtp_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from service.edges.crew import Each
    from service.policy import Policy
    from service.watermarks import FeedNews

AT_ONCE: Final = 16 << 20
"""Bytes of small files that are read by one process in one go."""
_BITS: Final = 36
"""Of a place: the entries of one task. What is above them is the number of the task."""


class Inputs(NamedTuple):
    """How to read; times in milliseconds. `parts` as in `Spool`; `rejects`: they are wanted."""

    now: Instant
    until: Instant | None
    policy: Policy
    zone: tzinfo | None
    link: bool
    folder: str
    parts: int
    rejects: bool


class File(NamedTuple):
    """A file, when it was last written, and its size."""

    path: str
    modified: Instant
    size: int


class Task(NamedTuple):
    """Files of one source that come one after the other, and the number of the task in the order of all."""

    number: int
    source: Source
    files: tuple[File, ...]


class Read(NamedTuple):
    """What came of a task. `rejects` is the file in which they stand."""

    spooled: Spooled
    tally: Tally
    news: tuple[FeedNews, ...]
    showed: dict[str, Showed]
    rejects: str


def tasks(every: Iterable[tuple[Source, Iterable[File]]]) -> list[Task]:
    """The files as tasks, in their order."""
    numbers, found = count(), []
    for source, files in every:
        held: list[File] = []
        for file in files:
            if held and sum(each.size for each in held) + file.size > AT_ONCE:
                found.append(Task(next(numbers), source, tuple(held)))
                held = []
            held.append(file)
        if held:
            found.append(Task(next(numbers), source, tuple(held)))
    return found


class _Spooling(Gathered):
    """Spools what it reads."""

    def __init__(
        self, inputs: Inputs, task: Task, seen: Mapping[str, Iterable[int]], spool: Spool, rejects: BinaryIO
    ) -> None:
        context = smtp_context(inputs.policy, inputs.zone)
        super().__init__(inputs.now, inputs.until, context, self._put_aside, link=inputs.link)
        self._clocks = HostClocks(seen)
        self._places = count(task.number << _BITS)
        self._spool, self._rejects, self._wanted = spool, rejects, inputs.rejects

    def _put_aside(self, _path: str, raw: Raw, _why: Unparsable) -> None:
        if self._wanted:
            self._rejects.write(raw.data if raw.data.endswith(b"\n") else raw.data + b"\n")

    def _pack(self) -> None:
        if self._held:
            self._spool.put([Entry(next(self._places), name, facts) for name, facts in self._fresh.items()])
            self._fresh, self._held = {}, 0

    def end(self) -> dict[str, Showed]:
        """All is read; gives what was seen of clocks."""
        self._pack()
        return self._clocks.showed()


def read(inputs: Inputs, task: Task, seen: Mapping[str, Iterable[int]]) -> Read:
    """Does a task. `seen` is what is known of the hosts' clocks. Raises `InputError`."""
    folder = Path(inputs.folder)
    with writing(folder / f"read-{task.number}") as file, writing(folder / f"rejects-{task.number}") as rejects:
        spool = Spool(file, inputs.parts)
        gathered = _Spooling(inputs, task, seen, spool, rejects)
        for each in task.files:
            if task.source is Source.SMTP:
                reference = each.modified if inputs.until is None else inputs.until
                gathered.read_smtp(each.path, reference, max(each.modified, inputs.until or 0))
            else:
                gathered.read_ses(each.path)
        showed = gathered.end()
    return Read(spool.spooled(), gathered.tally, gathered.listener.take(), showed, rejects.name)


def read_all(inputs: Inputs, every: list[Task], each: Each) -> list[Read]:
    """Does all tasks; `each` calls a function with each of the arguments, somewhere."""
    found: list[Read] = each(read, [(inputs, task, {}) for task in every])
    clocks = HostClocks()
    for number, task in enumerate(every):
        if not clocks.fit(found[number].showed):
            (found[number],) = each(read, [(inputs, task, clocks.seen())])
        clocks.follow(found[number].showed)
    return found


def file_of(path: str, modified: Instant) -> File:
    """A file with its size. Raises `InputError`."""
    try:
        return File(path, modified, Path(path).stat().st_size)
    except OSError as error:
        raise InputError(f"{shown(path)}: {error.strerror}") from error
