"""The store as others use it: open it by its setting, write batches, ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.contract.condition import ConditionRecord
from service.contract.enums import ConditionState
from service.trace.store.database import StoreError
from service.trace.store.gaps import GapReader
from service.trace.store.mails import MailReader
from service.trace.store.packing import Packing, new_dictionary
from service.trace.store.postgres import PostgresDatabase
from service.trace.store.schema import VERSION
from service.trace.store.sqlite import SqliteDatabase
from service.trace.store.statistics import StatisticsReader
from service.trace.store.writing import Batch, Writer

if TYPE_CHECKING:
    from service.facts import Instant
    from service.trace.store.database import Database

POSTGRES: Final = ("postgresql://", "postgres://")

_condition: Final = msgspec.json.Decoder(ConditionRecord).decode


class Size(NamedTuple):
    """How much there is; `oldest` is null where there is nothing."""

    mails: int
    open_gaps: int
    bytes: int
    oldest: Instant | None


class Store:
    """Mails, gaps, sums and conditions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        packing = Packing(_settled(database))
        self._writer = Writer(database, packing)
        self.mails = MailReader(database, packing)
        self.gaps = GapReader(database)
        self.statistics = StatisticsReader(database)

    def write(self, batch: Batch) -> int:
        """Keeps a batch, whole or not at all; how many mails it changed."""
        return self._writer.write(batch)

    def sweep(self, before: Instant) -> int:
        """Removes the mails from before that instant; how many."""
        return self._writer.sweep(before)

    def positions(self, topic: str) -> dict[int, int]:
        """The next offset to be read, by partition."""
        rows = self._database.rows("SELECT part, next FROM positions WHERE topic = ?", (topic,))
        return {int(part): int(offset) for part, offset in rows}

    def conditions(self) -> list[ConditionRecord]:
        """Those that hold now, the newest first."""
        rows = self._database.rows("SELECT document FROM conditions")
        raised = [record for (document,) in rows if (record := _condition(document)).state is ConditionState.RAISED]
        return sorted(raised, key=lambda record: record.since, reverse=True)

    def size(self) -> Size:
        """Mails are told by their first and last number: a sweep takes the first, and counting would take seconds."""
        [(last, first, oldest)] = self._database.rows(
            "SELECT (SELECT max(id) FROM mails), (SELECT min(id) FROM mails), (SELECT min(at) FROM mails)"
        )
        mails = 0 if last is None else last - first + 1
        [(open_gaps,)] = self._database.rows("SELECT count(*) FROM gaps WHERE resolution IS NULL")
        return Size(mails, int(open_gaps), self._database.bytes_used(), oldest)

    def close(self) -> None:
        """Ends all connections."""
        self._database.close()


def open_store(where: str) -> Store:
    """The store at a path, or at a `postgresql://` address. Raises `StoreError`."""
    database: Database = PostgresDatabase(where) if where.startswith(POSTGRES) else SqliteDatabase(where)
    try:
        return Store(database)
    except BaseException:
        database.close()
        raise


def _settled(database: Database) -> bytes:
    """The dictionary of this store; a new one gets this release's. Raises `StoreError` for another release's tables."""
    with database.transaction():
        known = {name: bytes(value) for name, value in database.write("SELECT name, value FROM meta")}
        if not known:
            known = {"version": b"%d" % VERSION, "dictionary": new_dictionary()}
            database.write_many("INSERT INTO meta VALUES (?, ?)", known.items())
    if known["version"] != b"%d" % VERSION:
        raise StoreError(
            f"the trail store has tables of version {known['version'].decode()}, and this release reads {VERSION}:"
            " remove it, and it is made anew from the topic"
        )
    return known["dictionary"]
