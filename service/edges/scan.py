"""`mailgap scan`: files in, verdicts out, by the very judgement that the worker runs.

Order matters only for the work, not for the result: submissions first, since they tell their SES mails what they know;
then the Message-IDs that were asked; then every SES mail, once, when all that concerns it is there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from service import judge_mail, judge_submission
from service.documents import Documents
from service.facts import Asked, Instant, Name, Source
from service.lives import lives
from service.rows import Book, Row
from service.ruling import Outputs, Ruling
from service.submission import read
from service.trail import collect
from service.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.contract.correlated import Correlated
    from service.edges.archive import Archive, Unit
    from service.edges.gather import Gathered
    from service.policy import Policy
    from service.verdicts import Verdict


class Judged(NamedTuple):
    """A mail's verdict, and the gaps that were announced of it."""

    verdict: Verdict
    book: Book


class _Final(Ruling):
    """Keeps verdicts where the worker publishes documents: of a scan's mails only the last revision is shown."""

    def __init__(self, policy: Policy, marks: Watermarks) -> None:
        super().__init__(policy, Documents(), marks)
        self.judged: dict[str, Judged] = {}

    def _publish(self, verdict: Verdict, book: Book) -> None:
        book.revision = 1
        self.judged[verdict.mail_id] = Judged(verdict, book)


@dataclass(slots=True)
class Summary:
    """What a scan found."""

    mails: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    open_gaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    resolved_gaps: int = 0
    held: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, judged: Judged) -> None:
        """Adds one mail; a submission whose SES mail counts in its place is none."""
        verdict, book = judged
        if verdict.superseded_by is None:
            self.mails += 1
            self.held += verdict.held
            self.outcomes.update(recipient.outcome.value for recipient in verdict.recipients)
        for gap in book.gaps.values():
            if gap.resolution is None:
                self.open_gaps[gap.kind, gap.cause] += 1
            else:
                self.resolved_gaps += 1


class Scan:
    """Judges what was gathered."""

    def __init__(
        self,
        gathered: Gathered,
        policy: Policy,
        sources: tuple[Source, ...],
        as_of: Instant | None,
        archive: Archive | None = None,
    ) -> None:
        """With `as_of`, both sources have spoken until then; without, each until its own last fact, and may stall.

        An `archive` keeps what was judged, for stories.
        """
        self.summary = Summary()
        self.archive = archive
        self._gathered, self._as_of = gathered, as_of
        self._documents = Documents()
        latest = gathered.tally.latest
        fixed = {source: latest.get(source, 0) if as_of is None else as_of for source in Source}
        marks = Watermarks(configured=sources, fixed=fixed, stalls=as_of is None)
        marks.hear(gathered.listener.take())
        self._ruling = _Final(policy, marks)
        self._rows: dict[Name, Row] = {}
        self._asked: set[Name] = set()

    def judged(self) -> Iterator[Judged]:
        """Every mail's final verdict; the SES mails one by one, as they are judged."""
        names = self._gathered.names(b"Q:")
        while names:
            for name in names:
                self._rule(name)
            for name in [name for name in self._gathered.names(b"M:") if name in self._asked]:
                self._rule(name)
            names = self._gathered.names(b"Q:")
        yield from self._take()
        for name in self._gathered.names(b"S:"):
            self._rule(name)
            yield from self._take()

    def document(self, judged: Judged) -> Correlated:
        """The record that stands for the verdict."""
        return self._documents.correlated(judged.verdict, judged.book)

    def retold(self, archive: Archive, unit: Unit) -> Correlated:
        """The record of one name of a mail, also where it is well and has none of its own on the topic."""
        trail, text = archive.trail(unit.name), unit.name[2:].decode()
        marks, policy = self._ruling.marks, self._ruling.policy
        if unit.name[:2] == b"S:":
            verdict = judge_mail.judge(judge_mail.read(text, trail), marks, policy)
        else:
            life = next(life for life in lives(text, trail) if life.mail_id == unit.mail_id)
            verdict = judge_submission.judge(read(life, unit.mail_id), marks, policy)
        return self._documents.correlated(verdict, archive.book(unit.mail_id) or Book(revision=1))

    def _take(self) -> Iterator[Judged]:
        judged, self._ruling.judged = self._ruling.judged, {}
        for each in judged.values():
            self.summary.count(each)
            yield each

    def _rule(self, name: Name) -> None:
        """Judges a name by what is known of it, and passes on what it tells others."""
        facts = self._gathered.take(name)
        row = self._rows.get(name)
        if row is None:
            row = Row(0)
        else:
            facts = [*row.facts, *facts]
        trail = collect(facts)
        said = self._ruling.outputs = Outputs()
        try:
            self._ruling.rule(name, row, trail)
        except Exception as bug:  # noqa: BLE001 rule 23: one mail that the core fails on does not cost the others
            self.summary.failures.append(f"{name!r}: {bug!r}")
            return
        if self.archive is not None:
            self.archive.keep(name, trail, row)
        for message in said.messages:
            self._gathered.add(message.name, message.fact, message.sighting)
            if type(message.fact) is Asked:
                self._asked.add(message.name)
                self._rows[name] = row  # an answer may come
        if name in self._asked:
            self._rows[name] = row  # so may another question
        if name in self._rows:
            row.facts = list(trail.facts.items())
