"""The feed: looks, sends, and then notes how far it came. In this order, so that nothing is noted that Kafka has not.

Lines of one log go to one partition, in their order, since parts of a line and the two lines of a delivery are put
together there. Each log is read by itself, and at most so many hold a chunk at a time; that bounds the memory.
"""

from __future__ import annotations

import asyncio
import glob
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from service.contract import bridged
from service.edges.inputs import InputError, shown
from service.edges.outlet import Outgoing
from service.edges.pauses import BackOff
from service.feed import journal, state
from service.feed.log import Log
from service.feed.place import is_rotated
from service.logs import fields
from service.metrics_feed import FEED_ERRORS, FEED_FILES, FEED_LINES, FEED_LOST, FEED_REFUSED, FEED_WAITING

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from typing import Any

    from service.edges.outlet import Headers, Outlet
    from service.facts import Instant
    from service.setting_feed import FeedSettings

log = logging.getLogger("mailgap.feed")

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at a log that said nothing."""
FIND_EVERY: Final = 5.0
"""Seconds between two looks for files that a pattern finds."""
SAVE_EVERY: Final = 1.0
AT_ONCE: Final = 8
"""Logs that hold a chunk at a time."""
MOST_FILES: Final = 1000
STOP_BOUND: Final = 20.0
"""Seconds in which what is under way may end."""
BEHIND: Final = 5000
"""Milliseconds behind its log from which on a record says so (rule 14)."""
JOURNAL: Final = "journal"
STATE: Final = "checkpoint"


@dataclass(slots=True)
class Followed:
    """A log, by which pattern it was found, and who reads it."""

    log: Log
    pattern: str
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Feed:
    """Runs on one event loop; disks are read in threads. `host` is the name of this machine."""

    settings: FeedSettings
    outlet: Outlet
    host: str
    complaints: dict[str, str] = field(default_factory=dict)
    """By log, what fails at the moment."""
    _logs: dict[str, Followed] = field(default_factory=dict)
    _cursor: str = ""
    _known: frozenset[str] = frozenset()
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _saved: tuple[object, float] = (None, 0.0)
    _kept: frozenset[str] = frozenset()
    """Logs that stand in the checkpoint."""
    _saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    def stop(self) -> None:
        """`run` returns when what is under way is done."""
        self._stop.set()

    def gauge(self) -> None:
        """Sets the gauges that are read off the open files."""
        for pattern in self.settings.feed_files:
            logs = [each.log for each in self._logs.values() if each.pattern == pattern]
            FEED_FILES.labels(shown(pattern)).set(sum(each.files for each in logs))
            FEED_WAITING.labels(shown(pattern)).set(sum(each.waiting for each in logs))

    async def run(self, kept: state.State | None) -> None:
        """Until it is stopped. Raises what aiokafka raises, and `OSError` where the last checkpoint cannot be kept."""
        if kept is not None:
            self._known, self._cursor = frozenset(kept.patterns), kept.cursor
            self._resume(kept)
        upkeep: list[Coroutine[Any, Any, None]] = [self._find_and_save()]
        if self.settings.feed_journal:
            FEED_LINES.labels(JOURNAL)
            upkeep.append(self._follow_journal())
        tasks = [asyncio.create_task(each) for each in upkeep]
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while not self._stop.is_set():
                running = {*tasks, stopped, *(each.task for each in self._logs.values() if each.task)}
                done, _ = await asyncio.wait(running, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await self._end([*tasks, stopped])

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        self._stop.set()
        readers = [each.task for each in self._logs.values() if each.task]
        _, late = await asyncio.wait([*tasks, *readers], timeout=STOP_BOUND)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, *readers, return_exceptions=True)
        await self._save(last=True)
        for each in self._logs.values():
            each.log.close()

    # -- which logs ----------------------------------------------------------------------------------------------------

    def _resume(self, kept: state.State) -> None:
        for path, places in kept.files.items():
            pattern = next((each for each in self.settings.feed_files if each == path or fnmatch(path, each)), None)
            if pattern is not None:
                self._logs[path] = Followed(self._log(path, pattern, places), pattern)

    def _log(self, path: str, pattern: str, places: Sequence[Any] = (), start: str = "beginning") -> Log:
        def lost(what: str) -> None:
            FEED_LOST.labels(shown(pattern)).inc()
            log.warning("%s", what, extra=fields("feed_lost", log=shown(pattern)))

        return Log(Path(path), places, start, lost)

    def _find(self, *, first: bool) -> None:
        """Begins to follow what is new, and forgets what is gone."""
        for path, followed in list(self._logs.items()):
            if path not in self.settings.feed_files and followed.task is not None and followed.log.gone:
                followed.task.cancel()
                del self._logs[path]
                self.complaints.pop(shown(path), None)
        for pattern in self.settings.feed_files:
            for path in files_of(pattern):
                if path in self._logs:
                    continue
                if len(self._logs) >= MOST_FILES:
                    self._complain(pattern, pattern, "read", f"{shown(pattern)} finds more than {MOST_FILES} files")
                    break
                unknown = first and pattern not in self._known
                start = self.settings.feed_start if unknown else "beginning"
                self._logs[path] = Followed(self._log(path, pattern, start=start), pattern)
        for path, followed in self._logs.items():
            if followed.task is None:
                FEED_LINES.labels(shown(followed.pattern))  # shown at 0 from the start: the first one is an increase
                followed.task = asyncio.create_task(self._follow(path, followed))

    async def _find_and_save(self) -> None:
        found, pauses = -FIND_EVERY, BackOff()
        first = True
        while not self._stop.is_set():
            if time.monotonic() - found >= FIND_EVERY:
                self._find(first=first)
                found, first = time.monotonic(), False
            try:
                await self._save()
            except OSError as error:  # a full disk: to end would send again, after each start, what is sent until then
                self._complain(STATE, STATE, "write", error.strerror or str(error))
                await self._pause(pauses.next())
                continue
            pauses.reset()
            self.complaints.pop(STATE, None)
            await self._pause(SAVE_EVERY)

    async def _save(self, *, last: bool = False) -> None:
        async with self._saving:
            kept = state.State(
                patterns=list(self.settings.feed_files),
                files={path: places for path, each in self._logs.items() if (places := list(each.log.kept))},
                cursor=self._cursor,
            )
            told = [(path, place.number, place.offset) for path, places in kept.files.items() for place in places]
            now = kept.patterns, told, kept.cursor
            before, at = self._saved
            if last or now != before or time.monotonic() - at > STATE_AGE:
                await asyncio.to_thread(state.save, self.settings.feed_state, kept)
                self._saved = now, time.monotonic()
                self._kept = frozenset(kept.files)

    # -- files ---------------------------------------------------------------------------------------------------------

    async def _follow(self, path: str, followed: Followed) -> None:
        pauses = BackOff()
        while not self._stop.is_set():
            try:
                more = await self._turn(path, followed)
            except (OSError, InputError) as error:
                why = str(error) if isinstance(error, InputError) else (error.strerror or str(error))
                where = shown(path)
                self._complain(path, followed.pattern, "read", why if where in why else f"{where}: {why}")
                await self._pause(pauses.next())
                continue
            pauses.reset()
            self.complaints.pop(shown(path), None)
            if not more:
                await self._pause(LOOK_EVERY)

    async def _turn(self, path: str, followed: Followed) -> bool:
        """Sends the next chunk; whether there was one."""
        async with self._turns:
            found = await asyncio.to_thread(followed.log.read)
            if path not in self._kept and followed.log.kept:
                await self._save(last=True)  # where it began is known, whatever happens after the first record was sent
            if found is None:
                return False
            source, chunk = found
            values = [value for line in chunk.lines if (value := self._value(line))]
            await self._send(shown(followed.pattern), path, values, source.place.caught_up)
            followed.log.delivered(source, chunk)
            return True

    def _value(self, line: bytes) -> bytes:
        """The line as it stands; with the host's name, where that was given and the line is no document, as one."""
        line = line.rstrip(b"\r")
        host = self.settings.feed_host
        if host is None or not line.strip() or line.startswith(b"{"):
            return line if line.strip() else b""
        return orjson.dumps({"host": host, "message": line.decode(errors="backslashreplace")})

    async def _send(self, label: str, name: str, values: Iterable[bytes], caught_up: Instant = 0) -> None:
        now = int(time.time() * 1000)
        late = now - caught_up if caught_up else 0
        headers: Headers = [(bridged.OLDEST_AGE, str(late).encode())] if late > BEHIND else []
        key = f"{self.settings.feed_host or self.host}:{name}".encode(errors="surrogateescape")
        records = [Outgoing(self.outlet.topic, key, value, now, headers) for value in values]
        refused = await self.outlet.send_in_order(records)
        for record in refused:
            FEED_REFUSED.labels(label).inc()
            said = f"{shown(name)}: a line of {len(record.value)} bytes is larger than topic {record.topic} takes"
            log.warning("%s, and was left out", said, extra=fields("feed_refused", log=label))
        FEED_LINES.labels(label).inc(len(records) - len(refused))

    # -- the journal ---------------------------------------------------------------------------------------------------

    async def _follow_journal(self) -> None:
        pauses = BackOff()
        while not self._stop.is_set():
            before = self._cursor
            try:
                await self._journal()
            except journal.JournalError as error:
                if self._cursor != before:
                    pauses.reset()
                self._complain(JOURNAL, JOURNAL, "read", str(error))
                await self._pause(pauses.next())

    async def _journal(self) -> None:
        if not self._cursor and self.settings.feed_start == "end":
            self._cursor = await journal.newest_cursor()
        async with aclosing(journal.entries(self.settings.feed_journal, self._cursor)) as entries:
            while not self._stop.is_set():
                coming = asyncio.ensure_future(anext(entries))
                stopped = asyncio.create_task(self._stop.wait())
                await asyncio.wait([coming, stopped], return_when=asyncio.FIRST_COMPLETED)
                stopped.cancel()
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait([coming])
                    return
                lines = [(line, cursor) for line in coming.result() if (cursor := journal.cursor_of(line))]
                if lines:
                    await self._send(JOURNAL, JOURNAL, [line for line, _ in lines])
                    self._cursor = lines[-1][1]
                    self.complaints.pop(JOURNAL, None)

    # -- upkeep --------------------------------------------------------------------------------------------------------

    def _complain(self, name: str, label: str, call: str, text: str) -> None:
        name, label = shown(name), shown(label)  # a file's name may be no text
        FEED_ERRORS.labels(label, call).inc()
        if self.complaints.get(name) != text:
            log.warning("%s", text, extra=fields("feed_errors", log=label, call=call))
        self.complaints[name] = text

    async def _pause(self, seconds: float) -> None:
        """A pause that ends when the feed is stopped."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return


STATE_AGE: Final = 30.0
"""Seconds after which the checkpoint is written anew, though nothing was read: it says when that was."""


def files_of(pattern: str) -> list[str]:
    """The logs that a pattern finds; a name without magic is one whether it is there or not."""
    if not glob.has_magic(pattern):
        return [pattern]
    found = sorted(glob.glob(pattern))  # noqa: PTH207 a Path's takes no absolute pattern
    return [path for path in found if not is_rotated(Path(path).name) and _is_file(path)]


def _is_file(path: str) -> bool:
    """A link that leads where we may not look, or to a name that is none, is no log, and must not stop the others."""
    try:
        return Path(path).is_file()
    except OSError:
        return False
