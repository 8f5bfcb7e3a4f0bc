"""What mailgap said, and whether it is what really happened.

`Findings` collects records as a reader of the topics does: the latest revision of each mail and each gap. `compare`
holds them against the sample application's own knowledge; nothing is counted in mailgap's favour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.contract.correlated import Correlated
from service.contract.enums import FINAL, GapState
from service.contract.gap import SCHEMA, GapRecord
from service.contract.wire import instant_of

if TYPE_CHECKING:
    from service.demo.sample import Story
    from service.demo.truth import ExpectedGap
    from service.facts import Instant

_mail = msgspec.json.Decoder(Correlated).decode


class _Any(msgspec.Struct):
    schema: str


_any = msgspec.json.Decoder(_Any).decode
_gap = msgspec.json.Decoder(GapRecord).decode

AsShown = Callable[[str], str]
"""How an address stands in the records: as it is, or as its pseudonym."""


@dataclass(slots=True)
class Findings:
    """All that was read so far."""

    mails: dict[str, Correlated] = field(default_factory=dict)
    gaps: dict[str, GapRecord] = field(default_factory=dict)
    found_after: dict[str, float] = field(default_factory=dict)
    """By gap: seconds from its deadline until it was on the topic; empty for a scan."""
    news: list[GapRecord] = field(default_factory=list)
    """Every gap record as it came."""
    dead: Counter[str] = field(default_factory=Counter)

    def take_mail(self, value: bytes) -> None:
        """A correlated record."""
        mail = _mail(value)
        known = self.mails.get(mail.mail_id)
        if known is None or mail.revision > known.revision:
            self.mails[mail.mail_id] = mail

    def take_gap(self, value: bytes, published: Instant) -> None:
        """A record of the gaps topic and when it was published. (Conditions stand there too; the demo has none.)"""
        if _any(value).schema != SCHEMA:
            return
        self.add_gap(_gap(value))
        gap = self.news[-1]
        if gap.state is GapState.OPENED:
            self.found_after.setdefault(gap.gap_id, (published - instant_of(gap.opened_at)) / 1000)

    def add_gap(self, gap: GapRecord) -> None:
        """A gap record."""
        self.news.append(gap)
        known = self.gaps.get(gap.gap_id)
        if known is None or gap.revision > known.revision:
            self.gaps[gap.gap_id] = gap

    @property
    def current(self) -> list[Correlated]:
        """Each mail once: records that another one has taken the place of are left out."""
        return [mail for mail in self.mails.values() if mail.superseded_by is None]

    @property
    def settled(self) -> int:
        """Mails of which everything is known by now: every recipient's end, or that something is missing."""
        return sum(bool(mail.gaps) or (bool(mail.recipients) and _ended(mail)) for mail in self.current)

    def outcomes(self) -> Counter[str]:
        """Recipients by outcome; a mail of which nobody knows the recipients counts as one."""
        known = Counter(person.outcome.value for mail in self.current for person in mail.recipients)
        unknown = sum(not mail.recipients for mail in self.current)
        return known + Counter({UNKNOWN: unknown})


UNKNOWN: Final = "unknown"


class Comparison(NamedTuple):
    """How the findings stand to the truth."""

    due: int
    found: int
    false: int
    mails: int
    right: int
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """All found, nothing else found, and every mail's outcome right."""
        return not self.differences


def _ended(mail: Correlated) -> bool:
    return all(person.outcome in FINAL for person in mail.recipients)


def compare(story: Story, findings: Findings, shown: AsShown) -> Comparison:
    """The findings against the truth."""
    due = Counter(_expected(gap, shown) for gap in story.gaps)
    got = Counter(_found(gap) for gap in findings.gaps.values())
    wanted = {mail.name: _people(mail.outcomes, shown) for mail in story.mails}
    said = {_name(mail.mail_id): _outcomes(mail) for mail in findings.current}
    wrong = sorted(name for name in wanted.keys() | said.keys() if wanted.get(name) != said.get(name))
    missing, false = due - got, got - due
    unreadable = Counter({reason.value: count for reason, count in story.dead.items()}) == findings.dead
    differences = (
        *(f"missing: {' '.join(gap)}" for gap in missing.elements()),
        *(f"false: {' '.join(gap)}" for gap in false.elements()),
        *(f"wrong outcome: {name}: {said.get(name)} and not {wanted.get(name)}" for name in wrong),
        *(() if unreadable else (f"dead letters: {dict(findings.dead)}",)),
    )
    right = sum(wanted[name] == said.get(name) for name in wanted)
    return Comparison(due.total(), (due & got).total(), false.total(), len(wanted), right, differences)


def _expected(gap: ExpectedGap, shown: AsShown) -> tuple[str, ...]:
    to = shown(gap.recipient) if gap.recipient else ""
    return gap.mail, gap.kind, gap.cause, to, gap.resolution or "open"


def _found(gap: GapRecord) -> tuple[str, ...]:
    return _name(gap.mail_id), gap.kind, gap.cause, gap.recipient or "", gap.resolution or "open"


def _name(mail_id: str) -> str:
    """The SES id or the submission, without the second that tells lives of one queue id apart."""
    return mail_id.partition("@")[0]


def _people(outcomes: tuple[tuple[str, str], ...], shown: AsShown) -> dict[str, str]:
    return {shown(address): str(outcome) for address, outcome in outcomes}


def _outcomes(mail: Correlated) -> dict[str, str]:
    return {person.address: person.outcome.value for person in mail.recipients}
