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
from service.facts import Asked, Fact, Instant, Name, Sighting, Source
from service.lives import lives
from service.rows import Book, Row
from service.ruling import Outputs, Ruling
from service.submission import read
from service.trail import collect
from service.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from service.contract.correlated import Correlated
    from service.edges.archive import Archive, Unit
    from service.edges.gather import Gathered
    from service.policy import Policy
    from service.verdicts import Message, Verdict
    from service.watermarks import FeedNews


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

    def add(self, other: Summary) -> None:
        """What another has found."""
        self.mails += other.mails
        self.outcomes.update(other.outcomes)
        self.open_gaps.update(other.open_gaps)
        self.resolved_gaps += other.resolved_gaps
        self.held += other.held
        self.failures += other.failures

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


class Judge:
    """Rules on names one by one, and keeps the rows of those that wait for an answer."""

    def __init__(self, policy: Policy, marks: Watermarks, archive: Archive | None = None) -> None:
        """An `archive` keeps what was judged, for stories."""
        self.rows: dict[Name, Row] = {}
        """Of names that asked, or were asked: an answer may come, or another question."""
        self.failures: list[str] = []
        self._ruling, self._archive = _Final(policy, marks), archive

    def rule(self, name: Name, facts: list[tuple[Fact, Sighting]]) -> list[Message]:
        """Judges a name by what has come of it, and what was known if its row was kept; gives what it tells others."""
        row = self.rows.get(name)
        if row is None:
            row = Row(0)
        else:
            facts = [*row.facts, *facts]
        trail = collect(facts)
        said = self._ruling.outputs = Outputs()
        try:
            self._ruling.rule(name, row, trail)
        except Exception as bug:  # noqa: BLE001 rule 23: one mail that the core fails on does not cost the others
            self.failures.append(f"{name!r}: {bug!r}")
            return []
        if self._archive is not None:
            self._archive.keep(name, trail, row)
        if name[:2] == b"M:" or any(type(message.fact) is Asked for message in said.messages):
            self.rows[name] = row
        if name in self.rows:
            row.facts = list(trail.facts.items())
        return said.messages

    def take(self) -> list[Judged]:
        """The verdicts since the last call, one a mail: the latest, where it has several."""
        judged, self._ruling.judged = self._ruling.judged, {}
        return list(judged.values())


def marks_of(
    sources: tuple[Source, ...], latest: Mapping[Source, Instant], as_of: Instant | None, news: Iterable[FeedNews]
) -> Watermarks:
    """With `as_of`, all sources have spoken until then; without, each until its own last fact, and may stall."""
    fixed = {source: latest.get(source, 0) if as_of is None else as_of for source in Source}
    marks = Watermarks(configured=sources, fixed=fixed, stalls=as_of is None)
    marks.hear(news)
    return marks


class Scan:
    """Judges what was gathered in this process."""

    def __init__(
        self,
        gathered: Gathered,
        policy: Policy,
        sources: tuple[Source, ...],
        as_of: Instant | None,
        archive: Archive | None = None,
    ) -> None:
        """`as_of` as in `marks_of`; an `archive` keeps what was judged, for stories."""
        self.summary = Summary()
        self._gathered, self._policy = gathered, policy
        self._documents = Documents()
        self._marks = marks_of(sources, gathered.tally.latest, as_of, gathered.listener.take())
        self._judge = Judge(policy, self._marks, archive)
        self._asked: set[Name] = set()

    def judged(self) -> Iterator[Judged]:
        """Every mail's final verdict, in the order in which their names were first read.

        Submissions come first, since what they tell decides the others; SES mails one by one, as they are judged.
        """
        for judged in self._submissions():
            self.summary.count(judged)
            yield judged
        for name in self._gathered.names(b"S:"):
            self._rule(name)
            for judged in self._judge.take():
                self.summary.count(judged)
                yield judged
        self.summary.failures = self._judge.failures

    def _submissions(self) -> list[Judged]:
        found: dict[str, tuple[int, Judged]] = {}
        places: dict[Name, int] = {}
        names = self._gathered.names(b"Q:")
        while names:
            for number, name in enumerate(names):
                self._rule(name)
                if name in self._judge.rows:
                    places.setdefault(name, number)
                for judged in self._judge.take():
                    found[judged.verdict.mail_id] = (places.get(name, number), judged)
            for name in [name for name in self._gathered.names(b"M:") if name in self._asked]:
                self._rule(name)
            names = self._gathered.names(b"Q:")
        return [judged for _, (_, judged) in sorted(found.items(), key=lambda item: (item[1][0], item[0]))]

    def _rule(self, name: Name) -> None:
        for message in self._judge.rule(name, self._gathered.take(name)):
            self._gathered.add(message.name, message.fact, message.sighting)
            if type(message.fact) is Asked:
                self._asked.add(message.name)

    def document(self, judged: Judged) -> Correlated:
        """The record that stands for the verdict."""
        return self._documents.correlated(judged.verdict, judged.book)

    def retold(self, archive: Archive, unit: Unit) -> Correlated:
        """The record of one name of a mail, also where it is well and has none of its own on the topic."""
        trail, text = archive.trail(unit.name), unit.name[2:].decode()
        if unit.name[:2] == b"S:":
            verdict = judge_mail.judge(judge_mail.read(text, trail), self._marks, self._policy)
        else:
            life = next(life for life in lives(text, trail) if life.mail_id == unit.mail_id)
            verdict = judge_submission.judge(read(life, unit.mail_id), self._marks, self._policy)
        return self._documents.correlated(verdict, archive.book(unit.mail_id) or Book(revision=1))
