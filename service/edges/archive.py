"""All that a scan read, kept so that one mail's story can be told whole: its lines on every host that it went through.

A mail is known under several names: the queue ids of the servers that it went through, an application's own record of
it, and each SES mail that became of it. `Archive.groups` finds those that somebody's words lead to, and with each what
belongs to it. Two mails are put together only by what a log says (SES's id, `queued as`, a mail server that carries an
application's Message-ID, a requeue), and under a queue id only with the life that is nearest in time.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.facts import (
    HOUR,
    Accepted,
    Answered,
    Elsewhere,
    Fact,
    Identified,
    Instant,
    Name,
    Sighting,
    Started,
    Told,
    ses_name,
    submission_name,
)
from service.finding import spoken_of
from service.lives import Life, lives
from service.parsing.ses_id import id_clock
from service.submission import correction
from service.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from service.rows import Book, Row

NEAR: Final = HOUR
"""How far the lives of two queue ids may be apart of which one names the other: clocks differ, and queues wait."""
MOST: Final = 200
"""Names that one story may have: SES takes 50 recipients a mail, and a list has more."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[Fact, Sighting]]).decode


class Unit(NamedTuple):
    """One mail under one name, an SES mail or one life of a submission, spoken of from `first` to `last` (UTC)."""

    name: Name
    mail_id: str
    first: Instant
    last: Instant

    def apart(self, at: Instant) -> int:
        """How far the instant is from the time in which it was spoken of."""
        return max(self.first - at, at - self.last, 0)


class Archive:
    """Packed trails, as they were judged last, and the gaps that were announced of them."""

    def __init__(self) -> None:
        self._trails: dict[Name, bytes] = {}
        self._gaps: dict[str, Book] = {}
        self._by_queue_id: dict[str, list[Name]] = defaultdict(list)
        self._pointing: dict[str, list[Unit]] = defaultdict(list)
        """By what they point at, a queue id or a submission: units that name another."""

    def keep(self, name: Name, trail: Trail, row: Row) -> None:
        """Keeps a name as it was judged; a later judgement of it replaces this one."""
        if name[:2] != b"M:":
            self._trails[name] = _encode(list(trail.facts.items()))
            self._gaps.update((mail_id, book) for mail_id, book in row.books.items() if book.gaps)

    def trail(self, name: Name) -> Trail:
        """All that is known under the name."""
        return Trail(dict(_decode(self._trails[name])))

    def book(self, mail_id: str) -> Book | None:
        """What was announced of the mail, where a gap was."""
        return self._gaps.get(mail_id)

    def groups(self, wanted: frozenset[str], limit: int) -> tuple[list[list[Unit]], int]:
        """The mails that the words lead to, the newest first and `limit` of them; and how many there are.

        Each is all of its units in order of time.
        """
        found: list[list[Unit]] = []
        visited: set[str] = set()
        count = 0
        for seed in sorted(self._read(wanted), key=lambda unit: (-unit.first, unit.mail_id)):
            if seed.mail_id not in visited:
                group = self._group(seed)
                visited.update(unit.mail_id for unit in group)
                count += 1
                found += [group] if len(found) < limit else []
        return found, count

    # -- what the words lead to ---------------------------------------------------------------------------------------

    def _read(self, wanted: frozenset[str]) -> list[Unit]:
        """Looks at everything once: what is asked for, and which names point at others."""
        return [unit for name in self._trails for unit in self._asked_for(name, wanted)]

    def _asked_for(self, name: Name, wanted: frozenset[str]) -> Iterator[Unit]:
        text = name[2:].decode()
        if name[:2] == b"S:":
            facts = self.trail(name).facts
            if text in wanted or spoken_of(facts, wanted):
                yield _ses_mail(name, facts)
            return
        queue_id = text.rpartition("/")[2]
        self._by_queue_id[queue_id].append(name)
        by_name = text in wanted or queue_id in wanted
        for unit, life in self._lives(name):
            for other in _points_at(text, life):
                self._pointing[other].append(unit)
            if by_name or unit.mail_id in wanted or spoken_of((fact for fact, _ in life.facts), wanted):
                yield unit

    def _lives(self, name: Name) -> list[tuple[Unit, Life]]:
        if name not in self._trails:
            return []
        return [(_unit(name, life), life) for life in lives(name[2:].decode(), self.trail(name))]

    def _life(self, unit: Unit) -> Life:
        return next(life for other, life in self._lives(unit.name) if other == unit)

    # -- what belongs together ----------------------------------------------------------------------------------------

    def _group(self, seed: Unit) -> list[Unit]:
        found = {seed.mail_id: seed}
        fresh = [seed]
        while fresh and len(found) < MOST:
            unit = fresh.pop()
            for other in [*self._pointed_at(unit), *self._pointing_at(unit)]:
                if other.mail_id not in found:
                    found[other.mail_id] = other
                    fresh.append(other)
        return sorted(found.values(), key=lambda unit: (unit.first, unit.mail_id))

    def _pointed_at(self, unit: Unit) -> Iterator[Unit]:
        """What the unit's own lines name."""
        if unit.name[:2] == b"S:":
            yield from self._submissions_of(unit)
            return
        life = self._life(unit)
        for fact, _ in life.facts:
            at = fact.at + (correction(life) if getattr(fact, "floating", False) else 0)
            match fact:
                case Answered() if fact.carrier:
                    yield from self._nearest([submission_name(fact.carrier)], at)
                case Accepted() | Answered() if ses_name(fact.ses_id) in self._trails:
                    name = ses_name(fact.ses_id)
                    yield _ses_mail(name, self.trail(name).facts)
                case Elsewhere() if fact.queued_as:
                    yield from self._next_hop(unit, life, fact.queued_as, at)
                case Started() if fact.before:
                    yield from self._nearest([submission_name(_beside(life.submission, fact.before))], at)

    def _submissions_of(self, ses_mail: Unit) -> Iterator[Unit]:
        for fact in self.trail(ses_mail.name).facts:
            if isinstance(fact, Accepted | Told) and fact.submission:
                for unit, life in self._lives(submission_name(fact.submission)):
                    if any(getattr(each, "ses_id", "") == ses_mail.mail_id for each, _ in life.facts):
                        yield unit

    def _pointing_at(self, unit: Unit) -> Iterator[Unit]:
        """Units that name this one, where of all that bear the name this is the one that they mean."""
        if unit.name[:2] == b"Q:":
            submission = unit.name[2:].decode()
            for other in (*self._pointing[submission], *self._pointing[submission.rpartition("/")[2]]):
                if unit in self._pointed_at(other):
                    yield other

    def _next_hop(self, unit: Unit, life: Life, queue_id: str, at: Instant) -> list[Unit]:
        """The server that went on with the mail: what bears another Message-ID is another mail."""
        names = [name for name in self._by_queue_id[queue_id] if name != unit.name]
        ours = _message_id(life)
        return [each for each in self._nearest(names, at) if {ours, _message_id(self._life(each)), ""} == {ours, ""}]

    def _nearest(self, names: Iterable[Name], at: Instant) -> list[Unit]:
        """The one life of these names that is nearest to the instant, if one is near at all."""
        every = [unit for name in names for unit, _ in self._lives(name) if unit.apart(at) <= NEAR]
        return [min(every, key=lambda unit: (unit.apart(at), abs(unit.first - at), unit.mail_id))] if every else []


def _points_at(submission: str, life: Life) -> Iterator[str]:
    for fact, _ in life.facts:
        match fact:
            case Elsewhere() if fact.queued_as:
                yield fact.queued_as
            case Answered() if fact.carrier:
                yield fact.carrier
            case Started() if fact.before:
                yield _beside(submission, fact.before)


def _beside(submission: str, queue_id: str) -> str:
    """Another queue id of the same server."""
    return f"{submission.rpartition('/')[0]}/{queue_id}"


def _unit(name: Name, life: Life) -> Unit:
    offset = correction(life) if getattr(life.facts[0][0], "floating", False) else 0
    return Unit(name, life.mail_id, life.first + offset, life.last + offset)


def _ses_mail(name: Name, facts: Iterable[Fact]) -> Unit:
    text, every = name[2:].decode(), [fact.at for fact in facts]
    first = id_clock(text) or min(every)
    return Unit(name, text, first, max(first, *every))


def _message_id(life: Life) -> str:
    return next((fact.message_id for fact, _ in life.facts if isinstance(fact, Identified)), "")
