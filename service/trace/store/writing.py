"""Writes batches: what is newer replaces what is older, whatever came twice changes nothing.

A batch, the sums that it changes and the positions up to which the topics have been read are one transaction, so that a
crash at any moment is a batch that is read again.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from service.contract.enums import Outcome
from service.trace.entry import HOUR, Counted, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from service.facts import Instant
    from service.trace.store.database import Database, Row
    from service.trace.store.packing import Packing

_MAIL: Final = "INSERT INTO mails VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_NEWER: Final = "UPDATE mails SET revision = ?, stream = ?, state = ?, counted = ?, document = ? WHERE id = ?"
_NAME: Final = "INSERT INTO {} VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_LATE: Final = "INSERT INTO late VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_GAP: Final = """INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (gap_id) DO UPDATE SET
    cause = excluded.cause, resolved_at = excluded.resolved_at, resolution = excluded.resolution"""
_TALLY: Final = """INSERT INTO tallies VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (hour, stream, provider, outcome, accepted)
    DO UPDATE SET recipients = tallies.recipients + excluded.recipients"""
_CONDITION: Final = """INSERT INTO conditions VALUES (?, ?, ?) ON CONFLICT (condition_id) DO UPDATE SET
    revision = excluded.revision, document = excluded.document WHERE excluded.revision >= conditions.revision"""
_POSITION: Final = """INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (topic, part)
    DO UPDATE SET next = excluded.next WHERE excluded.next > positions.next"""
_SWEPT: Final = 5_000
"""Mails that one transaction of a sweep removes: readers and the topic wait no longer for it than for a batch."""


class ConditionRow(NamedTuple):
    """A condition as the gaps topic has it."""

    condition_id: str
    revision: int
    document: bytes


@dataclass(slots=True)
class Batch:
    """What was read, in order. `removed` are keys whose record is gone (tombstones)."""

    entries: list[Entry] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    conditions: list[ConditionRow] = field(default_factory=list)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    """The next offset to be read, by topic and partition."""


class Known(NamedTuple):
    """What the store holds of a mail that comes again."""

    id: int
    revision: int
    at: Instant
    stream: str
    counted: str


class Writer:
    """The one that writes."""

    def __init__(self, database: Database, packing: Packing) -> None:
        self._database, self._packing = database, packing
        self._turn = threading.Lock()  # batches and sweeps come from threads of their own

    def write(self, batch: Batch) -> int:
        """Keeps a batch; how many mails it changed."""
        with self._turn, self._database.transaction():
            changed = self._mails(_latest(batch.entries))
            self._late([entry for entry in batch.entries if entry.late])
            self._remove(batch.removed)
            self._database.write_many(_CONDITION, batch.conditions)
            self._database.write_many(_POSITION, [(*where, offset) for where, offset in batch.positions.items()])
        return changed

    def _mails(self, latest: Mapping[str, Entry]) -> int:
        known = self._known(list(latest))
        entries = [e for e in latest.values() if e.mail_id not in known or e.revision >= known[e.mail_id].revision]
        if not entries:
            return 0
        [(last,)] = self._database.write("SELECT coalesce(max(id), 0) FROM mails")
        new: list[Row] = []
        newer: list[Row] = []
        names: list[Row] = []
        tallies: Counter[Row] = Counter()
        newest = 0
        for entry in entries:
            document, counted = self._packing.pack(entry.document), _written(entry.counted)
            there = known.get(entry.mail_id)
            if there is None:
                last += 1
                number, at = last, entry.at
                new.append((number, entry.mail_id, entry.revision, at, entry.stream, entry.state, counted, document))
            else:
                number, at = there.id, there.at  # `at` stays: names and pages of results are sorted by it
                newer.append((entry.revision, entry.stream, entry.state, counted, document, number))
                _tally(tallies, at, there.stream, _read(there.counted), -1)
            _tally(tallies, at, entry.stream, entry.counted, 1)
            names += [(term, at, number) for term in entry.terms]
            newest = max(newest, at)
        self._database.write_many(_MAIL, new)
        self._database.write_many(_NEWER, newer)
        self._names(last, names, newest)
        self._database.write_many(_GAP, [gap for entry in entries for gap in entry.gaps])
        self._tally(tallies)
        return len(entries)

    def _known(self, mail_ids: Sequence[str]) -> dict[str, Known]:
        condition, parameter = self._database.among("mail_id", mail_ids)
        rows = self._database.write(
            f"SELECT mail_id, id, revision, at, stream, counted FROM mails WHERE {condition}",
            (parameter,),
        )
        return {mail_id: Known(*row) for mail_id, *row in rows}

    def _names(self, last: int, names: list[Row], newest: Instant) -> None:
        segment = self._database.next_segment(last)
        names.sort()  # neighbours in the index are written together
        self._database.write_many(_NAME.format(segment), names)
        self._database.write("UPDATE segments SET newest = ? WHERE name = ? AND newest < ?", (newest, segment, newest))

    def _tally(self, tallies: Counter[Row]) -> None:
        self._database.write_many(_TALLY, [(*key, number) for key, number in sorted(tallies.items()) if number])

    def _late(self, entries: Sequence[Entry]) -> None:
        rows = [(e.key, e.mail_id, e.at, self._packing.pack(e.document)) for e in entries]
        self._database.write_many(_LATE, rows)

    def _remove(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        condition, parameter = self._database.among("key", keys)
        self._database.write(f"DELETE FROM late WHERE {condition}", (parameter,))
        for mail_id, known in self._known(keys).items():
            tallies: Counter[Row] = Counter()
            _tally(tallies, known.at, known.stream, _read(known.counted), -1)
            self._tally(tallies)
            self._database.write("DELETE FROM mails WHERE id = ?", (known.id,))
            self._database.write("DELETE FROM gaps WHERE mail_id = ?", (mail_id,))

    def sweep(self, before: Instant) -> int:
        """Removes the mails from before that instant, and all that was said of them; how many."""
        removed = 0
        while gone := self._sweep_some(before):
            removed += gone
        with self._turn, self._database.transaction():
            self._database.write("DELETE FROM late WHERE at < ?", (before,))
            self._database.write("DELETE FROM tallies WHERE hour < ?", (before - before % HOUR,))
            self._database.drop_segments(before)
        return removed

    def _sweep_some(self, before: Instant) -> int:
        with self._turn, self._database.transaction():
            old = self._database.write(
                "SELECT id, mail_id FROM mails WHERE at < ? ORDER BY at, id LIMIT ?", (before, _SWEPT)
            )
            for table, column, values in (
                ("gaps", "mail_id", [mail_id for _, mail_id in old]),
                ("mails", "id", [number for number, _ in old]),
            ):
                condition, parameter = self._database.among(column, values)
                self._database.write(f"DELETE FROM {table} WHERE {condition}", (parameter,))
        return len(old)


def _latest(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Of each mail its newest revision; of equal ones the one that was read last."""
    latest: dict[str, Entry] = {}
    for entry in entries:
        if not entry.late and (entry.mail_id not in latest or entry.revision >= latest[entry.mail_id].revision):
            latest[entry.mail_id] = entry
    return latest


def _tally(tallies: Counter[Row], at: Instant, stream: str, counted: Iterable[Counted], sign: int) -> None:
    for one in counted:
        key = at - at % HOUR, stream, one.provider, one.outcome.value, int(one.accepted)
        tallies[key] += sign * one.recipients


def _written(counted: Iterable[Counted]) -> str:
    return " ".join(f"{one.provider}/{one.outcome}/{int(one.accepted)}/{one.recipients}" for one in counted)


def _read(counted: str) -> Iterable[Counted]:
    for one in counted.split():
        provider, outcome, accepted, recipients = one.split("/")
        yield Counted(provider, Outcome(outcome), accepted == "1", int(recipients))
