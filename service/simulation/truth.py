"""The truth file: JSON lines that say what must come out of a simulated load, mail by mail.

The first line is a `Header`, then comes one `Mail` a line in the order of hand-off, and the last line is a `Footer`;
a file without one was not finished. Times are RFC 3339. Whoever reads mailgap's topics can be held against it:
`mailgap verify` does, and anybody else can.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from service.contract.enums import Cause, GapKind, Outcome, Resolution
from service.contract.wire import Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA: Final = "mailgap.truth/1"


class TruthError(ValueError):
    """The truth file cannot be used; the text says why."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="truth", tag_field="line"):
    """What was simulated."""

    schema: Literal["mailgap.truth/1"] = SCHEMA
    tag: Annotated[str, Meta(description="Part of every host name and every domain of this run, and of no other's.")]
    seed: int
    start: Timestamp
    grace_ms: int


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A gap that must be announced, once."""

    kind: GapKind
    cause: Cause
    recipient: Annotated[str | None, Meta(description="Null where it is not exactly one, or nobody knows.")]
    due: Annotated[Timestamp, Meta(description="Its deadline and the grace: an announcement cannot come earlier.")]
    resolution: Annotated[Resolution | None, Meta(description="How it ends; null where it stays open.")] = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the last record on the correlated topic must say under one name."""

    name: Annotated[
        str, Meta(description="The SES id; host/queue-id; or, of a mail that only its application logs, <Message-ID>.")
    ]
    outcomes: Annotated[dict[str, Outcome], Meta(description="By recipient; empty where nobody can know them.")]
    gaps: tuple[Gap, ...] = ()
    superseded_by: str | None = None


class Mail(msgspec.Struct, frozen=True, kw_only=True, tag="mail", tag_field="line"):
    """One mail, and every record that must be published of it: none where there is nothing to say."""

    number: int
    fate: str
    sent_at: Timestamp
    settled_at: Annotated[Timestamp, Meta(description="By then all is said of it, and all that is due has passed.")]
    records: tuple[Record, ...]


class Footer(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="line"):
    """What it came to."""

    end: Annotated[Timestamp, Meta(description="By then everything is said and due: `scan --as-of` takes it.")]
    mails: int
    gaps: int
    smtp_records: int
    ses_records: int
    worst_lag_ms: Annotated[
        int, Meta(description="The longest that Kafka took to take a record; over the grace, no verdict is promised.")
    ] = 0


_encode: Final = msgspec.json.Encoder().encode
_decode: Final[msgspec.json.Decoder[Header | Mail | Footer]] = msgspec.json.Decoder(Header | Mail | Footer)


def write(file: IO[bytes], line: Header | Mail | Footer) -> None:
    """One line more."""
    file.write(_encode(line) + b"\n")


def read(path: Path) -> Iterator[Header | Mail | Footer]:
    """Line by line. Raises `TruthError` where it is no truth file, and at its end where it was not finished."""
    last: object = None
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                last = _line(line, path, number)
                if isinstance(last, Header) is not (number == 1):
                    raise TruthError(f"{path}: line {number}: a truth file begins with its header, and has but one")
                yield last
    except OSError as error:
        raise TruthError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(last, Footer):
        raise TruthError(f"{path}: has no last line that says `end`: the simulation that wrote it was not finished")


def _line(line: bytes, path: Path, number: int) -> Header | Mail | Footer:
    try:
        return _decode.decode(line)
    except msgspec.DecodeError as error:
        raise TruthError(f"{path}: line {number} is no line of a truth file: {error}") from error
