"""The records of the facts topic: fragments of trails, watermarks, and gaps that people close; packed, with version."""

from __future__ import annotations

import msgspec

from service import rows
from service.facts import Fact, Instant, Name, Sighting
from service.watermarks import Watermark


class Closing(msgspec.Struct, frozen=True, array_like=True):
    """Somebody closes a gap (`mailgap gaps close`): no evidence of the mail; `name` is whose row has it."""

    name: Name
    gap_id: str
    at: Instant
    by: str
    reason: str


class FactsRecord(msgspec.Struct, array_like=True):
    """One Kafka record: fragments first, since a watermark covers what was sent before it."""

    fragments: list[tuple[Name, list[tuple[Fact, Sighting]]]] = []
    watermark: Watermark | None = None
    closings: list[Closing] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FactsRecord)


def pack(record: FactsRecord) -> bytes:
    """The record's value."""
    return rows.VERSION + _encoder.encode(record)


def unpack(data: bytes) -> FactsRecord:
    """The record of `pack`. Raises `service.rows.UnknownVersionError` for bytes that this release does not know."""
    return rows.unpack_with(_decoder, data)
