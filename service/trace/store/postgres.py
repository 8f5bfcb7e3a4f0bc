"""PostgreSQL, for teams: several pages over one store, backed up as everything else.

The tables and questions are those of the embedded store; PostgreSQL's own index takes all names in one table.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from service.trace.store.database import PATIENCE, Row, StoreError, TooBroadError
from service.trace.store.schema import SEGMENT, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection

_WORDS: Final = {"long": "BIGINT", "long_key": "BIGINT PRIMARY KEY", "bytes": "BYTEA", "without_rowid": ""}
_NAMES: Final = "names_0"
_WRITERS: Final = 0x6D61696C676170  # "mailgap": the key of our lock
_OURS: Final = ("meta", "positions", "mails", "late", "gaps", "tallies", "conditions", "segments", _NAMES)


class PostgresDatabase:
    """See `Database`. Opening makes the tables. Raises `StoreError`."""

    segments = (_NAMES,)

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        try:
            import psycopg  # noqa: PLC0415 an extra: only who chooses PostgreSQL needs it
        except ImportError as error:
            raise StoreError("PostgreSQL needs its driver: pip install 'mailgap[postgres]'") from error
        self._psycopg: Any = psycopg
        self._url, self._patience = url, patience
        self._own = threading.local()
        self._readers: list[Connection] = []
        self._lock = threading.Lock()
        self._writer = self._connect()
        with self.transaction():
            for table in (*TABLES, SEGMENT.replace("{name}", _NAMES)):
                self.write(table.format_map(_WORDS))
            self.write(f"CREATE INDEX IF NOT EXISTS names_at ON {_NAMES} USING brin (at)")

    def _connect(self) -> Connection:
        try:
            return self._psycopg.connect(self._url, autocommit=True, connect_timeout=10)  # type: ignore[no-any-return]
        except self._psycopg.Error as error:
            where = urlsplit(self._url)
            shown = f"{where.hostname or 'a local socket'}{where.path}"
            raise StoreError(f"PostgreSQL at {shown} does not answer: {' '.join(str(error).split())}") from error

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """By this thread's own connection, made anew where the server has closed it."""
        try:
            return self._asked(sql, parameters)
        except self._psycopg.OperationalError:
            if not self._own.connection.closed:
                raise
            return self._asked(sql, parameters)

    def _asked(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        try:
            return self._reader().execute(_spelled(sql), _storable(parameters)).fetchall()
        except self._psycopg.errors.QueryCanceled as error:
            raise TooBroadError from error

    def _reader(self) -> Connection:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None or connection.closed:
            connection = self._own.connection = self._connect()
            connection.execute(f"SET statement_timeout = {int(self._patience * 1000)}")
            connection.execute("SET default_transaction_read_only = on")
            with self._lock:
                self._readers = [other for other in self._readers if not other.closed] + [connection]
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Under a lock that all our writers take, so that two of them cannot give two mails one number."""
        if self._writer.closed:
            self._writer = self._connect()
        try:
            with self._writer.transaction():
                self.write("SELECT pg_advisory_xact_lock(?)", (_WRITERS,))
                yield
        except self._psycopg.OperationalError as error:
            raise StoreError(f"PostgreSQL refused or broke off: {' '.join(str(error).split())}") from error

    def write(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """By the writer's connection."""
        cursor = self._writer.execute(_spelled(sql), _storable(parameters))
        return cursor.fetchall() if cursor.description else []

    def write_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """By the writer's connection, many on the way at once."""
        with self._writer.cursor() as cursor:
            cursor.executemany(_spelled(sql), map(_storable, rows))

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, object]:
        """As a list."""
        return f"{column} = ANY(?)", list(values)

    def next_segment(self, mails: int) -> str:
        """The one there is."""
        self.write("INSERT INTO segments VALUES (?, ?, 0) ON CONFLICT (name) DO NOTHING", (_NAMES, mails))
        return _NAMES

    def drop_segments(self, before: int) -> None:
        """Row by row."""
        self.write(f"DELETE FROM {_NAMES} WHERE at < ?", (before,))

    def bytes_used(self) -> int:
        """Our tables with their indexes."""
        [(size,)] = self.rows(
            "SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(?::text[]) AS name", (list(_OURS),)
        )
        return int(size)

    def close(self) -> None:
        """Ends all connections."""
        for connection in (*self._readers, self._writer):
            connection.close()


def _storable(parameters: Sequence[object]) -> list[object]:
    """PostgreSQL's texts hold no NUL, and whatever came in a mail may: it stands there as what cannot be shown."""
    return [_without_nul(value) for value in parameters]


def _without_nul(value: object) -> object:
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case list():
            return [_without_nul(each) for each in value]
    return value


def _spelled(sql: str) -> Any:
    """Psycopg writes parameters as %s. None of our statements has a ? or a % of its own."""
    return sql.replace("?", "%s")
