"""Reads all inputs of a `scan` into packed trails, a file at a time and a chunk at a time.

It keeps one small byte string a name, never the files. What cannot be understood is handed to `reject`, whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from service.assembler import Assembler
from service.carriers import carriers
from service.edges.clocks import HostClock, HostClocks, Shown, shown_by, shown_of
from service.edges.inputs import Batch, Raw, batches, documents, opened, shown
from service.facts import Accepted, Fact, Identified, Instant, Name, Parsed, Reason, Sighting, Source, Unparsable
from service.feeds import Listener
from service.parsing.applications import headless
from service.parsing.pieces import piece_of
from service.parsing.ses import parse_ses
from service.parsing.smtp import HALF_A_YEAR, SmtpContext, parse_not_later, parse_smtp
from service.parsing.syslog import decode
from service.parsing.usual import read_usual

if TYPE_CHECKING:
    from service.privacy import Pseudonyms

CHUNK: Final = 50_000
"""Facts that are held as objects before they are packed."""
TRACE: Final = 100
"""Lines that an error may have after the one with its stamp."""
_STAMP: Final = 100
AHEAD: Final = 4000
"""Lines of a log that are read together, so that the first of them find the year and the host's clock."""

Reject = Callable[[str, Raw, Unparsable], None]

Facts: TypeAlias = list[tuple[Name, Fact]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[Fact, Sighting]]).decode


@dataclass(slots=True)
class Tally:
    """What was read."""

    records: Counter[Source] = field(default_factory=Counter)
    ignored: int = 0
    left_out: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    latest: dict[Source, Instant] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """What another has read."""
        self.records.update(other.records)
        self.ignored += other.ignored
        self.left_out += other.left_out
        self.rejected.update(other.rejected)
        for source, at in other.latest.items():
            self.latest[source] = max(at, self.latest.get(source, 0))


class Gathered:
    """Packed trails by name."""

    def __init__(
        self,
        now: Instant,
        as_of: Instant | None,
        context: SmtpContext,
        reject: Reject,
        *,
        link: bool = True,
        hide: Pseudonyms | None = None,
    ) -> None:
        """`now` dates events (a payload from the future is counted as now); facts after `as_of` are left out.

        `link`: what stands under a Message-ID is wanted. `hide`: what takes the place of addresses.
        """
        self._link, self._hide = link, hide
        self._now, self._as_of, self._context, self._reject = now, as_of, context, reject
        self._packed: dict[Name, bytes] = {}
        self._fresh: dict[Name, list[tuple[Fact, Sighting]]] = {}
        self._held = 0
        self._latest: Instant | None = now
        """When the file was written at the latest; None once an SES id has shown which year it is of."""
        self._clocks = HostClocks()
        self.listener = Listener()
        self.tally = Tally()

    # -- reading -----------------------------------------------------------------------------------------------------

    def read_smtp(self, path: str, reference: Instant, latest: Instant | None = None) -> None:
        """One mail log, written by `latest` (default: by now).

        `reference` stands in for the year that RFC 3164 leaves out, until an SES id shows it.
        """
        self._latest = self._now if latest is None else latest
        where = shown(path)
        with opened(path) as stream:
            every = _whole(batches(stream))
            ahead = list(islice(every, AHEAD))
            reference = self._year(ahead, reference)
            self._clocks.begin()
            while ahead:
                reference = self._block(where, ahead, reference)
                ahead = list(islice(every, AHEAD))

    def read_ses(self, path: str) -> None:
        """One file of SES events."""
        where = shown(path)
        with opened(path) as stream:
            for raw in documents(stream):
                parsed, trouble = parse_ses(raw.data, self._now, link=self._link)
                self.tally.records[Source.SES] += 1
                if trouble is not None:
                    self._refuse(where, raw, trouble)
                if parsed.facts:
                    seen = max([fact.at for _, fact in parsed.facts])
                    self._keep(Source.SES, parsed.facts, Sighting(seen, f"{where}:{raw.line}"), raw)
                else:
                    self.tally.ignored += bool(parsed.ignored)

    def _year(self, ahead: list[Raw], reference: Instant) -> Instant:
        """When the file was written, by its first acceptance: stamps without a year must be read as of then."""
        for raw in ahead:
            shown = shown_by(parse_smtp(raw.data, reference, self._context)[0])
            if shown is not None:
                self._latest = None
                return shown.clock
        return reference

    def _parsed(self, raw: Raw, reference: Instant) -> tuple[Parsed, Unparsable | None, Shown | None]:
        """One line. Where SES's clock shows that it was put into the wrong year, it is read again in the right one."""
        if self._latest is None:
            parsed, trouble = parse_smtp(raw.data, reference, self._context)
        else:
            parsed, trouble = parse_not_later(raw.data, reference, self._latest, self._context)
        shown = shown_by(parsed)
        if shown is not None and abs(shown.difference) > HALF_A_YEAR:
            parsed, trouble = parse_smtp(raw.data, shown.clock, self._context)
            shown = shown_by(parsed)
        return parsed, trouble, shown

    def _block(self, path: str, block: list[Raw], reference: Instant) -> Instant:
        """Reads lines, and dates each by what the acceptances before and after it show of its host's clock."""
        read: list[_Read] = []
        dated, zone, relays = 0, self._context.zone, self._context.relays
        self.tally.records[Source.SMTP] += len(block)
        for number, raw in enumerate(block):
            facts = read_usual(raw[0], reference, zone, relays) if self._latest is None else None
            if facts is not None and not facts:
                self.tally.ignored += 1
                continue
            line = self._usual(raw, facts) if facts else None
            if line is None:
                line = self._unusual(raw, reference, block[max(dated, number - TRACE) : number], path)
                if line is None:
                    continue
            read.append(line)
            reference = self._noted(line)
            dated = number + 1
        for line in read:
            self._keep(Source.SMTP, line.facts, Sighting(_dated(line), f"{path}:{line.raw.line}"), line.raw)
        return reference

    def _usual(self, raw: Raw, facts: Facts) -> _Read | None:
        """A line of those of which nearly every log consists; None where it may have to be read again."""
        name, fact = facts[0]
        shown = shown_of(fact) if type(fact) is Accepted else None
        if shown is not None and abs(shown.difference) > HALF_A_YEAR:
            return None
        return _Read(raw, facts, self._clocks.of(name[2 : name.index(b"/")].decode()), shown)

    def _unusual(self, raw: Raw, reference: Instant, before: list[Raw], path: str) -> _Read | None:
        """A line of any kind, after those `before` it; None where it says nothing of a mail."""
        parsed, trouble, shown = self._parsed(raw, reference)
        if trouble is not None:
            self._refuse(path, raw, trouble)
        if not parsed.facts:
            self.tally.ignored += bool(parsed.ignored)
            return None
        host = self._whose_clock(raw, parsed, path, reference)
        if not host and shown is None:
            host, parsed = self._redated(raw, parsed, before, reference, path)
        return _Read(raw, parsed.facts, self._clocks.of(host) if host else None, shown)

    def _noted(self, line: _Read) -> Instant:
        """When it was said, as far as its host's clock is known by now; what it shows of that is waited for."""
        if line.shown is None:
            at = line.facts[0][1].at
            return at if line.clock is None else line.clock.corrected(at)
        self._latest = None
        if line.clock is not None:
            line.clock.expect(line.shown)
        return line.shown.clock

    def _whose_clock(self, raw: Raw, parsed: Parsed, path: str, reference: Instant) -> str:
        """The line's host; where it names none, whoever wrote the file; empty for a line without a stamp of its own.

        Such a line was dated by those before it, and shows no clock.
        """
        name, fact = parsed.facts[0]
        end = name.find(b"/", 2)
        if 0 < end < len(name) - 1 and name[2:end] != b"-":
            return name[2:end].decode()
        if fact.at == reference:
            again = parse_smtp(raw.data, reference + 1, self._context)[0].facts
            if again and again[0][1].at != fact.at:
                return ""
        return f"\0{path}"

    def _redated(
        self, raw: Raw, parsed: Parsed, before: list[Raw], reference: Instant, path: str
    ) -> tuple[str, Parsed]:
        """A line without a stamp is dated by the last one before it that has one: a trace, or the rest of an error."""
        for each in reversed(before):
            line = headless(decode(each.data[:_STAMP]), reference, self._context.zone)
            if line.at != reference:
                again = self._parsed(raw, line.at)[0]
                return (f"\0{path}", again) if again.facts else ("", parsed)
        return "", parsed

    def _refuse(self, path: str, raw: Raw, trouble: Unparsable) -> None:
        self.tally.rejected[trouble.reason] += 1
        self._reject(path, raw, trouble)

    # -- keeping -----------------------------------------------------------------------------------------------------

    def _keep(self, source: Source, facts: Facts, sighting: Sighting, raw: Raw) -> None:
        """What a record says. `raw` is the record itself, for whoever hands it on."""
        del raw
        if self._as_of is not None and sighting.seen > self._as_of:
            self.tally.left_out += 1
            return
        latest = self.tally.latest
        # An event without a date of its own is dated by our clock, which says nothing of how far its source has spoken.
        if latest.get(source, 0) < sighting.seen and (source is Source.SMTP or sighting.seen < self._now):
            latest[source] = sighting.seen
        self.listener.hear(facts, sighting)
        for name, fact in facts if self._hide is None else _hidden(facts, self._hide):
            self.add(name, fact, sighting)
            if type(fact) is Identified and self._link and source is Source.SMTP:
                for carried, carrier in carriers(((name, fact),), sighting.seen):
                    self.add(carried, carrier, sighting)

    def add(self, name: Name, fact: Fact, sighting: Sighting) -> None:
        """One fact more."""
        fresh = self._fresh.get(name)
        if fresh is None:
            self._fresh[name] = [(fact, sighting)]
        else:
            fresh.append((fact, sighting))
        self._held += 1
        if self._held >= CHUNK:
            self._pack()

    def _pack(self) -> None:
        if not self._held:
            return
        packed = self._packed
        for name, facts in self._fresh.items():
            known = packed.get(name)
            packed[name] = _encode(facts if known is None else [*_decode(known), *facts])
        self._fresh = {}
        self._held = 0

    def names(self, kind: bytes) -> list[Name]:
        """The names of one kind: `b"Q:"`, `b"M:"` or `b"S:"`, in the order in which they were first read."""
        self._pack()
        return [name for name in self._packed if name[:2] == kind]

    def take(self, name: Name) -> list[tuple[Fact, Sighting]]:
        """The facts of a name, which are no longer kept then."""
        data, fresh = self._packed.pop(name, None), self._fresh.pop(name, [])
        self._held -= len(fresh)
        return fresh if data is None else [*_decode(data), *fresh]


class _Read(NamedTuple):
    """A line that was read: itself, what it says, by which clock (None: it has no stamp), and what it shows of that."""

    raw: Raw
    facts: Facts
    clock: HostClock | None
    shown: Shown | None


def _dated(line: _Read) -> Instant:
    """When the line was written, by the clock of its host."""
    at, clock, shown = line.facts[0][1].at, line.clock, line.shown
    if clock is None:
        return at if shown is None else shown.clock
    if shown is not None:
        clock.learn(shown)
    return clock.placed(at)


def _hidden(facts: Facts, hide: Pseudonyms) -> Facts:
    return [(hide.name(name), hide.fact(fact)) for name, fact in facts]


class _Line(NamedTuple):
    """A line of a file as the assembler wants it. A file has no record time, so no part of a line is late."""

    value: bytes
    offset: int
    topic: str = ""
    partition: int = 0
    timestamp: Instant = 0
    key: bytes | None = None


def _whole(found: Iterable[Batch]) -> Iterator[Raw]:
    """Lines that a container's runtime cut into several, put together again."""
    assembler = Assembler()
    for batch in found:
        if batch.plain and not assembler.lines:
            yield from batch.records
            continue
        for raw in batch.records:
            if not assembler.lines and piece_of(raw.data, watched=False) is None:
                yield raw
                continue
            assembler, ready = assembler.take([_Line(raw.data, raw.line)], 0)
            for line in ready:
                yield Raw(line.value or b"", line.offset)
    for line in assembler.rest():
        yield Raw(line.value or b"", line.offset)
