"""The spool: all records of a backfill, sorted by their time, and how far they were sent. One SQLite file.

A worker takes the time from what it reads, so history must be read in its order, and no order of files is that. A disk
sorts what no memory holds. A file is put in whole or not at all, and a chunk counts as sent once Kafka has it, so
whoever is killed goes on from there.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from service.edges.inputs import shown
from service.facts import HOUR, Instant, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK: Final = 1000
SPAN: Final = HOUR
"""What is sent together spans no more than this, so that what is sent twice after a crash is hardly out of order."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, ignored INTEGER NOT NULL, rejected INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);
"""
_SORTED: Final = "CREATE INDEX IF NOT EXISTS in_order ON records (at, id)"


class SpoolError(Exception):
    """The spool cannot be used; the text says why, and the way out."""


class Kept(NamedTuple):
    """One record: `at` is its own time, in milliseconds."""

    at: Instant
    source: Source
    key: bytes
    value: bytes


class Position(NamedTuple):
    """Of the record that was sent last."""

    at: Instant
    id: int


class Spool:
    """Open; see `opened`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """`database` has our tables."""
        self._database = database

    def say(self, name: str, value: str) -> None:
        """Notes something about this backfill."""
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def said(self, name: str) -> str:
        """What was noted; empty for nothing."""
        row = self._database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return row[0] if row else ""

    def has(self, name: str) -> bool:
        """Whether the file is in."""
        return self._database.execute("SELECT 1 FROM files WHERE name = ?", (name,)).fetchone() is not None

    @contextmanager
    def file(self, name: str) -> Iterator[Writing]:
        """Puts a file in: whole, when the block ends well, else not at all."""
        writing = Writing(self._database)
        with self._database:
            yield writing
            writing.flush()
            row = name, writing.ignored, writing.rejected
            self._database.execute("INSERT INTO files VALUES (?, ?, ?)", row)

    def sort(self) -> None:
        """All files are in."""
        with self._database:
            self._database.execute(_SORTED)

    def counts(self) -> tuple[int, int, int, int]:
        """Files, records, records that say nothing of a mail, and those that could not be read."""
        files = self._database.execute("SELECT count(*), total(ignored), total(rejected) FROM files").fetchone()
        (records,) = self._database.execute("SELECT count(*) FROM records").fetchone()
        return files[0], records, int(files[1]), int(files[2])

    def ends(self) -> dict[Source, Instant]:
        """The time of the last record of each source."""
        rows = self._database.execute("SELECT source, max(at) FROM records GROUP BY source")
        return {Source(source): at for source, at in rows}

    def position(self) -> Position:
        """Up to where it was sent."""
        at, _, number = self.said("sent").partition("/")
        return Position(int(at), int(number)) if number else Position(-1, -1)

    def sent(self, position: Position) -> None:
        """Kafka has all up to there."""
        self.say("sent", f"{position.at}/{position.id}")

    def waiting(self) -> int:
        """How many records were not sent yet."""
        return int(
            self._database.execute("SELECT count(*) FROM records WHERE (at, id) > (?, ?)", self.position()).fetchone()[
                0
            ]
        )

    def chunk(self) -> tuple[list[Kept], Position]:
        """The next records in the order of their time, and the position of the last of them."""
        query = "SELECT at, id, source, key, value FROM records WHERE (at, id) > (?, ?) ORDER BY at, id LIMIT ?"
        rows = self._database.execute(query, (*self.position(), CHUNK)).fetchall()
        rows = [row for row in rows if row[0] <= rows[0][0] + SPAN]
        last = Position(rows[-1][0], rows[-1][1]) if rows else self.position()
        return [Kept(at, Source(source), key, value) for at, _, source, key, value in rows], last


class Writing:
    """Records of one file on their way in."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Within a transaction."""
        self._database, self._rows = database, list[Kept]()
        self.ignored = self.rejected = 0

    def put(self, kept: Kept) -> None:
        """One more."""
        self._rows.append(kept)
        if len(self._rows) >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """All that was put is with the database."""
        rows: Iterable[tuple[int, str, bytes, bytes]] = [(k.at, k.source.value, k.key, k.value) for k in self._rows]
        self._database.executemany("INSERT INTO records (at, source, key, value) VALUES (?, ?, ?, ?)", rows)
        self._rows.clear()


@contextmanager
def opened(path: str) -> Iterator[Spool]:
    """The spool, for this process alone; made where it is not there. Raises `SpoolError`."""
    try:
        database = sqlite3.connect(os.fsencode(path), timeout=0, isolation_level="IMMEDIATE", check_same_thread=False)
    except sqlite3.Error as error:
        raise SpoolError(f"--spool {shown(path)}: {error}: give a file that can be written") from error
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_TABLES)
        yield Spool(database)
    except sqlite3.DatabaseError as error:
        raise SpoolError(f"--spool {shown(path)}: {_why(error)}") from error
    finally:
        database.close()


def _why(error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return "another backfill is using it: wait for it, or give another file"
    if "full" in str(error):
        return "the disk is full; it holds all records once, so make room and start again: it goes on"
    return f"{error}: give another file, or remove it to begin anew"
