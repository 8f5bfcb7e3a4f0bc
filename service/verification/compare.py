"""The comparison: missed, false, repeated, wrong, late. Nothing is counted in mailgap's favour."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from service.contract.enums import GapState, Resolution
from service.contract.wire import instant_of
from service.simulation.truth import Footer, Header, Mail, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from service.facts import Instant
    from service.verification.said import Announced, Said, SaidMail

    AsShown = Callable[[str], str]
    """How an address stands in the records: as it is, or as its pseudonym."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[Record, ...]).decode


class Scoreboard(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. All but the first four and the delay must be 0."""

    mails: int
    """Of the truth, as far as they are settled."""
    gaps_due: int
    found: int
    not_yet_due: int
    """Mails that are left out, since something about them may still come."""
    missed: int
    false: int
    repeated: int
    wrong: int
    """Mails whose last record, or a gap of which, is missing, is not to be there, or says other than the truth."""
    longest_delay_s: float | None
    """From a gap's due time to its announcement; null where nothing was announced on a topic."""
    input_lag_s: float
    """The longest that Kafka took to have an input record. Over the grace nothing is promised."""
    details: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Nothing is amiss."""
        return not (self.missed or self.false or self.repeated or self.wrong)


class Due(NamedTuple):
    """A gap that has to be found."""

    name: str
    kind: str
    recipient: str | None
    cause: str
    resolution: str | None
    at: Instant


@dataclass(slots=True)
class Truth:
    """A truth file, kept small. `shown` says how addresses look on the topics."""

    shown: AsShown
    tag: str = ""
    mails: int = 0
    end: Instant = 0
    lag: int = 0
    gaps: list[Due] = field(default_factory=list)
    _records: dict[str, bytes] = field(default_factory=dict)
    _open: dict[str, Instant] = field(default_factory=dict)
    """Names of which something may come late in the run, and until when."""

    def take(self, lines: Iterable[Header | Mail | Footer]) -> None:
        """All lines of the file."""
        for line in lines:
            match line:
                case Header():
                    self.tag = line.tag
                case Mail():
                    self._take(line)
                case Footer():
                    self.end, self.lag = instant_of(line.end), line.worst_lag_ms

    def _take(self, mail: Mail) -> None:
        self.mails += 1
        for record in mail.records:
            known = self._records.get(record.name)
            records = (*(_unpack(known) if known else ()), record)
            self._records[record.name] = _pack(records)
            self._open[record.name] = instant_of(mail.settled_at)
            for gap in record.gaps:
                to = self.shown(gap.recipient) if gap.recipient else None
                due = instant_of(gap.due)
                self.gaps.append(Due(record.name, gap.kind, to, gap.cause, gap.resolution, due))

    def names(self) -> Iterator[str]:
        """All names of which something must be published."""
        return iter(self._records)

    def settled(self, name: str, now: Instant) -> bool:
        """Whether nothing more can come of it; true of what nobody knows."""
        return self._open.get(name, 0) <= now

    def must(self, name: str) -> list[Any]:
        """What the records under this name have to say, in a form to compare."""
        packed = self._records.get(name)
        return sorted((self._form(record) for record in _unpack(packed)), key=str) if packed else []

    def _form(self, record: Record) -> Any:
        gaps = sorted(
            (
                (gap.kind, gap.cause, self.shown(gap.recipient) if gap.recipient else None, gap.resolution)
                for gap in record.gaps
            ),
            key=str,
        )
        outcomes = sorted((self.shown(to), outcome) for to, outcome in record.outcomes.items())
        return outcomes, gaps, record.superseded_by, False, False


def compare(truth: Truth, said: Said, now: Instant, most: int = 20) -> Scoreboard:
    """Holds one against the other, as far as the truth is settled at `now`; `most`: so many details are listed."""
    details: list[str] = []
    board = _Gaps(truth, said, now)
    details += board.details
    mails = dict(_wrong_mails(truth, said, now))
    details += [f"wrong: {name}: {text}" for name, text in mails.items()]
    # In the gap topic only; what is wrong in both places is wrong once.
    other = {name: text for name, text in board.wrong.items() if name not in mails}
    details += [f"wrong: {name}: {text}" for name, text in other.items()]
    repeated = [*said.repeated, *(text for gap in said.gaps.values() for text in _repeats(gap))]
    details += [f"repeated: {text}" for text in repeated]
    return Scoreboard(
        mails=truth.mails,
        gaps_due=board.due,
        found=board.found,
        not_yet_due=sum(not truth.settled(name, now) for name in truth.names()),
        missed=board.missed,
        false=board.false,
        repeated=len(repeated),
        wrong=len(mails) + len(other),
        longest_delay_s=board.delay,
        input_lag_s=truth.lag / 1000,
        details=tuple(details[:most]),
    )


class _Gaps:
    """Every gap that was due against every gap that was announced."""

    def __init__(self, truth: Truth, said: Said, now: Instant) -> None:
        waiting: dict[tuple[str, str, str | None], list[Due]] = defaultdict(list)
        for due in truth.gaps:
            waiting[due.name, due.kind, due.recipient].append(due)
        self.due = sum(due.at <= now for due in truth.gaps)
        self.found, self.false = 0, 0
        self.delay: float | None = None
        self.details: list[str] = []
        self.wrong: dict[str, str] = {}
        """By name: a gap that says another cause or another end than the truth."""
        mine = [gap for gap in said.gaps.values() if _is_ours(truth, gap.mail, ())]
        for gap in sorted(mine, key=lambda gap: gap.at or 0):
            found = _taken(waiting[gap.mail, gap.gap.kind, gap.gap.recipient], gap)
            if found is None:
                self.false += 1
                self.details.append(f"false: {gap.mail} {' '.join(str(part) for part in gap.gap)}")
                continue
            self.found += 1
            # Of a gap that somebody closed, what became of the mail is not announced any more.
            by_hand = gap.gap.resolution is Resolution.CLOSED_BY_OPERATOR
            ended = found.resolution if by_hand else gap.gap.resolution
            says, must = (gap.gap.cause, ended), (found.cause, found.resolution)
            if says != must and truth.settled(found.name, now):
                self.wrong[found.name] = f"the gap says {_joined(says)}, must say {_joined(must)}"
            if gap.at is not None:
                self.delay = max((gap.at - found.at) / 1000, self.delay or 0.0)
        missed = [due for left in waiting.values() for due in left if due.at <= now and truth.settled(due.name, now)]
        self.missed = len(missed)
        self.details += [f"missed: {' '.join(str(part) for part in due[:5])}" for due in missed]


def _joined(words: Iterable[str | None]) -> str:
    return " ".join(word for word in words if word)


def _taken(waiting: list[Due], gap: Announced) -> Due | None:
    """The gap that was due, taken off the list. Another cause does not make it another gap."""
    if not waiting:
        return None
    alike = [due for due in waiting if due.cause == gap.gap.cause]
    # There may be two for one recipient: no word by the first deadline, and no last word. They differ in their cause.
    due = (alike or waiting)[0]
    waiting.remove(due)
    return due


def _repeats(gap: Announced) -> Iterator[str]:
    opened = Counter(gap.states)[GapState.OPENED]
    ended = len(gap.states) - opened
    if opened > 1 or ended > 1:
        yield f"{gap.mail} {' '.join(str(part) for part in gap.gap)}: {', '.join(gap.states)}"


def _wrong_mails(truth: Truth, said: Said, now: Instant) -> Iterator[tuple[str, str]]:
    found: dict[str, list[SaidMail]] = defaultdict(list)
    for mail in said.mails():
        if _is_ours(truth, mail.name, mail.place):
            found[mail.name].append(mail)
    for name in sorted({*found, *truth.names()}):
        if truth.settled(name, now):
            says, must = sorted((_form(mail) for mail in found.get(name, ())), key=str), truth.must(name)
            if says != must:
                yield name, f"is {_readable(says)}, must be {_readable(must)}"


def _is_ours(truth: Truth, name: str, place: tuple[str, ...]) -> bool:
    """Whether a record is of this run: a topic may hold others'."""
    return truth.must(name) != [] or any(truth.tag in part for part in (name, *place))


def _form(mail: SaidMail) -> Any:
    gaps = sorted(mail.gaps, key=str)
    return sorted(mail.outcomes.items()), gaps, mail.superseded_by, mail.held, mail.partial


def _readable(records: list[Any]) -> str:
    return "; ".join(_words(*record) for record in records) or "not there"


def _words(outcomes: list[tuple[str, str]], gaps: list[tuple[Any, ...]], superseded_by: str | None, *more: bool) -> str:
    words = [f"{to} {outcome}" for to, outcome in outcomes]
    words += ["gap " + " ".join(str(part) for part in gap if part) for gap in gaps]
    words += [f"superseded by {superseded_by}"] if superseded_by else []
    words += [word for word, so in zip(("held", "partial"), more, strict=True) if so]
    return ", ".join(words) or "nothing known"
