"""What ingest makes of a batch of input records: facts by partition, dead letters, and news of the feeds. Pure.

A line that came in several records is put together first; while it is open, the batch is held from its beginning on. A
batch's facts of one name are joined before they are sent, and all that goes to one partition travels as one record:
that is what makes it fast. A repeat of a batch makes the same facts, so at-least-once delivery is harmless.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from service import facts_record
from service.assembler import Assembler, Held, Input, Joined
from service.carriers import carriers
from service.contract.bridged import oldest_age
from service.facts import (
    HOUR,
    Accepted,
    Delayed,
    Delivered,
    Engaged,
    Fact,
    Instant,
    Name,
    Parsed,
    Reason,
    Sent,
    Sighting,
    Source,
    Unparsable,
    ses_name,
)
from service.facts_record import FactsRecord
from service.feeds import Listener
from service.parsing.extractor import Extractor
from service.parsing.ses import parse_ses
from service.parsing.ses_id import id_clock
from service.parsing.smtp import SmtpContext, parse_not_later
from service.submission import zone
from service.usual_submission import usual_submission
from service.watermarks import host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import tzinfo

    from service.policy import Policy
    from service.privacy import Pseudonyms

LARGEST: Final = 500_000
"""Bytes of a facts record beyond which it is cut in two: well under what a broker takes by default."""

AHEAD: Final = HOUR
"""How far the clock of whoever wrote a record may be ahead of ours; what is beyond is no clock."""

BEHIND: Final = HOUR
"""How far a producer's clock may be behind: a record that is older is history, and is dated by its own timestamp."""


class Dead(NamedTuple):
    """A record for the dead letters, and why."""

    record: Input
    why: Unparsable


def smtp_context(policy: Policy, zone: tzinfo | None) -> SmtpContext:
    """What the operator has said of the logs: their relays, their own formats, and the zone of bare stamps."""
    return SmtpContext(policy.relays, zone, tuple(map(Extractor, policy.extractors)))


@dataclass(slots=True)
class Harvest:
    """What a batch yielded."""

    fragments: dict[Name, dict[Fact, Sighting]] = field(default_factory=dict)
    """By name: facts with their earliest sightings."""
    dead: list[Dead] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    since: Instant = 0
    """The batch's partition is known to have held none of its records then."""
    last_record_at: Instant = 0
    delay: int = 0
    """The longest that an event of the batch was on its way: its record's time less its own (rule 14)."""
    skews: dict[str, int] = field(default_factory=dict)
    """By host: its clock less SES's, in milliseconds, by the latest mail of which both spoke."""
    accepted: list[Name] = field(default_factory=list)
    """Submissions of which the batch holds an acceptance."""
    hold_from: int | None = None
    """The offset at which the oldest line that is still open begins: the input may be committed up to it."""

    def records(self, partition_of: Callable[[Name], int]) -> Iterable[tuple[int, bytes]]:
        """The facts records, as (partition, value); `partition_of` places a name."""
        placed: dict[int, list[tuple[Name, list[tuple[Fact, Sighting]]]]] = {}
        for name, facts in self.fragments.items():
            placed.setdefault(partition_of(name), []).append((name, list(facts.items())))
        for partition, fragments in sorted(placed.items()):
            for value in packed(fragments):
                yield partition, value


def packed(fragments: list[tuple[Name, list[tuple[Fact, Sighting]]]]) -> Iterable[bytes]:
    """Facts records that hold the fragments, each of a size that a broker takes."""
    value = facts_record.pack(FactsRecord(fragments))
    if len(value) <= LARGEST:
        yield value
        return
    if len(fragments) > 1:
        middle = len(fragments) // 2
        halves = fragments[:middle], fragments[middle:]
    else:
        ((name, facts),) = fragments
        middle = len(facts) // 2
        if not middle:  # one fact is bounded by what a parser takes
            yield value
            return
        halves = [(name, facts[:middle])], [(name, facts[middle:])]
    for half in halves:
        yield from packed(half)


class Intake:
    """Reads batches of one source."""

    def __init__(
        self,
        source: Source,
        context: SmtpContext,
        pseudonyms: Pseudonyms | None,
        *,
        link: bool = True,
    ) -> None:
        """Without `pseudonyms` addresses stay as they are.

        `link`: what stands under a Message-ID is wanted (rule 10).
        """
        self._source, self._context = source, context
        self._pseudonyms, self._link = pseudonyms, link
        self.listener = Listener()
        self._assembler = Assembler()

    def take(self, records: Iterable[Input], now: Instant, since: Instant = 0) -> Harvest:
        """One batch of one partition. A record from the future is counted as now (rule 19).

        `since`: the partition is known to have held none of these records then, whatever their producers' clocks say.
        """
        records, harvest = list(records), Harvest(since=since)
        for record in self._assembled(records, now, harvest) if self._source is Source.SMTP else records:
            self._read(record, now, harvest)
        _tell(harvest)
        if records:
            harvest.last_record_at = max(min(record.timestamp, now) for record in records)
            held = self.held(records[-1].topic, records[-1].partition)
            harvest.hold_from = None if held is None else held.offset
        return harvest

    def waited(self, topic: str, partition: int, now: Instant) -> Harvest:
        """What was held of a partition of which nothing more has come until `now`, and was held for long enough."""
        self._assembler, ready = self._assembler.waited(topic, partition, now)
        harvest = Harvest()
        for record in ready:
            self._read(record, now, harvest)
        return harvest

    def held(self, topic: str, partition: int) -> Held | None:
        """Where the oldest line begins that is still open: nothing from there on may be acknowledged or vouched for."""
        return self._assembler.held(topic, partition)

    def forget(self, topic: str, partition: int) -> None:
        """The partition is another's now, or is read again from what was acknowledged."""
        self._assembler = self._assembler.without(topic, partition)

    def _assembled(self, records: list[Input], now: Instant, harvest: Harvest) -> list[Input]:
        """The records to parse. One at which the assembler fails must not stop the rest; they are taken singly then."""
        try:
            self._assembler, ready = self._assembler.take(records, now)
        except Exception as bug:  # noqa: BLE001 as with a parser, there is none
            if len(records) > 1:
                return [each for record in records for each in self._assembled([record], now, harvest)]
            harvest.dead.append(Dead(records[0], Unparsable(Reason.INTERNAL_ERROR, type(bug).__name__)))
            harvest.results["dead_letter"] += 1
            return []
        return ready

    def _read(self, record: Input, now: Instant, harvest: Harvest) -> None:
        stamp = record.timestamp if record.timestamp > 0 else now  # Kafka has -1 for a record without one
        seen = min(stamp, now)
        if seen < harvest.since <= seen + BEHIND:
            seen = harvest.since
        # A clock that is a little ahead is believed for what the record says: a repeat must make the same facts.
        dated = stamp if stamp < now + AHEAD else now
        parsed, trouble = self._parse(record.value or b"", dated)
        if trouble is not None:
            parts = record.parts if isinstance(record, Joined) else (record,)
            harvest.dead += [Dead(part, trouble) for part in parts]
            harvest.results["dead_letter"] += len(parts)
        if not parsed.facts:
            harvest.results["ignored"] += trouble is None
            return
        harvest.results["facts"] += 1
        if self._link and self._source is Source.SMTP:
            parsed.facts.extend(carriers(parsed.facts, seen))
        facts = self._hidden(parsed.facts)
        sighting = Sighting(seen, f"{record.topic}/{record.partition}/{record.offset}")
        # A bridge says how far behind its queue is: what still waits there is older than what has come.
        headers = getattr(record, "headers", ())
        harvest.delay = max(harvest.delay, _delay(facts, seen), oldest_age(headers) if headers else 0)
        self.listener.hear(facts, sighting)
        for name, fact in facts:
            _keep(harvest, name, fact, sighting)
            if type(fact) is Accepted and name[:2] == b"Q:":
                harvest.accepted.append(name)
                _compare_clocks(harvest, name, fact)

    def _parse(self, value: bytes, seen: Instant) -> tuple[Parsed, Unparsable | None]:
        try:
            if self._source is Source.SMTP:
                return parse_not_later(value, seen, seen, self._context)
            return parse_ses(value, seen, link=self._link)
        except Exception as bug:  # noqa: BLE001 a parser never raises; if one does, its record must not stop the rest
            return Parsed([]), Unparsable(Reason.INTERNAL_ERROR, type(bug).__name__)

    def _hidden(self, facts: list[tuple[Name, Fact]]) -> list[tuple[Name, Fact]]:
        hide = self._pseudonyms
        if hide is None:
            return facts
        hidden: list[tuple[Name, Fact]] = []
        last: Fact | None = None
        for name, fact in facts:
            if fact is not last:  # an acceptance stands under two names
                last, masked = fact, hide.fact(fact)
            hidden.append((hide.name(name) if name[:2] == b"M:" else name, masked))
        return hidden


def _keep(harvest: Harvest, name: Name, fact: Fact, sighting: Sighting) -> None:
    known = harvest.fragments.setdefault(name, {})
    before = known.get(fact)
    if before is None or sighting < before:
        known[fact] = sighting


def _tell(harvest: Harvest) -> None:
    """Tells SES's mails of their submissions, where the batch holds all lines of one: else its row would, and SES's
    mail, which has just been judged, would be judged again. The submission learns that it is told.
    """
    for name in harvest.accepted:
        usual = usual_submission(name[2:].decode(), harvest.fragments[name])
        if usual is not None:
            _keep(harvest, ses_name(usual.ses_id), usual.told, usual.sighting)
            _keep(harvest, name, usual.told, usual.sighting)


def _compare_clocks(harvest: Harvest, name: Name, fact: Accepted) -> None:
    """The line was written when SES's answer came, so it should bear the time in the id. A stamp without a zone says
    less: whole quarters of an hour are its zone, and no skew.
    """
    clock = id_clock(fact.ses_id)
    if clock is not None:
        ahead = fact.at - clock
        harvest.skews[host_of(name[2:].decode())] = ahead - zone(ahead) if fact.floating else ahead


def _delay(facts: list[tuple[Name, Fact]], seen: Instant) -> int:
    """How long the record's news was on its way, by clocks that can be trusted: SES's own, never a provider's."""
    latest = 0
    for _, fact in facts:
        if type(fact) is Accepted:
            latest = max(latest, id_clock(fact.ses_id) or 0)
        elif type(fact) in _DATED_BY_SES:
            latest = max(latest, fact.at)
    return max(seen - latest, 0) if latest else 0


_DATED_BY_SES: Final = frozenset({Sent, Delivered, Delayed, Engaged})
