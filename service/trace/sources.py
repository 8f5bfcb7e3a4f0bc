"""How far the sources have spoken, and how far the store has read: whether silence means anything. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from service.contract.condition import ConditionRecord
from service.contract.wire import Timestamp, timestamp
from service.facts import Source
from service.watermarks import NEVER

if TYPE_CHECKING:
    from service.facts import Instant
    from service.trace.store.store import Size
    from service.watermarks import Watermarks

Seconds = Annotated[float, Meta(description="Seconds.")]


class PartitionHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One input partition, as ingest last stated it."""

    topic: str
    partition: int
    up_to: Timestamp | None
    last_record_at: Timestamp | None
    delay: Annotated[Seconds, Meta(description="The longest way of an event into the topic, of late.")]


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A source: silence before `up_to` means something, silence after it does not yet."""

    source: Source
    up_to: Annotated[Timestamp | None, Meta(description="Null: not all of its partitions have been heard of.")]
    behind: Annotated[Seconds | None, Meta(description="How long ago that is.")]
    partitions: tuple[PartitionHealth, ...]


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What this page can know of."""

    mails: int
    open_gaps: int
    bytes: int
    oldest: Timestamp | None
    waiting: Annotated[int | None, Meta(description="Records that are not read yet; null: it follows no topic.")]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Sources, conditions and the store."""

    sources: tuple[SourceHealth, ...]
    conditions: tuple[ConditionRecord, ...]
    store: StoreHealth


def health(
    marks: Watermarks, conditions: list[ConditionRecord], size: Size, waiting: int | None, now: Instant
) -> Health:
    """All of it, as of now."""
    known = sorted({entry.source for entry in marks.entries.values()})
    return Health(
        sources=tuple(_source(marks, source, now) for source in known),
        conditions=tuple(conditions),
        store=StoreHealth(
            mails=size.mails,
            open_gaps=size.open_gaps,
            bytes=size.bytes,
            oldest=None if size.oldest is None else timestamp(size.oldest),
            waiting=waiting,
        ),
    )


def _source(marks: Watermarks, source: Source, now: Instant) -> SourceHealth:
    up_to = marks.of(source)
    entries = sorted((e for e in marks.entries.values() if e.source is source), key=lambda e: (e.topic, e.partition))
    return SourceHealth(
        source=source,
        up_to=_time(up_to),
        behind=None if up_to == NEVER else max(0, now - up_to) / 1000,
        partitions=tuple(
            PartitionHealth(
                topic=entry.topic,
                partition=entry.partition,
                up_to=_time(entry.up_to),
                last_record_at=_time(entry.last_record_at),
                delay=entry.delay / 1000,
            )
            for entry in entries
        ),
    )


def _time(at: Instant) -> Timestamp | None:
    return None if at == NEVER else timestamp(at)
