"""The step: trails + facts + watermarks -> trails, documents, gaps, and what one name tells another.

`scan` and the worker call this same code, so both give the same verdicts for the same input. It is a state machine
over rows of bytes: no I/O, no clock, no logging. Everything it does follows from what it was given, in that order.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import ItemsView, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

import msgspec

from service import announce, judge_mail, judge_submission, rows
from service.contract.enums import FINAL
from service.documents import Documents
from service.facts import Described, Fact, Instant, Name, Sighting, Source
from service.facts_record import FactsRecord
from service.lives import Life, lives
from service.pairing import answers
from service.parsing.addresses import domain
from service.parsing.ses_id import id_clock
from service.policy import Policy
from service.providers import provider
from service.rows import Book, GapState, Row
from service.trail import Trail, collect, join
from service.verdicts import Due, Message, Verdict
from service.watermarks import NEVER, Watermark, Watermarks

MARKS: Final = b"\0marks"
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


class Published(NamedTuple):
    """A document to publish: its key (mail or gap id), its revision and its JSON."""

    key: str
    revision: int
    value: bytes


@dataclass(slots=True)
class Outputs:
    """What a step has to say, in order; taken and emptied by the caller."""

    correlated: list[Published] = field(default_factory=list)
    gaps: list[Published] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    failures: list[tuple[Name, list[tuple[Fact, Sighting]], str]] = field(default_factory=list)
    """Fragments on which the core itself failed (rule 23): for the dead letters, as `internal_error`."""
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Increments of counters: (metric, label values...)."""


    def mark(self) -> tuple[int, int, int]:
        """How much was said by now."""
        return len(self.correlated), len(self.gaps), len(self.messages)

    def cut(self, mark: tuple[int, int, int]) -> None:
        """Takes back what was said since the mark."""
        correlated, gaps, messages = mark
        del self.correlated[correlated:], self.gaps[gaps:], self.messages[messages:]


class Meta(msgspec.Struct, array_like=True):
    """What a shard's state was made with."""

    partitions: int
    policy: bytes


class PartitionCountError(RuntimeError):
    """The state was written with another number of partitions, so names would be looked for in the wrong shard."""


class Correlator:
    """One shard's judgement over its rows."""

    def __init__(
        self, store: RowStore, policy: Policy, documents: Documents, sources: Iterable[Source], partitions: int = 1
    ) -> None:
        """Takes over the rows that are there: rebuilds the deadlines, and re-judges what a changed policy concerns."""
        self.store, self.policy, self.documents, self.partitions = store, policy, documents, partitions
        self.outputs = Outputs()
        self.open_gaps: Counter[tuple[str, str]] = Counter()
        """Gaps announced and not yet ended, by kind and stream."""
        self.marks = self._load_marks()
        self.marks.configured, self.marks.partitions = tuple(sources), partitions
        self._heaps: dict[Source, list[tuple[Instant, Name]]] = {Source.SMTP: [], Source.SES: []}
        self._windows: dict[Instant, list[Name]] = {}
        self._spoken: dict[Source, Instant] = {}
        self._see_marks()
        self._restore()

    # -- what comes in -----------------------------------------------------------------------------------------------

    def take(self, records: Iterable[FactsRecord]) -> None:
        """One batch: all fragments of a name are joined before its row is touched; watermarks follow the facts."""
        pending: dict[Name, list[tuple[Fact, Sighting]]] = {}
        statements: list[Watermark] = []
        for record in records:
            for name, facts in record.fragments:
                pending.setdefault(name, []).extend(facts)
            if record.watermark is not None:
                statements.append(record.watermark)
        for name, facts in pending.items():
            self._learn(name, facts)
        for statement in statements:
            self.marks.learn(statement)
        if statements:
            self.advance()
            self.store.put(MARKS, rows.VERSION + msgspec.msgpack.encode(self.marks))

    def advance(self) -> None:
        """The watermarks have moved: judges what has come due, and drops what nobody can ask for any more."""
        self._see_marks()
        for source, heap in self._heaps.items():
            spoken = self._spoken[source]
            while heap and heap[0][0] <= spoken:
                _, name = heapq.heappop(heap)
                self._rejudge(name)
        self._drop()

    def drain(self) -> Outputs:
        """What there is to say since the last call."""
        said, self.outputs = self.outputs, Outputs()
        return said

    @property
    def waiting(self) -> int:
        """Deadlines that lie ahead."""
        return sum(map(len, self._heaps.values()))

    def spoken(self, source: Source) -> Instant:
        """Up to when the source has spoken, as this shard knows it."""
        return self._spoken[source]

    # -- one name ----------------------------------------------------------------------------------------------------

    def _learn(self, name: Name, facts: list[tuple[Fact, Sighting]]) -> None:
        data = self.store.get(name)
        row = rows.unpack(data) if data is not None else self._first_sight(name, facts)
        if row is None:
            return
        known = Trail(dict(row.facts))
        trail = join(known, collect(facts))
        if data is not None and trail.facts == known.facts:
            return
        row.facts = list(trail.facts.items())
        if data is None:
            self._windows.setdefault(row.window, []).append(name)
        self._judge(name, row, trail, facts)

    def _first_sight(self, name: Name, facts: list[tuple[Fact, Sighting]]) -> Row | None:
        """A new row, in the window of the mail's own clock. A mail whose window was dropped long ago gets none."""
        clock = id_clock(name[2:].decode()) if name[:2] == b"S:" else None
        at = clock if clock is not None else min(sighting.seen for _, sighting in facts)
        window = at - at % self.policy.window
        if clock is not None and self._expired(window):
            self._publish_late(name, facts)
            return None
        return Row(window)

    def _rejudge(self, name: Name) -> None:
        data = self.store.get(name)
        if data is not None:
            row = rows.unpack(data)
            self._judge(name, row, Trail(dict(row.facts)), [])

    def _judge(self, name: Name, row: Row, trail: Trail, facts: list[tuple[Fact, Sighting]]) -> None:
        """The one place where a failure of the pure core is caught: it costs its fragment, not its partition."""
        said = self.outputs.mark()
        try:
            due = self._judged(name, row, trail)
            before, row.due = row.due, sorted({(d.source, d.at) for d in due})
            self.store.put(name, rows.pack(row))
        except Exception as failure:  # noqa: BLE001 rule 23: whatever it is, the partition must go on
            self.outputs.cut(said)  # what was half said is not said
            self.outputs.failures.append((name, facts, repr(failure)))
            return
        self._schedule(name, row, before)

    def _judged(self, name: Name, row: Row, trail: Trail) -> Iterable[Due]:
        kind, text = name[:2], name[2:].decode()
        if kind == b"S:":
            verdict = judge_mail.judge(judge_mail.read(text, trail), self.marks, self.policy)
            self._announce(row.books.setdefault(verdict.mail_id, Book()), verdict)
            return verdict.due
        if kind == b"Q:":
            return self._judge_submission(row, text, trail)
        return self._answer(row, trail)

    def _judge_submission(self, row: Row, submission: str, trail: Trail) -> Iterable[Due]:
        before, row.flying = row.flying, 0
        due = [due for life in lives(submission, trail) for due in self._judge_life(row, life)]
        if before != row.flying:
            for last_line, change in ((before, -1), (row.flying, 1)):
                if last_line:
                    self.marks.fly(submission, last_line, change)
        return due

    def _judge_life(self, row: Row, life: Life) -> Iterable[Due]:
        mail_id, book = _book(row, life)
        sub = judge_submission.read(life, mail_id)
        verdict = judge_submission.judge(sub, self.marks, self.policy)
        if judge_submission.waits(sub):
            row.flying = max(row.flying, judge_submission.last_line(sub))
        self._tell(book, judge_submission.tells(sub))
        question, due = judge_submission.ask(sub, self.marks, self.policy)
        if question is not None and not book.asked:
            book.asked = True
            self.outputs.messages.append(question)
        if verdict.worth_publishing or book.revision:
            self._announce(book, verdict)
        if not book.untouched:
            row.books[mail_id] = book
        return (*verdict.due, *due)

    def _tell(self, book: Book, messages: list[Message]) -> None:
        if not messages:
            return
        digest = _digest(msgspec.msgpack.encode([(m.name, m.fact) for m in messages]))
        if digest != book.told:
            book.told = digest
            self.outputs.messages += messages

    def _answer(self, row: Row, trail: Trail) -> Iterable[Due]:
        said, due = answers(trail, self.marks, self.policy)
        for message in said:
            fact = message.fact
            submission, ses_id = getattr(fact, "submission", ""), getattr(fact, "ses_id", "")
            before = row.answers.get(submission)
            if before is None or (ses_id and before != ses_id):
                row.answers[submission] = ses_id
                self.outputs.messages.append(message)
        return due

    # -- what goes out -----------------------------------------------------------------------------------------------

    def _announce(self, book: Book, verdict: Verdict) -> None:
        for gap_id, gap in announce.update(book, verdict):
            self._publish_gap(gap_id, gap, verdict)
        body = self.documents.correlated(verdict, book, evidence=False)
        digest = _digest(body)
        if digest == book.digest:
            return
        book.digest = digest
        book.revision += 1
        self._count_outcomes(book, verdict)
        document = self.documents.correlated(verdict, book, evidence=True)
        self.outputs.correlated.append(Published(verdict.mail_id, book.revision, document))

    def _publish_gap(self, gap_id: str, gap: GapState, verdict: Verdict) -> None:
        self.outputs.gaps.append(Published(gap_id, gap.revision, self.documents.gap(gap_id, gap, verdict)))
        self.open_gaps[gap.kind, gap.stream] += 1 if gap.resolution is None else -1
        if gap.resolution is None:
            self.outputs.counts["gaps_opened", gap.kind, gap.cause, gap.stream] += 1
        else:
            self.outputs.counts["gaps_resolved", gap.kind, gap.resolution, gap.stream] += 1

    def _count_outcomes(self, book: Book, verdict: Verdict) -> None:
        for recipient in verdict.recipients:
            if recipient.outcome in FINAL and recipient.address not in book.final:
                book.final.append(recipient.address)
                labels = (verdict.stream, provider(domain(recipient.address)))
                self.outputs.counts["outcomes", recipient.outcome, *labels] += 1

    def _publish_late(self, name: Name, facts: list[tuple[Fact, Sighting]]) -> None:
        """Rule 7: what comes after the row is gone is published by itself, and overwrites nothing."""
        for fact, sighting in facts:
            if isinstance(fact, Described):
                continue  # every event repeats it; it says nothing of its own
            mail = judge_mail.read(name[2:].decode(), Trail({fact: sighting}))
            verdict = judge_mail.judge(mail, Watermarks(configured=()), self.policy)
            key = f"{mail.ses_id}#late#{_digest(msgspec.msgpack.encode(fact)).hex()}"
            document = self.documents.correlated(verdict, Book(revision=1), partial=True)
            self.outputs.correlated.append(Published(key, 1, document))

    # -- time --------------------------------------------------------------------------------------------------------

    def _schedule(self, name: Name, row: Row, before: list[tuple[Source, Instant]]) -> None:
        for source, at in row.due:
            if at > self._spoken[source] and (source, at) not in before:
                heapq.heappush(self._heaps[source], (at, name))

    def _see_marks(self) -> None:
        self._spoken = {source: self.marks.of(source) for source in Source}

    def _drop(self) -> None:
        for window in sorted(self._windows):
            if not self._expired(window):
                return
            for name in self._windows.pop(window):
                self._drop_row(name, window)

    def _expired(self, window: Instant) -> bool:
        """Every deadline of the window's mails has passed, and `keep` after it, in all that was spoken."""
        return self._all_spoken() >= window + self.policy.window + self.policy.longest + self.policy.keep

    def _all_spoken(self) -> Instant:
        return min((self._spoken[source] for source in self.marks.configured), default=NEVER)

    def _drop_row(self, name: Name, window: Instant) -> None:
        data = self.store.get(name)
        if data is None:
            return
        row = rows.unpack(data)
        later = [at for source, at in row.due if at > self._spoken[source]]
        stays = window + self.policy.queue_lifetime + self.policy.keep if row.flying else 0
        if later or self._all_spoken() < stays:
            # Not yet: a retry that the mail server still owes, or a deadline that SES itself moved.
            until = max([*later, stays]) - self.policy.longest - self.policy.keep
            self._windows.setdefault(until - until % self.policy.window, []).append(name)
            return
        self._close(name, row)
        self.store.remove(name)
        self.outputs.counts["rows_dropped",] += 1

    def _close(self, name: Name, row: Row) -> None:
        trail = Trail(dict(row.facts))
        for mail_id, book in row.books.items():
            verdict = self._verdict(name, mail_id, row, trail)
            if verdict is not None:
                for gap_id, gap in announce.close(book, self._all_spoken()):
                    self._publish_gap(gap_id, gap, verdict)

    def _verdict(self, name: Name, mail_id: str, row: Row, trail: Trail) -> Verdict | None:
        text = name[2:].decode()
        if name[:2] == b"S:":
            return judge_mail.judge(judge_mail.read(text, trail), self.marks, self.policy)
        for life in lives(text, trail):
            if _book(row, life)[0] == mail_id:
                return judge_submission.judge(judge_submission.read(life, mail_id), self.marks, self.policy)
        return None

    # -- after a restart ---------------------------------------------------------------------------------------------

    def _load_marks(self) -> Watermarks:
        data = self.store.get(MARKS)
        if data is None:
            return Watermarks()
        rows.check_version(data)
        marks = msgspec.msgpack.decode(memoryview(data)[1:], type=Watermarks)
        for feed in marks.feeds.values():
            feed.flying = {}  # counted again from the rows
        return marks

    def _restore(self) -> None:
        policy = _digest(self.policy.fingerprint.encode())
        stored = self.store.get(META)
        meta = msgspec.msgpack.decode(stored, type=Meta) if stored is not None else None
        if meta is not None and meta.partitions != self.partitions:
            raise PartitionCountError(
                f"the state was written with {meta.partitions} partitions and the topics now have {self.partitions}: "
                "go back to the former count, or start anew with another --prefix"
            )
        for name, data in self.store.items():
            if name[:1] != b"\0":
                row = rows.unpack(data)
                self._windows.setdefault(row.window, []).append(name)
                for source, at in row.due:
                    self._heaps[source].append((at, name))
                if row.flying:
                    self.marks.fly(name[2:].decode(), row.flying, 1)
                self.open_gaps.update((gap.kind, gap.stream) for book in row.books.values() for gap in book.open())
        for heap in self._heaps.values():
            heapq.heapify(heap)
        if meta is None or meta.policy != policy:
            self.store.put(META, msgspec.msgpack.encode(Meta(self.partitions, policy)))
            if meta is not None:
                for name in [name for name, _ in self.store.items() if name[:1] != b"\0"]:
                    self._rejudge(name)


def _book(row: Row, life: Life) -> tuple[str, Book]:
    """The life's mail id and book: once something was said of it, its id stays, whatever earlier line turns up."""
    for mail_id, book in row.books.items():
        if life.first // 1000 <= int(mail_id.rpartition("@")[2]) <= life.last // 1000:
            return mail_id, book
    return life.mail_id, Book()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()
