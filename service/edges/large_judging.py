"""A large scan is judged part by part, each by whichever process is free; what names tell each other goes by way of
spools.

Order matters only for the work, as in `service.edges.scan`: all submissions first, then the Message-IDs that were asked
and the submissions that they answered, as long as there are any; then every SES mail, once. What is shown has the place
at which its name was first read, so the order in which it is shown does not hang on who judged it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from service import rows
from service.documents import Documents
from service.edges.scan import Judge, Judged, Summary, marks_of
from service.edges.shapes import SHAPES
from service.edges.spool import Entry, Part, Spool, Spooled, load, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from service.edges.crew import Each
    from service.facts import Instant, Name, Source
    from service.policy import Policy
    from service.watermarks import FeedNews

_TOLD: Final = 1 << 53
"""Added to a place for every round, so that what is told in it comes after all that was read or told before."""
_SHOWN_AT_ONCE: Final = 200
"""Mails that are written, and read again, in one piece."""

Row: TypeAlias = tuple[int, bytes]
"""The place of a name, and its packed row."""

_encode = msgspec.msgpack.Encoder().encode
_shown: Final = msgspec.msgpack.Decoder(list[tuple[int, bytes]])


class Shape(NamedTuple):
    """In which form mails are shown, by its name, and whether those alone that have a gap."""

    form: str
    only_gaps: bool


class Judging(NamedTuple):
    """How to judge: the policy, what `marks_of` takes, the shape to show mails in, and `Spool`'s parts."""

    policy: Policy
    sources: tuple[Source, ...]
    latest: dict[Source, Instant]
    as_of: Instant | None
    news: tuple[FeedNews, ...]
    shape: Shape
    folder: str
    parts: int


class Shown(NamedTuple):
    """A mail as it is shown, and what it adds to the summary; its id is for the order of those of one name."""

    place: int
    mail_id: str
    text: bytes
    summary: Summary


class Ruled(NamedTuple):
    """What came of judging a part's submissions or Message-IDs in one round."""

    told: Spooled
    shown: list[Shown]
    rows: dict[Name, Row]
    failures: list[str]


class Mails(NamedTuple):
    """A part's SES mails: the file that they stand in, and its pieces."""

    path: str
    pieces: list[tuple[int, int]]
    summary: Summary


def rule(judging: Judging, number: int, part: Part, known: Mapping[Name, Row], file: str) -> Ruled:
    """Judges the names of a part in round `number`; `known` are the rows that were kept of its names."""
    judge, show = _judge(judging), _showing(judging)
    judge.rows = {name: rows.unpack(data) for name, (_, data) in known.items()}
    places = {name: place for name, (place, _) in known.items()}
    shown: list[Shown] = []
    outbox: list[Entry] = []
    for name, come in part.names.items():
        place = places.setdefault(name, come)
        origin = (number + 1) * _TOLD + come % _TOLD
        messages = judge.rule(name, part.facts(name))
        outbox += [Entry(origin, message.name, [(message.fact, message.sighting)]) for message in messages]
        for judged in judge.take():
            summary = Summary()
            summary.count(judged)
            shown.append(Shown(place, judged.verdict.mail_id, show(judged), summary))
    with writing(Path(judging.folder) / file) as out:
        told = Spool(out, judging.parts)
        told.put(outbox)
    kept = {name: (places[name], rows.pack(row)) for name, row in judge.rows.items()}
    return Ruled(told.spooled(), shown, kept, judge.failures)


def submissions(judging: Judging, number: int, spools: list[Spooled], part: int, known: Mapping[Name, Row]) -> Ruled:
    """Judges a part's submissions: in the first round those of the logs, then those that were answered."""
    return rule(judging, number, load(spools, b"Q:", part), known, f"told-{number}-{part}")


def message_ids(
    judging: Judging, number: int, logs: list[Spooled], asks: list[Spooled], part: int, known: Mapping[Name, Row]
) -> Ruled:
    """Judges a part's Message-IDs that were asked; what else was read under one is looked for with its first ask."""
    asked = load(asks, b"M:", part)
    first = load(logs, b"M:", part, asked.names.keys() - known.keys())
    packed = {name: [*first.packed.get(name, ()), *asked.packed[name]] for name in asked.names}
    names = {name: first.names.get(name, place) for name, place in asked.names.items()}
    in_order = dict(sorted(names.items(), key=lambda item: item[1]))
    return rule(judging, number, Part(in_order, packed), known, f"answered-{number}-{part}")


def mails(judging: Judging, spools: list[Spooled], part: int) -> Mails:
    """Judges a part's SES mails, and writes down how they are shown. Raises `InputError` where that cannot be done."""
    judge, show, summary = _judge(judging), _showing(judging), Summary()
    spooled = load(spools, b"S:", part)
    pieces: list[tuple[int, int]] = []
    held: list[tuple[int, bytes]] = []
    with writing(Path(judging.folder) / f"mails-{part}") as file:
        for number, (name, place) in enumerate(spooled.names.items(), 1):
            judge.rule(name, spooled.facts(name))
            for judged in judge.take():
                summary.count(judged)
                if text := show(judged):
                    held.append((place, text))
            if len(held) >= _SHOWN_AT_ONCE or number == len(spooled.names):
                pieces.append((file.tell(), file.write(_encode(held))))
                held = []
    summary.failures = judge.failures
    return Mails(file.name, pieces, summary)


def read_mails(found: Mails) -> Iterator[tuple[int, bytes]]:
    """The places and texts that were written down, in order of place."""
    for at, size in found.pieces:
        with Path(found.path).open("rb") as file:  # one open file a part would be too many for some systems
            file.seek(at)
            data = file.read(size)
        yield from _shown.decode(data)


def _judge(judging: Judging) -> Judge:
    return Judge(judging.policy, marks_of(judging.sources, judging.latest, judging.as_of, judging.news))


def _showing(judging: Judging) -> Callable[[Judged], bytes]:
    """How a mail is shown; as nothing, where it is not to be."""
    documents, shape = Documents(), SHAPES[judging.shape.form]

    def show(judged: Judged) -> bytes:
        if judging.shape.only_gaps and not judged.book.gaps:
            return b""
        return shape(documents.correlated(judged.verdict, judged.book))

    return show


def rounds(judging: Judging, logs: list[Spooled], each: Each) -> tuple[list[Shown], list[Spooled], list[str]]:
    """Judges submissions and Message-IDs, until nobody has anything to ask or to answer.

    Gives how the submissions are shown, what the SES mails were told, and what failed.
    """
    every = range(judging.parts)
    shown: dict[str, Shown] = {}
    told: list[Spooled] = []
    failures: list[str] = []
    known: list[dict[Name, Row]] = [{} for _ in every]
    asked: list[dict[Name, Row]] = [{} for _ in every]
    here, number, ruled = list(every), 0, logs
    while here:
        found = each(submissions, [(judging, number, only(ruled, b"Q:", part), part, known[part]) for part in here])
        for part, one in zip(here, found, strict=True):
            known[part] = one.rows
            shown.update((mail.mail_id, mail) for mail in one.shown)
            failures += one.failures
        asks = [one.told for one in found]
        told += asks
        here = _parts(asks, b"M:")
        answers = each(
            message_ids,
            [
                (judging, number + 1, only(logs, b"M:", part), only(asks, b"M:", part), part, asked[part])
                for part in here
            ],
        )
        for part, one in zip(here, answers, strict=True):
            asked[part] = one.rows
            failures += one.failures
        ruled = [one.told for one in answers]
        here, number = _parts(ruled, b"Q:"), number + 2
    return sorted(shown.values(), key=lambda mail: (mail.place, mail.mail_id)), told, failures


def only(spools: list[Spooled], kind: bytes, part: int) -> list[Spooled]:
    """Those that hold anything of a part and kind, as `Spooled.only` gives them."""
    return [one for one in (spooled.only(kind, part) for spooled in spools) if one.pieces]


def _parts(spools: list[Spooled], kind: bytes) -> list[int]:
    return sorted({part for spooled in spools for which, part in spooled.pieces if which == kind})
