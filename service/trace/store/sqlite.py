"""The embedded store: SQLite in WAL mode, one writer, a reading connection for each thread.

SQLite and not DuckDB: what is asked are single mails by name, and what is written are upserts by key while readers go
on. An ordered index answers that in microseconds; DuckDB is made for scans and for appends in bulk. It comes with
Python, and the file survives a `kill -9`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service.trace.store.database import PATIENCE, Row, StoreError, TooBroadError
from service.trace.store.schema import SEGMENT, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SEGMENT_MAILS: Final = 500_000
"""So many mails' names stay quick to write; ten million mails make twenty segments, which stay quick to read."""

_WORDS: Final = {
    "long": "INTEGER",
    "long_key": "INTEGER PRIMARY KEY",
    "bytes": "BLOB",
    "without_rowid": " WITHOUT ROWID",
}
_CACHE_KB: Final = 128 * 1024
_STEPS: Final = 20_000
"""Instructions of SQLite's machine between two looks at the clock: about a millisecond."""


class SqliteDatabase:
    """See `Database`. Opening makes the file and its tables. Raises `StoreError`."""

    def __init__(self, path: str | Path, *, segment_mails: int = SEGMENT_MAILS, patience: float = PATIENCE) -> None:
        self._path, self._segment_mails, self._patience = Path(path), segment_mails, patience
        self._own = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect(_CACHE_KB)
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA wal_autocheckpoint = 16000")
            for table in TABLES:
                self._writer.execute(table.format_map(_WORDS))
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{path}: the trail store cannot be opened: {error}; give another --trace-store"
            ) from error
        self._path.chmod(0o600)  # who may read mails is the page's business

    @property
    def segments(self) -> Sequence[str]:
        """Asked anew each time: another process may have written since."""
        return [str(name) for (name,) in self.rows("SELECT name FROM segments ORDER BY first")]

    def _connect(self, cache_kb: int) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute(f"PRAGMA cache_size = -{cache_kb}")
        connection.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is read from the topic again
        connection.execute("PRAGMA secure_delete = OFF")
        return connection

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """By this thread's own connection, and no longer than patience lasts."""
        connection = self._reader()
        until = time.monotonic() + self._patience
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise TooBroadError from error
            if "no such table: names_" in str(error):  # a sweep has dropped it since, and all of its mails
                return []
            raise StoreError(f"{self._path}: the store cannot be read: {error}") from error

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect(_CACHE_KB // 8)
            connection.execute("PRAGMA query_only = ON")
            with self._lock:
                self._readers.append(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """SQLite itself lets one writer in at a time, of any process."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            yield
            self._writer.execute("COMMIT")
        except BaseException as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):  # a full disk, a file that somebody else holds
                raise StoreError(f"{self._path}: the store cannot be written: {error}") from error
            raise

    def write(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """By the writer's connection."""
        return self._writer.execute(sql, parameters).fetchall()

    def write_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """By the writer's connection."""
        self._writer.executemany(sql, rows)

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, object]:
        """SQLite has no lists, but JSON."""
        return f"{column} IN (SELECT value FROM json_each(?))", json.dumps(values)

    def next_segment(self, mails: int) -> str:
        """A new one after every `segment_mails` mails."""
        name = f"names_{mails // self._segment_mails}"
        if not self.write("SELECT 1 FROM segments WHERE name = ?", (name,)):
            self.write(SEGMENT.format_map({**_WORDS, "name": name}))
            self.write("INSERT INTO segments VALUES (?, ?, 0)", (name, mails))
        return name

    def drop_segments(self, before: int) -> None:
        """Whole segments of which every mail is older; the last stays. The rest is compared away by look-ups."""
        old = self.write(
            "SELECT name FROM segments WHERE newest < ? AND first < (SELECT max(first) FROM segments)", (before,)
        )
        for (name,) in old:
            self.write(f"DROP TABLE {name}")
            self.write("DELETE FROM segments WHERE name = ?", (name,))

    def bytes_used(self) -> int:
        """The file and its log."""
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Ends all connections."""
        for connection in (*self._readers, self._writer):
            connection.close()
