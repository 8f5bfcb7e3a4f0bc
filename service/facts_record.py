"""The records of the facts topic: fragments of trails, and watermarks; packed, with a version in front."""

from __future__ import annotations

from typing import Final

import msgspec

from service.facts import Fact, Name, Sighting
from service.rows import check_version
from service.watermarks import Watermark

_VERSION: Final = b"\x01"


class FactsRecord(msgspec.Struct, array_like=True):
    """One Kafka record: fragments first, since a watermark covers what was sent before it."""

    fragments: list[tuple[Name, list[tuple[Fact, Sighting]]]] = []
    watermark: Watermark | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FactsRecord)


def pack(record: FactsRecord) -> bytes:
    """The record's value."""
    return _VERSION + _encoder.encode(record)


def unpack(data: bytes) -> FactsRecord:
    """The record of `pack`. Raises `service.rows.UnknownVersionError` for another version's bytes."""
    check_version(data)
    return _decoder.decode(memoryview(data)[1:])
