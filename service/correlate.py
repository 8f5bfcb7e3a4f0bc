"""The step: trails + facts + watermarks -> trails, documents, gaps, and what one name tells another.

`scan` and the worker call this same code, so both give the same verdicts for the same input. It is a state machine
over rows of bytes: no I/O, no clock, no logging. Everything it does follows from what it was given, in that order.
"""

from __future__ import annotations

import heapq
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import msgspec

from service import rows
from service.conditions import Conditions
from service.contract.wire import encode
from service.facts import Deferred, Described, Fact, Instant, Name, Sighting, Source, Told
from service.parsing.ses_id import id_clock
from service.policy import DAY
from service.rows import Row
from service.ruling import Outputs, OutputsMark, Published, Ruling, digest
from service.tally import open_gap
from service.trail import EMPTY, Trail, collect, join
from service.watermarks import NEVER, Feed, Stored, Watermark, Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, ItemsView, Iterable

    from service.documents import Documents
    from service.facts_record import Closing, FactsRecord
    from service.policy import Policy

MARKS: Final = b"\0marks"
FEED: Final = b"\0feed:"
CONDITIONS: Final = b"\0conditions"
META: Final = b"\0meta"


class RowStore(Protocol):
    """Rows by name. The engine's shard is one; `scan` has another over a dict."""

    def get(self, key: bytes) -> bytes | None:
        """The row's bytes, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Keeps the row."""

    def remove(self, key: bytes) -> None:
        """Drops the row."""

    def items(self) -> ItemsView[bytes, bytes]:
        """Every row that is kept."""


class Meta(msgspec.Struct, array_like=True):
    """What a shard's state was made with."""

    partitions: int
    policy: bytes


_Seen: TypeAlias = list[tuple[Fact, Sighting]]

_marks = msgspec.msgpack.Decoder(Stored)
_feed = msgspec.msgpack.Decoder(Feed)
_meta = msgspec.msgpack.Decoder(Meta)


class PartitionCountError(RuntimeError):
    """The state was written with another number of partitions, so names would be looked for in the wrong shard."""


class Correlator:
    """One shard's judgement over its rows."""

    def __init__(
        self,
        store: RowStore,
        policy: Policy,
        documents: Documents,
        sources: Iterable[Source],
        partitions: int = 1,
        shard: int = 0,
    ) -> None:
        """Takes over the rows that are there: rebuilds the deadlines, and re-judges what a changed policy concerns.

        It is number `shard` of so many `partitions`.
        """
        self.store, self.policy, self.partitions = store, policy, partitions
        self._memory = policy.window + policy.longest + max(policy.keep, policy.grace)
        """How long after a window's beginning the last of its mails may still be asked for, in milliseconds."""
        self.conditions = Conditions(policy, documents.runbooks, shard, partitions)
        if (data := store.get(CONDITIONS)) is not None:
            self.conditions.unpack(data)
        self.marks = self._load_marks()
        self.marks.configured, self.marks.partitions = tuple(sources), partitions
        self.ruling = Ruling(policy, documents, self.marks)
        self._heaps: dict[Source, list[tuple[Instant, Name]]] = {Source.SMTP: [], Source.SES: []}
        self._windows: dict[Instant, list[Name]] = {}
        self.open_names = 0
        """Names that wait for a deadline."""
        self._spoken: dict[Source, Instant] = {}
        self._all_spoken = self._forgotten = NEVER
        """The window up to which feeds were looked through."""
        self._see_marks()
        self._restore()

    # -- what comes in -----------------------------------------------------------------------------------------------

    def take(self, records: Iterable[FactsRecord]) -> None:
        """One batch: all fragments of a name are joined before its row is touched; watermarks follow the facts."""
        pending: dict[Name, _Seen] = {}
        closings: list[Closing] = []
        statements: list[Watermark] = []
        for record in records:
            for name, facts in record.fragments:
                pending.setdefault(name, []).extend(facts)
            closings += record.closings
            if record.watermark is not None:
                statements.append(record.watermark)
        for name, facts in pending.items():
            self._learn(name, facts)
        for closing in closings:
            self._close(closing)
        for statement in statements:
            self.marks.learn(statement)
            self.advance()  # after each: which feeds were silent at a deadline must not hang on batches (rule 9)
            self._heed_conditions()
        if statements:
            self._keep_marks()

    def lose(self, topic: str, partition: int, first: int, after: int) -> None:
        """Facts from offset `first` up to `after` were removed before they were read: what they said is not known."""
        self.marks.lose_facts(topic, partition, first, after)
        self._heed_conditions()
        self._keep_marks()

    def advance(self) -> None:
        """The watermarks have moved: judges what has come due, and drops what nobody can ask for any more."""
        self._see_marks()
        for source, heap in self._heaps.items():
            spoken = self._spoken[source]
            while heap and heap[0][0] <= spoken:
                _, name = heapq.heappop(heap)
                self._rejudge(name)
        self._drop()
        self._forget(self._all_spoken - self._memory)

    def _forget(self, before: Instant) -> None:
        """Drops what no mail can ask for any more, since all that was handed off by then is judged."""
        self.marks.forget_holes(before)
        window = before - before % self.policy.window
        if window > self._forgotten:
            self._forgotten = window
            for name in self.marks.forget_feeds(window):
                if self.store.get(FEED + name.encode()) is not None:
                    self.store.remove(FEED + name.encode())

    def _keep_marks(self) -> None:
        self.store.put(MARKS, rows.pack_other(self.marks.stored()))
        for name, feed in self.marks.take_fresh():
            self.store.put(FEED + name.encode(), rows.pack_other(feed))

    def _heed_conditions(self) -> None:
        if self.ruling.documents.historic:
            return  # whoever is told of a condition is told that it holds now
        changes = self.conditions.update(self.marks)
        if changes:
            self.ruling.outputs.conditions += [
                Published(identity, record.revision, encode(record)) for identity, record in changes
            ]
            self.store.put(CONDITIONS, self.conditions.pack())

    def drain(self) -> Outputs:
        """What there is to say since the last call."""
        said, self.ruling.outputs = self.ruling.outputs, Outputs()
        return said

    def last_record(self, source: Source) -> Instant:
        """When the newest record of the source was written; 0 where there never was one."""
        return max((e.last_record_at for e in self.marks.entries.values() if e.source is source), default=0)

    def spoken(self, source: Source) -> Instant:
        """Up to when the source has spoken, as this shard knows it."""
        return self._spoken[source]

    # -- one name ----------------------------------------------------------------------------------------------------

    def _learn(self, name: Name, facts: _Seen) -> None:
        told: list[Told] = []
        if name[:2] == b"Q:":  # what ingest has told its SES mail for it is no fact about a submission
            told = [fact for fact, _ in facts if type(fact) is Told]
            if told:
                facts = [(fact, seen) for fact, seen in facts if type(fact) is not Told]
                if not facts:
                    return
        data = self.store.get(name)
        row = rows.unpack(data) if data is not None else self._first_sight(name, facts)
        if row is None:
            return
        if data is None:
            known, trail = EMPTY, collect(facts)
            self._windows.setdefault(row.window, []).append(name)
        else:
            known = Trail(dict(row.facts))
            trail = join(known, collect(facts))
            if trail.facts == known.facts:
                return
        row.facts = list(trail.facts.items())
        self._judge(name, row, trail, facts, known.facts, told)

    def _first_sight(self, name: Name, facts: _Seen) -> Row | None:
        """A new row, in the window of the mail's own clock. A mail whose window was dropped long ago gets none."""
        seen = min(sighting.seen for _, sighting in facts)
        clock = _clock(name, facts) if name[:2] == b"S:" else None
        if clock is not None and clock > seen + DAY:
            clock = None  # no clock of SES's: its window would stay for years
        at = seen if clock is None else clock
        window = at - at % self.policy.window
        if clock is not None and self._expired(window):
            self._guarded(name, facts, partial(self.ruling.publish_late, name, facts))
            return None
        return Row(window)

    def _close(self, closing: Closing) -> None:
        """Somebody closes a gap. One that has ended, or whose row is gone, is over already."""
        data = self.store.get(closing.name)
        row = rows.unpack(data) if data is not None else None
        if row is not None:
            self._guarded(closing.name, [], partial(self._close_one, row, closing))

    def _close_one(self, row: Row, closing: Closing) -> None:
        if self.ruling.close_one(closing.name, row, closing):
            self.store.put(closing.name, rows.pack(row))

    def _rejudge(self, name: Name) -> None:
        data = self.store.get(name)
        if data is not None:
            row = rows.unpack(data)
            trail = Trail(dict(row.facts))
            self._judge(name, row, trail, [], trail.facts)

    def _judge(
        self, name: Name, row: Row, trail: Trail, facts: _Seen, known: Container[Fact], told: Collection[Told] = ()
    ) -> None:
        before, flew = row.due, row.flying
        if not self._guarded(name, facts, partial(self._rule, name, row, trail, known, told)):
            return
        if flew != row.flying:
            self._fly(name, flew, -1)
            self._fly(name, row.flying, 1)
        self._schedule(name, row, before)
        self.open_names += bool(row.due) - bool(before)
        if self._expired(row.window):  # what kept it may be over, and must not end later than after a restart
            self._windows.setdefault(row.window, []).append(name)

    def _rule(self, name: Name, row: Row, trail: Trail, known: Container[Fact], told: Collection[Told]) -> None:
        due = self.ruling.rule(name, row, trail, told)
        row.due = sorted({(d.source, d.at) for d in due if d.at > self._spoken[d.source]}) if due else []
        self.ruling.tally(name, trail, known)
        self.store.put(name, rows.pack(row))

    def _guarded(self, name: Name, facts: _Seen, act: Callable[[], None]) -> bool:
        """The one place where a failure of the pure core is caught: it costs its fragment, not its partition."""
        outputs = self.ruling.outputs
        said = outputs.mark()
        try:
            act()
        except Exception as failure:  # noqa: BLE001 rule 23: whatever it is, the partition must go on
            self._take_back(name, said)
            outputs.failures.append((name, facts, repr(failure)))
            return False
        return True

    def _take_back(self, name: Name, said: OutputsMark) -> None:
        """What was half said is not said, nor counted; the row stays as it was."""
        for gap in self.ruling.outputs.gaps[said.gaps :]:
            self.ruling.open_gaps.pop(gap.key, None)
        self.ruling.outputs.cut(said)
        data = self.store.get(name)
        if data is not None:
            self._recall_gaps(rows.unpack(data))

    def _fly(self, name: Name, last_line: Instant, change: int) -> None:
        if last_line:
            self.marks.fly(name[2:].decode(), last_line, change)

    # -- time --------------------------------------------------------------------------------------------------------

    def _schedule(self, name: Name, row: Row, before: list[tuple[Source, Instant]]) -> None:
        for source, at in row.due:
            if (source, at) not in before:
                heapq.heappush(self._heaps[source], (at, name))

    def _see_marks(self) -> None:
        self._spoken = {source: self.marks.of(source) for source in Source}
        self._all_spoken = min((self._spoken[source] for source in self.marks.configured), default=NEVER)

    def _drop(self) -> None:
        for window in sorted(self._windows):
            if not self._expired(window):
                return
            for name in self._windows.pop(window):
                self._drop_row(name, window)

    def _expired(self, window: Instant) -> bool:
        """Every deadline of the window's mails has passed, and `keep` after it, in all that was spoken."""
        return self._all_spoken >= window + self._memory

    def _drop_row(self, name: Name, window: Instant) -> None:
        data = self.store.get(name)
        if data is None:
            return
        row = rows.unpack(data)
        until = self._stays(name, row)
        if until is not None:
            window = until - until % self.policy.window
            if not self._expired(window):
                self._windows.setdefault(window, []).append(name)
                return
        if not self._guarded(name, [], partial(self.ruling.close, name, row, self._all_spoken)):
            return  # it stays, and is dropped after the next start, by a release that can
        self._fly(name, row.flying, -1)
        self.store.remove(name)
        self.open_names -= bool(row.due)
        self.ruling.outputs.tally.add(("rows_dropped",))

    def _stays(self, name: Name, row: Row) -> Instant | None:
        """The later window with which a row goes whose own is over; None where it goes with that.

        A mail that was deferred and has no id has the queue's lifetime, and a Message-ID that of its latest ask. An SES
        mail's deadlines all lie within its window's time: if it is judged again and again, its feed is silent for good.
        """
        deferred = name[:2] == b"Q:" and any(isinstance(fact, Deferred) for fact, _ in row.facts)
        if row.flying or (deferred and any(book.open() for book in row.books.values())):
            return row.window + self.policy.queue_lifetime - self.policy.longest
        clock = id_clock(name[2:].decode()) if name[:2] == b"S:" else None
        if clock is not None and row.window + self.policy.window <= clock <= self._all_spoken + DAY:
            return clock  # first seen by a record whose timestamp was long before SES took the mail: a wrong clock's
        later = [at for source, at in row.due if at > self._spoken[source] and source in self.marks.configured]
        if not later or name[:2] == b"S:":
            return None
        return max(later) - self.policy.longest - self.policy.keep

    # -- after a restart ---------------------------------------------------------------------------------------------

    def _load_marks(self) -> Watermarks:
        marks = Watermarks()
        data = self.store.get(MARKS)
        if data is not None:
            marks.recall(rows.unpack_with(_marks, data))
        for key, value in self.store.items():
            if key.startswith(FEED):
                marks.recall_feed(key.removeprefix(FEED).decode(), rows.unpack_with(_feed, value))
        return marks

    def _restore(self) -> None:
        policy = digest(self.policy.fingerprint.encode())
        stored = self.store.get(META)
        meta = rows.unpack_with(_meta, stored) if stored is not None else None
        if meta is not None and meta.partitions != self.partitions:
            raise PartitionCountError(
                f"the state was written with {meta.partitions} partitions and the topics now have {self.partitions}: "
                "go back to the former count, or start anew with another --prefix"
            )
        for name in self._names():
            self._recall(name, rows.unpack(self.store.get(name) or b""))
        for heap in self._heaps.values():
            heapq.heapify(heap)
        if meta is None or meta.policy != policy:
            self.store.put(META, rows.pack_other(Meta(self.partitions, policy)))
            if meta is not None:
                for name in self._names():
                    self._rejudge(name)

    def _names(self) -> list[Name]:
        return [name for name, _ in self.store.items() if name[:1] != b"\0"]

    def _recall(self, name: Name, row: Row) -> None:
        """Knows again of a row what need not be stored beside it."""
        self._windows.setdefault(row.window, []).append(name)
        for source, at in row.due:
            if at > self._spoken[source]:
                self._heaps[source].append((at, name))
        self._fly(name, row.flying, 1)
        self.open_names += bool(row.due)
        self._recall_gaps(row)

    def _recall_gaps(self, row: Row) -> None:
        for book in row.books.values():
            self.ruling.open_gaps.update((i, open_gap(gap)) for i, gap in book.gaps.items() if gap.resolution is None)


def _clock(name: Name, facts: _Seen) -> Instant | None:
    """When SES accepted the mail, by the id's own clock, else by the event; None where neither says."""
    clock = id_clock(name[2:].decode())
    if clock is not None:
        return clock
    return min((fact.at for fact, _ in facts if isinstance(fact, Described)), default=None)
