"""Judges one name's row and says what has changed: documents, gaps, and what the name tells other names.

The worker calls it over the rows of a shard (`service.correlate`), `scan` over the rows of its files: the same input
gives the same verdicts. It keeps no rows, knows no deadlines, and does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from service import announce, judge_mail, judge_submission
from service.contract.enums import FINAL, Outcome
from service.contract.wire import encode
from service.explain import delay_type
from service.facts import Deferred, Delayed, Described, Fact, Instant, Name, Refused, Sighting, Source, ses_name
from service.lives import Life, bears, lives
from service.pairing import answers
from service.parsing.addresses import domain
from service.policy import Attributes
from service.providers import provider
from service.rows import Book, GapState, Row
from service.submission import read
from service.tally import OpenGap, Tally, open_gap
from service.trail import Trail
from service.usual_mail import usual_mail
from service.usual_submission import usual_submission
from service.verdicts import Message
from service.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable

    from service.documents import Documents
    from service.facts import Told
    from service.facts_record import Closing
    from service.policy import Policy
    from service.submission import Submission
    from service.usual_submission import UsualSubmission
    from service.verdicts import Due, Verdict

_FAILED = (Deferred, Refused)
_TALLIED = frozenset({*_FAILED, Delayed})


class Published(NamedTuple):
    """A document to publish: its key (mail or gap id), its revision and its JSON."""

    key: str
    revision: int
    value: bytes


class OutputsMark(NamedTuple):
    """How much of each kind was said."""

    correlated: int
    gaps: int
    messages: int
    tally: tuple[int, int]


@dataclass(slots=True)
class Outputs:
    """What a step has to say, in order; taken and emptied by the caller."""

    correlated: list[Published] = field(default_factory=list)
    gaps: list[Published] = field(default_factory=list)
    conditions: list[Published] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    failures: list[tuple[Name, list[tuple[Fact, Sighting]], str]] = field(default_factory=list)
    """Fragments on which the core itself failed (rule 23): for the dead letters, as `internal_error`."""
    tally: Tally = field(default_factory=Tally)
    """What was counted."""

    def mark(self) -> OutputsMark:
        """How much was said by now."""
        return OutputsMark(len(self.correlated), len(self.gaps), len(self.messages), self.tally.mark())

    def cut(self, mark: OutputsMark) -> None:
        """Takes back what was said since the mark."""
        del self.correlated[mark.correlated :], self.gaps[mark.gaps :], self.messages[mark.messages :]
        self.tally.cut(mark.tally)


class Ruling:
    """Rules on rows, with one policy and one view of the watermarks."""

    def __init__(self, policy: Policy, documents: Documents, marks: Watermarks) -> None:
        """`marks` is read at every judgement; its owner keeps it up to date."""
        self.policy, self.documents, self.marks = policy, documents, marks
        self.outputs = Outputs()
        self.open_gaps: dict[str, OpenGap] = {}
        """Gaps announced and not yet ended, by their id."""
        self.held: dict[Name, Source] = {}
        """Names whose judgement waits, and the source that has fallen silent."""

    def rule(self, name: Name, row: Row, trail: Trail, told: Collection[Told] = ()) -> Iterable[Due]:
        """Judges the row anew; changes its books, says what is new, and returns when to judge it again.

        `told`: what ingest has told the SES mail of a submission already.
        """
        kind, text = name[:2], name[2:].decode()
        if kind == b"S:":
            return self._judge_mail(name, row, text, trail)
        if kind == b"Q:":
            row.flying = 0
            self._hold(name, None)
            usual = usual_submission(text, trail.facts)
            if usual is not None and self._is_well(row, usual, told):
                return ()
            return self._judge_submission(name, row, text, trail)
        return self._answer(row, trail)

    def _judge_mail(self, name: Name, row: Row, ses_id: str, trail: Trail) -> Iterable[Due]:
        usual, links = usual_mail(ses_id, trail.facts, self.marks, self.policy), []
        if usual is not None:
            verdict, heard_of = usual
        else:
            mail = judge_mail.read(ses_id, trail)
            verdict, heard_of = judge_mail.judge(mail, self.marks, self.policy), mail.heard_of
            links = judge_mail.links(mail) if self.policy.message_id_join else []
        book = row.books.get(ses_id)
        if book is None:
            book = row.books[ses_id] = Book()
        self._count_accepted(book, verdict, heard_of=heard_of)
        self._announce(book, verdict)
        self._tell(book, links)
        self._hold(name, Source.SES if verdict.held else None)
        return verdict.due

    def _is_well(self, row: Row, usual: UsualSubmission, told: Collection[Told]) -> bool:
        """What `_judge_life` does with a submission that is well; False where more than that was said of it before."""
        book = row.books.get(usual.mail_id)
        if len(row.books) > (book is not None) or (book is not None and (book.revision or book.gaps or book.asked)):
            return False
        if book is None:
            book = row.books[usual.mail_id] = Book()
        self._tell(book, [Message(ses_name(usual.ses_id), usual.told, usual.sighting)], told)
        if not book.counted:
            stream = self.policy.stream(Attributes(application=usual.application, sender_domain=domain(usual.sender)))
            self._count_handoff(book, usual.mail_id, stream.name, usual.took)
        return True

    def _judge_submission(self, name: Name, row: Row, submission: str, trail: Trail) -> Iterable[Due]:
        return [due for life in lives(submission, trail) for due in self._judge_life(name, row, life)]

    def _judge_life(self, name: Name, row: Row, life: Life) -> Iterable[Due]:
        mail_id, book = _book(row, life)
        sub = read(life, mail_id)
        if book.untouched and judge_submission.well(sub, self.policy):
            self._tell(book, judge_submission.tells(sub))
            row.books[mail_id] = book
            self._count_submission(book, sub)
            return ()
        verdict = judge_submission.judge(sub, self.marks, self.policy)
        if sub.in_flight:
            row.flying = max(row.flying, judge_submission.last_line(sub))
        self._tell(book, judge_submission.tells(sub))
        question, due = judge_submission.ask(sub, self.marks, self.policy)
        if question is not None:
            self._ask(book, question)
        if verdict.worth_publishing or book.revision:
            self._announce(book, verdict)
        if not book.untouched:
            row.books[mail_id] = book
            if verdict.gaps or verdict.settled:
                self._count_submission(book, sub)
        if verdict.held:
            self._hold(name, Source.SMTP)
        return (*verdict.due, *due)

    def _ask(self, book: Book, question: Message) -> None:
        """Asks once, and again when a line that came later names further recipients or an earlier attempt."""
        fact = question.fact
        asked = {str(fact.at), str(getattr(fact, "until", 0)), *getattr(fact, "recipients", ())}
        if not asked.issubset(book.asked):
            book.asked = sorted(asked.union(book.asked))
            self.outputs.messages.append(question)

    def _tell(self, book: Book, messages: list[Message], told: Collection[Told] = ()) -> None:
        if not messages:
            return
        now = digest(msgspec.msgpack.encode([(m.name, m.fact) for m in messages]))
        if now != book.told:
            book.told = now
            self.outputs.messages += [m for m in messages if m.fact not in told]

    def _answer(self, row: Row, trail: Trail) -> Iterable[Due]:
        said, due = answers(trail, self.marks, self.policy)
        for message in said:
            fact = message.fact
            ses_id = getattr(fact, "ses_id", "")
            answer = f"{getattr(fact, 'submission', '')} {ses_id}{getattr(fact, 'carrier', '')}"
            if answer not in row.answers:
                row.answers[answer] = ses_id
                self.outputs.messages.append(message)
        return due

    # -- what goes out -----------------------------------------------------------------------------------------------

    def _announce(self, book: Book, verdict: Verdict) -> None:
        for gap_id, gap in announce.update(book, verdict):
            self._publish_gap(gap_id, gap, verdict)
        self._publish(verdict, book)

    def _publish(self, verdict: Verdict, book: Book) -> None:
        """Publishes the document, unless it says what the last one said: where it was read is no news."""
        compared = self.documents.correlated(verdict, book, evidence=False)
        now = digest(encode(compared))
        if now == book.digest:
            return
        book.digest = now
        book.revision += 1
        self._count_outcomes(book, verdict)
        document = encode(self.documents.evident(compared, verdict, book))
        self.outputs.correlated.append(Published(verdict.mail_id, book.revision, document))

    def _publish_gap(self, gap_id: str, gap: GapState, verdict: Verdict, closing: Closing | None = None) -> None:
        document = encode(self.documents.gap(gap_id, gap, verdict, closing))
        self.outputs.gaps.append(Published(gap_id, gap.revision, document))
        if self.documents.historic:
            return  # old news pages nobody (rule 21), and what is counted here pages
        if gap.resolution is None:
            self.open_gaps[gap_id] = open_gap(gap)
            self.outputs.tally.add(("gaps_opened", gap.kind, gap.cause, gap.stream), verdict.mail_id)
        else:
            self.open_gaps.pop(gap_id, None)
            self.outputs.tally.add(("gaps_resolved", gap.kind, gap.resolution, gap.stream), verdict.mail_id)

    def _count_outcomes(self, book: Book, verdict: Verdict) -> None:
        for recipient in verdict.recipients:
            if recipient.outcome in FINAL and recipient.address not in book.final:
                book.final.append(recipient.address)
                labels = (verdict.stream, provider(domain(recipient.address)))
                self.outputs.tally.add(("outcomes", recipient.outcome, *labels), verdict.mail_id)
                if recipient.outcome is Outcome.DELIVERED and recipient.at and verdict.accepted_at:
                    took = recipient.at - verdict.accepted_at
                    self.outputs.tally.time(("delivery_seconds", *labels), took, verdict.mail_id)

    def _count_submission(self, book: Book, sub: Submission) -> None:
        """Once a mail, when it is decided whether it got its ids; what never was SES's business is not counted."""
        if book.counted or not judge_submission.is_for_ses(sub):
            return
        stream = judge_submission.stream_of(sub, self.policy).name
        self._count_handoff(book, sub.mail_id, stream, judge_submission.handoff_time(sub))

    def _count_handoff(self, book: Book, mail_id: str, stream: str, took: int | None) -> None:
        book.counted = 1
        self.outputs.tally.add(("submissions", stream), mail_id)
        if took is not None:
            self.outputs.tally.time(("handoff_seconds", stream), took, mail_id)

    def _count_accepted(self, book: Book, verdict: Verdict, *, heard_of: bool) -> None:
        """Once a recipient, and not before SES has said in whose name the mail goes out, or a gap needs it."""
        known = heard_of or verdict.gaps or Source.SES not in self.marks.configured
        new = max(len(verdict.recipients), 1) - book.counted
        if known and new > 0:
            book.counted += new
            self.outputs.tally.add(("accepted", verdict.stream), verdict.mail_id, new)

    def tally(self, name: Name, trail: Trail, known: Container[Fact]) -> None:
        """Counts the attempts that failed and the delays among the facts that the row did not know yet."""
        fresh = [fact for fact in trail.facts if type(fact) in _TALLIED and fact not in known]
        if not fresh:
            return
        text = name[2:].decode()
        if name[:2] == b"S:":
            mail = judge_mail.read(text, trail)
            stream = judge_mail.stream_of(mail, self.policy).name
            for fact in fresh:
                self._count_delay(fact, stream, text)
        for life in lives(text, trail) if name[:2] == b"Q:" else ():
            sub = read(life, life.mail_id)
            stream = judge_submission.stream_of(sub, self.policy).name
            failed = [fact for fact, _ in life.facts if isinstance(fact, _FAILED) and fact in fresh]
            for fact in failed if not sub.notice else ():
                self.outputs.tally.add(("refusals", fact.cause, stream), life.mail_id)

    def _count_delay(self, fact: Fact, stream: str, mail_id: str) -> None:
        if isinstance(fact, Delayed):
            for recipient in fact.recipients:
                key = ("delays", delay_type(fact.delay_type), stream, provider(domain(recipient)))
                self.outputs.tally.add(key, mail_id)

    def _hold(self, name: Name, source: Source | None) -> None:
        if source is not None:
            self.held[name] = source
        elif self.held:
            self.held.pop(name, None)

    def publish_late(self, name: Name, facts: list[tuple[Fact, Sighting]]) -> None:
        """Rule 7: what comes after the row is gone is published by itself, and overwrites nothing."""
        for fact, sighting in facts:
            if isinstance(fact, Described):
                continue  # every event repeats it; it says nothing of its own
            mail = judge_mail.read(name[2:].decode(), Trail({fact: sighting}))
            verdict = judge_mail.judge(mail, Watermarks(configured=()), self.policy)
            key = f"{mail.ses_id}#late#{digest(msgspec.msgpack.encode(fact)).hex()}"
            document = encode(self.documents.correlated(verdict, Book(revision=1), partial=True))
            self.outputs.correlated.append(Published(key, 1, document))

    def close(self, name: Name, row: Row, at: Instant) -> None:
        """Ends the row's open gaps, since it is about to be dropped."""
        trail = Trail(dict(row.facts))
        self._hold(name, None)
        for mail_id, book in row.books.items():
            verdict = self._verdict(name, mail_id, row, trail) if book.open() else None
            if verdict is not None:
                for gap_id, gap in announce.close(book, at):
                    self._publish_gap(gap_id, gap, verdict)
                self._publish(verdict, book)

    def close_one(self, name: Name, row: Row, closing: Closing) -> bool:
        """Ends one open gap of the row, since somebody closes it. False where it is not there, or not open."""
        for mail_id, book in row.books.items():
            verdict = self._verdict(name, mail_id, row, Trail(dict(row.facts))) if closing.gap_id in book.gaps else None
            gap = announce.close_one(book, closing.gap_id, closing.at) if verdict is not None else None
            if verdict is not None and gap is not None:
                self._publish_gap(closing.gap_id, gap, verdict, closing)
                self._publish(verdict, book)
                return True
        return False

    def _verdict(self, name: Name, mail_id: str, row: Row, trail: Trail) -> Verdict | None:
        text = name[2:].decode()
        if name[:2] == b"S:":
            return judge_mail.judge(judge_mail.read(text, trail), self.marks, self.policy)
        for life in lives(text, trail):
            if _book(row, life)[0] == mail_id:
                return judge_submission.judge(read(life, mail_id), self.marks, self.policy)
        return None


def _book(row: Row, life: Life) -> tuple[str, Book]:
    """The life's mail id and book: once something was said of it, its id stays, whatever earlier line turns up."""
    for mail_id, book in row.books.items():
        if bears(mail_id, life.first, life.last):
            return mail_id, book
    return life.mail_id, Book()


def digest(data: bytes) -> bytes:
    """Tells whether something is what was said before."""
    return blake2b(data, digest_size=8).digest()
