"""What a shard keeps of one name: its trail, and what was announced of it; packed to bytes, with a version in front.

A row is looked up by its name alone. The window it belongs to is set at first sight and serves only for dropping it.
A version that this release does not know stops the reader with a sentence: guessing would make false gaps.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from service.contract.enums import GapKind, Resolution
from service.facts import Cause, Fact, Instant, Sighting, Source

VERSION: Final = b"\x01"
"""Of rows and of facts. It rises with every change of what is stored, be it one more field: an older release would read
over the field, and lose it with its next write. `tests/unit/test_stored_formats.py` fails where that is forgotten."""

_T = TypeVar("_T")


class UnknownVersionError(RuntimeError):
    """Bytes that another release wrote, most likely a newer one."""


class GapState(msgspec.Struct, array_like=True):
    """A gap as it was announced; it keeps the stream it opened with."""

    kind: GapKind
    which: str
    recipient: str | None
    cause: Cause
    deadline: Instant
    opened_at: Instant
    stream: str
    revision: int = 1
    resolved_at: Instant | None = None
    resolution: Resolution | None = None


class Book(msgspec.Struct, array_like=True):
    """What was published of one mail: `digest` of its last document, 0 revisions where nothing was."""

    revision: int = 0
    digest: bytes = b""
    gaps: dict[str, GapState] = msgspec.field(default_factory=dict)
    told: bytes = b""
    """Digest of what a submission last told its SES mails."""
    asked: list[str] = msgspec.field(default_factory=list)
    """What a submission has asked its Message-ID: since when, until when, and for which recipients."""
    final: list[str] = msgspec.field(default_factory=list)
    """Recipients whose first final outcome has been counted."""
    counted: int = 0
    """Of an SES mail: how many of its recipients were counted as accepted. Of a submission: 1 where it was counted."""

    def open(self) -> list[GapState]:
        """Gaps that have not ended."""
        return [gap for gap in self.gaps.values() if gap.resolution is None]

    @property
    def untouched(self) -> bool:
        """Nothing was ever said of this mail."""
        return not (self.revision or self.gaps or self.told or self.asked or self.final)


class Row(msgspec.Struct, array_like=True):
    """One name's state."""

    window: Instant
    facts: list[tuple[Fact, Sighting]] = msgspec.field(default_factory=list)
    books: dict[str, Book] = msgspec.field(default_factory=dict)
    due: list[tuple[Source, Instant]] = msgspec.field(default_factory=list)
    """When it must be judged again; what the deadline heap is rebuilt from."""
    answers: dict[str, str] = msgspec.field(default_factory=dict)
    """Of a Message-ID: what its askers were told, by `submission`, a space and the SES id (none: `not_found`)."""
    flying: Instant = 0
    """A submission that still waits for an id: when its log last spoke of it. It stays for the queue's lifetime."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Row)


def pack(row: Row) -> bytes:
    """The row's bytes."""
    return VERSION + _encoder.encode(row)


def unpack(data: bytes) -> Row:
    """The row of `pack`. Raises `UnknownVersionError` for bytes that this release does not know."""
    return unpack_with(_decoder, data)


def pack_other(value: object) -> bytes:
    """What a shard keeps beside its rows, in the same wrapping."""
    return VERSION + _encoder.encode(value)


def unpack_with(decoder: msgspec.msgpack.Decoder[_T], data: bytes) -> _T:
    """What was packed, by its decoder. Raises `UnknownVersionError`."""
    if data[:1] != VERSION:
        found = data[0] if data else "nothing"
        raise UnknownVersionError(
            f"state of version {found}, but this release reads only {VERSION[0]}:"
            " run the release that wrote it, or a newer one"
        )
    try:
        return decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as error:
        raise UnknownVersionError(
            f"state that bears version {VERSION[0]} and is not of it ({error}): it is damaged, or of a release that was"
            " never published; run the release that wrote it, or start anew with another --prefix"
        ) from error
