"""Finds the records of one mail on the correlated topic, by whatever somebody was told to look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from service.contract.correlated import Correlated
from service.edges.reading import reader, records
from service.finding import matches

if TYPE_CHECKING:
    from service.settings import Settings

_decode: Final = msgspec.json.Decoder(Correlated).decode


async def find(settings: Settings, wanted: frozenset[str]) -> list[Correlated]:
    """The latest revision of every matching mail. Reads the whole topic once; raises `KafkaUnusableError`."""
    found: dict[bytes, Correlated] = {}
    async with reader(settings, settings.topics.correlated) as consumer:
        async for record in records(consumer):
            document = _decode(record.value) if record.value is not None else None
            if document is not None and matches(document, wanted):
                found[record.key] = document
    return list(found.values())
