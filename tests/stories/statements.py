"""How far a source has spoken, as ingest states it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.watermarks import Entry

if TYPE_CHECKING:
    from service.facts import Source


def entry(
    source: Source,
    up_to: int,
    *,
    topic: str = "",
    partition: int = 0,
    partitions: int = 1,
    topics: tuple[str, ...] = (),
    said_at: int | None = None,
    last_record_at: int | None = None,
    delay: int = 0,
) -> Entry:
    """One input partition's watermark."""
    topic = topic or f"{source}-records"
    return Entry(
        source=source,
        topic=topic,
        partition=partition,
        partitions=partitions,
        up_to=up_to,
        last_record_at=up_to if last_record_at is None else last_record_at,
        delay=delay,
        said_at=up_to if said_at is None else said_at,
        topics=topics or (topic,),
    )
