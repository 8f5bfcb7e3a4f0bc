"""Finds mails: by name through the segments of names, or by stream, state and time through the mails' own indexes."""

from __future__ import annotations

import heapq
import time
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.contract.correlated import Correlated
from service.trace.entry import State, names, term
from service.trace.store.database import PATIENCE
from service.trace.store.questions import END, Answers, Cursor, CursorError, Mails

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from service.facts import Instant
    from service.trace.store.database import Database
    from service.trace.store.packing import Packing

_STEP: Final = 200
"""Names that are read of a segment at once."""

_decode: Final = msgspec.json.Decoder(Correlated).decode


class Found(NamedTuple):
    """One mail of a list."""

    at: Instant
    number: int
    state: State
    document: Correlated


class MailReader:
    """Answers about mails. Every call may raise `TooBroadError`."""

    def __init__(self, database: Database, packing: Packing) -> None:
        self._database, self._packing = database, packing

    def mail(self, mail_id: str) -> Correlated | None:
        """The latest record of a mail."""
        rows = self._database.rows("SELECT document FROM mails WHERE mail_id = ?", (mail_id,))
        return self._document(rows[0][0]) if rows else None

    def late(self, mail_id: str) -> list[Correlated]:
        """What was said of it when its own record was closed, in order."""
        rows = self._database.rows("SELECT document FROM late WHERE mail_id = ? ORDER BY at, key", (mail_id,))
        return [self._document(packed) for (packed,) in rows]

    def find(self, wanted: Mails, limit: int, after: Cursor | None = None) -> Answers[Found]:
        """The newest mails first. Raises `CursorError` for a cursor of another question."""
        end = _end(wanted, after)
        return self._named(wanted, limit, end) if wanted.names else self._all(wanted, limit, end)

    def _all(self, wanted: Mails, limit: int, end: tuple[Instant, int]) -> Answers[Found]:
        conditions, parameters = _conditions(wanted)
        rows = self._database.rows(
            f"SELECT at, id, state, document FROM mails WHERE (at, id) < (?, ?) {conditions}"
            " ORDER BY at DESC, id DESC LIMIT ?",
            (*end, *parameters, limit + 1),
        )
        found = [Found(at, number, State(state), self._document(packed)) for at, number, state, packed in rows]
        return _answers(found, limit)

    def _named(self, wanted: Mails, limit: int, end: tuple[Instant, int]) -> Answers[Found]:
        """Goes through the names, newest first, until the page is full or patience ends: the cursor goes on there."""
        stop = time.monotonic() + PATIENCE
        found: list[Found] = []
        postings = self._postings(wanted, end)
        while step := list(islice(postings, _STEP)):
            found += self._checked(step, wanted)
            if len(found) > limit:
                break
            if time.monotonic() > stop:
                return Answers(found, Cursor(step[-1][0], str(step[-1][1])))
        return _answers(found, limit)

    def _postings(self, wanted: Mails, end: tuple[Instant, int]) -> Iterator[tuple[Instant, int]]:
        """Instant and number of each mail that may have one of these names, the newest first, each once."""
        terms = {term(form) for name in wanted.names for form in (name, name.rpartition("/")[2]) if form}
        streams = [
            self._segment(segment, term, wanted.since, end) for segment in self._database.segments for term in terms
        ]
        last = None
        for posting in heapq.merge(self._own_ids(wanted, end), *streams, reverse=True):
            if posting != last:
                yield posting
            last = posting

    def _own_ids(self, wanted: Mails, end: tuple[Instant, int]) -> list[tuple[Instant, int]]:
        """Of the mails whose own id this is."""
        among, ids = self._database.among(
            "mail_id", [*{form for name in wanted.names for form in (name, name.casefold())}]
        )
        sql = f"SELECT at, id FROM mails WHERE {among} AND (at, id) < (?, ?) ORDER BY at DESC, id DESC"
        return [(at, number) for at, number in self._database.rows(sql, (ids, *end))]

    def _segment(
        self, segment: str, term: int, since: Instant | None, end: tuple[Instant, int]
    ) -> Iterator[tuple[Instant, int]]:
        sql = (
            f"SELECT at, mail FROM {segment} WHERE term = ? AND (at, mail) < (?, ?) AND at >= ?"
            " ORDER BY at DESC, mail DESC LIMIT ?"
        )
        while rows := self._database.rows(sql, (term, *end, -END if since is None else since, _STEP)):
            yield from ((at, number) for at, number in rows)
            end = rows[-1][0], rows[-1][1]
            if len(rows) < _STEP:
                return

    def _checked(self, postings: Sequence[tuple[Instant, int]], wanted: Mails) -> Iterable[Found]:
        """The mails themselves: a name is only a hash, and may be of a mail that is gone."""
        among, numbers = self._database.among("id", [number for _, number in postings])
        conditions, parameters = _conditions(wanted)
        rows = self._database.rows(
            f"SELECT at, id, state, document FROM mails WHERE {among} {conditions} ORDER BY at DESC, id DESC",
            (numbers, *parameters),
        )
        expected, folded = set(postings), frozenset(map(str.casefold, wanted.names))
        for at, number, state, packed in rows:
            if (at, number) in expected:
                document = self._document(packed)
                if not folded.isdisjoint(names(document)):
                    yield Found(at, number, State(state), document)

    def _document(self, packed: bytes) -> Correlated:
        return _decode(self._packing.unpack(packed))


def _end(wanted: Mails, after: Cursor | None) -> tuple[Instant, int]:
    until = END if wanted.until is None else wanted.until
    if after is None:
        return until, -1  # numbers begin at 1: nothing of the instant itself
    if not after.key.isascii() or not after.key.isdigit() or int(after.key) > END:
        raise CursorError(str(after))
    return min((until, -1), (after.at, int(after.key)))


def _conditions(wanted: Mails) -> tuple[str, list[object]]:
    """Beside names and the end. What has been superseded is only shown to whoever asks for it or names it."""
    conditions: list[tuple[str, object]] = []
    if wanted.stream is not None:
        # Most mails of any stream are delivered: any other state finds them sooner than the stream does.
        rare = wanted.state not in (None, State.DELIVERED)
        conditions.append(("stream || '' = ?" if rare else "stream = ?", wanted.stream))
    if wanted.state is not None:
        common = wanted.state is State.DELIVERED and wanted.stream is not None
        conditions.append(("state || '' = ?" if common else "state = ?", wanted.state.value))
    elif not wanted.names:
        conditions.append(("state <> ?", State.SUPERSEDED.value))
    if wanted.since is not None:
        conditions.append(("at >= ?", wanted.since))
    return "".join(f" AND {condition}" for condition, _ in conditions), [value for _, value in conditions]


def _answers(found: list[Found], limit: int) -> Answers[Found]:
    if len(found) <= limit:
        return Answers(found)
    last = found[limit - 1]
    return Answers(found[:limit], Cursor(last.at, str(last.number)))
