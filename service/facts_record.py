"""The records of the facts topic: fragments of trails, and watermarks; packed, with a version in front."""

from __future__ import annotations

import msgspec

from service import rows
from service.facts import Fact, Name, Sighting
from service.watermarks import Watermark


class FactsRecord(msgspec.Struct, array_like=True):
    """One Kafka record: fragments first, since a watermark covers what was sent before it."""

    fragments: list[tuple[Name, list[tuple[Fact, Sighting]]]] = []
    watermark: Watermark | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FactsRecord)


def pack(record: FactsRecord) -> bytes:
    """The record's value."""
    return rows.VERSION + _encoder.encode(record)


def unpack(data: bytes) -> FactsRecord:
    """The record of `pack`. Raises `service.rows.UnknownVersionError` for bytes that this release does not know."""
    return rows.unpack_with(_decoder, data)
