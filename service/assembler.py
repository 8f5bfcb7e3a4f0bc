"""Puts lines together again that were cut into several records, before anything is parsed (rule 24). Pure.

    passing -> PART  -> open     HEAD -> open (for a moment)
    open    -> PART  -> open     MORE -> open
    open    -> WHOLE -> joined   after a HEAD: the head is parsed as it is, and the record begins anew
    passing -> STARTS -> open    open -> ENDS -> joined: the last record, with the words that only those before it have
                                 open -> ADDS -> open: more such words
    passing -> OBJECT -> open    open -> MORE -> open    open -> CLOSES -> joined    WHOLE is another's, and passes
    open    -> 30 s of record time, or 2 min of a delivery -> parsed as it is, and forgotten
    open    -> 64 KiB or 256 records -> parsed as it is; what still comes of the line is left out

What is joined may itself be one of the lines of a delivery, or of an object.

Its state is a value. What is open was not handed on: whoever reads the records must acknowledge, and vouch for their
time, only up to the oldest of it (`held`). Read again from there, the records make the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from service.facts import MINUTE, SECOND, Instant
from service.parsing.pieces import OPENING, Kind, Piece, ended, piece_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LARGEST: Final = 64 * 1024
MOST: Final = 256
PATIENCE: Final = 30 * SECOND
"""How long, in record time, the rest of a line is waited for."""
FOLDED: Final = 5 * SECOND
"""How long for what may follow a line that may be whole: Exim writes both at once."""
DELIVERING: Final = 2 * MINUTE
"""How long for the end of a delivery: qmail waits for a minute for a connection. All that is judged waits as long."""
TORN: Final = 10 * MINUTE
"""How long the rest of a line that grew too long is known for what it is."""
STREAMS: Final = 256
"""Open lines of one partition; beyond, the oldest are parsed as they are."""
STRADDLE: Final = 2
"""How far back a line that is woven into another may hold the acknowledgement: times as long as that is waited for.

Where lines are woven together without an end, one may so be read again without its beginning, but only after a crash:
of qmail, a failure is then told twice, under its mail and under its delivery.
"""


class Input(Protocol):
    """A record as aiokafka hands it out; `timestamp` in milliseconds."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Joined:
    """Several records as the one that they should have been: where and when the first was, or of a delivery its end."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    parts: tuple[Input, ...]


class Held(NamedTuple):
    """Where the oldest open line of a partition begins: the offset to read again from, and its record's time."""

    offset: int
    since: Instant


_Where: TypeAlias = tuple[str, int]
_Stream: TypeAlias = tuple[bytes | None, str]


@dataclass(frozen=True, slots=True)
class _Open:
    """A line that has begun. No records: it grew too long and was parsed without its rest, which is left out."""

    records: tuple[Input, ...]
    texts: tuple[str, ...]
    size: int
    since: Instant
    again: Held
    kind: Kind

    @property
    def torn(self) -> bool:
        return not self.records

    def over(self, now: Instant) -> bool:
        """Whether it was waited for long enough."""
        return now - self.since > (TORN if self.torn else _PATIENCE[self.kind])


_PATIENCE: Final = {Kind.PART: PATIENCE, Kind.HEAD: FOLDED, Kind.STARTS: DELIVERING, Kind.OBJECT: FOLDED}
_GOES_ON: Final = {
    Kind.HEAD: frozenset({Kind.MORE}),
    Kind.STARTS: frozenset({Kind.ADDS, Kind.ENDS}),
    Kind.OBJECT: frozenset({Kind.MORE, Kind.CLOSES}),
}
"""What alone goes on with a line; any other record of its stream begins anew. Of a PART, all that comes does."""

_Lines: TypeAlias = dict[_Stream, _Open]


@dataclass(frozen=True, slots=True)
class Assembler:
    """The open lines of all partitions."""

    lines: Mapping[_Where, _Lines] = field(default_factory=dict)

    def take(self, records: Iterable[Input], now: Instant) -> tuple[Assembler, list[Input]]:
        """Takes records in their order, and gives those to parse: whole ones as they came, others joined."""
        lines = {where: dict(open_) for where, open_ in self.lines.items()}
        ready: list[Input] = []
        latest: dict[_Where, Instant] = {}
        for record in records:
            where, at = (record.topic, record.partition), min(record.timestamp, now)
            here = lines.get(where, {})
            piece = piece_of(record.value or b"", watched=bool(here))
            if piece is None:
                ready.append(record)
            else:
                ready += _placed(lines.setdefault(where, here), record, piece, at)
            latest[where] = max(at, latest.get(where, 0))
        for where, at in latest.items():
            ready += _given_up(lines.get(where, {}), at)
        return Assembler({where: open_ for where, open_ in lines.items() if open_}), ready

    def waited(self, topic: str, partition: int, now: Instant) -> tuple[Assembler, list[Input]]:
        """Nothing more came of this partition until `now`: what was waited for long enough is parsed as it is."""
        here = dict(self.lines.get((topic, partition), {}))
        ready = _given_up(here, now)
        rest = {where: open_ for where, open_ in self.lines.items() if where != (topic, partition)}
        return Assembler({**rest, (topic, partition): here} if here else rest), ready

    def rest(self) -> list[Input]:
        """All that is open, as it is: there are no more records."""
        return [_as_it_is(line) for line in chain(*map(dict.values, self.lines.values())) if not line.torn]

    def held(self, topic: str, partition: int) -> Held | None:
        """The oldest open line of the partition; None where all was given to be parsed."""
        open_ = [line for line in self.lines.get((topic, partition), {}).values() if not line.torn]
        if not open_:
            return None
        return Held(min(line.again.offset for line in open_), min(line.since for line in open_))

    def without(self, topic: str, partition: int) -> Assembler:
        """The partition is somebody else's, or is read anew."""
        return Assembler({where: open_ for where, open_ in self.lines.items() if where != (topic, partition)})


def _placed(here: _Lines, record: Input, piece: Piece, at: Instant, since: Held | None = None) -> list[Input]:
    """Puts a record into its stream; returns what is to be parsed now. `since`: where what was joined is read again."""
    stream = (record.key, piece.stream)
    line = here.get(stream)
    ready: list[Input] = []
    if line is not None and line.kind is Kind.OBJECT and piece.kind is Kind.WHOLE and not line.over(at):
        return [record]
    if line is not None and (line.over(at) or piece.kind not in _GOES_ON.get(line.kind, Kind)):
        del here[stream]
        ready += [] if line.torn else [_as_it_is(line)]
        line = None
    if line is not None:
        return _left_out(here, stream, record, piece) if line.torn else _extended(here, stream, line, record, piece, at)
    if piece.kind not in OPENING:
        return [*ready, record]
    here[stream] = _begun(here, record, piece, at, since or Held(record.offset, at))
    return ready + _bounded(here)


def _begun(here: _Lines, record: Input, piece: Piece, at: Instant, since: Held) -> _Open:
    # Read again from here, a line that began before and ends after would lack its beginning, and its rest would pass
    # for a line of its own. So it is read again with the other from its beginning.
    lines = [line for line in here.values() if not line.torn]
    others = [line.again for line in lines if at - line.again.since < STRADDLE * _PATIENCE[line.kind]]
    again = min([since, *others])
    text = piece.text if piece.kind is Kind.PART else piece.text.rstrip("\r\n")
    return _Open((record,), (text,), len(record.value or b""), since.since, again, piece.kind)


def _extended(here: _Lines, stream: _Stream, line: _Open, record: Input, piece: Piece, at: Instant) -> list[Input]:
    if piece.kind is Kind.ENDS:
        del here[stream]
        value = ended(record.value or b"", piece.text, "".join(line.texts))
        where = record.topic, record.partition, record.offset, record.timestamp
        return [Joined(*where, record.key, value, _apart((*line.records, record)))]
    size = line.size + len(record.value or b"")
    longer = replace(
        line, records=(*line.records, record), texts=(*line.texts, _added(line.kind, piece.text)), size=size
    )
    if piece.kind is Kind.CLOSES or (line.kind is Kind.PART and piece.kind is not Kind.PART):
        del here[stream]
        return _again(here, _as_it_is(longer), at, Held(line.again.offset, line.since))
    if size > LARGEST or len(longer.records) >= MOST:
        here[stream] = replace(line, records=(), texts=())
        return [_as_it_is(longer)]
    here[stream] = longer
    return []


def _added(kind: Kind, text: str) -> str:
    match kind:
        case Kind.HEAD:
            return "\n" + text.rstrip("\r\n")
        case Kind.OBJECT:
            return " " + text.strip()
        case _:
            return text


def _again(here: _Lines, record: Input, at: Instant, since: Held) -> list[Input]:
    """What was joined may itself be a line of several; it goes on straddling what its pieces did."""
    piece = piece_of(record.value or b"", watched=bool(here))
    return [record] if piece is None or piece.kind is Kind.PART else _placed(here, record, piece, at, since)


def _apart(records: Iterable[Input]) -> tuple[Input, ...]:
    """The records as they came."""
    return tuple([each for one in records for each in (one.parts if isinstance(one, Joined) else (one,))])


def _left_out(here: _Lines, stream: _Stream, record: Input, piece: Piece) -> list[Input]:
    """The rest of a line that grew too long says nothing by itself, and might look as if it did."""
    if piece.kind is not Kind.PART:
        del here[stream]
    return [Joined(record.topic, record.partition, record.offset, record.timestamp, record.key, b"", (record,))]


def _bounded(here: _Lines) -> list[Input]:
    if len(here) <= STREAMS:
        return []
    stream, line = min(here.items(), key=lambda item: item[1].since)
    del here[stream]
    return [] if line.torn else [_as_it_is(line)]


def _given_up(here: _Lines, now: Instant) -> list[Input]:
    over = [stream for stream, line in here.items() if line.over(now)]
    lines = [here.pop(stream) for stream in over]
    return [_as_it_is(line) for line in lines if not line.torn]


def _as_it_is(line: _Open) -> Input:
    """What has come of a line, as one record."""
    first = line.records[0]
    if len(line.records) == 1 and line.kind is not Kind.PART:
        return first
    value = first.value if line.kind is Kind.STARTS else whole(first.value or b"", list(line.texts))
    where = first.topic, first.partition, first.offset, first.timestamp
    return Joined(*where, first.key, value, _apart(line.records))
