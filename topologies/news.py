"""Tells the log, every few seconds, what was counted since; and at once, what was lost unread."""

import asyncio
import logging
from typing import Final

from service.logs import News, fields
from topologies.engine.app import App
from topologies.engine.batch import Batch

EVERY: Final = 10.0


def tell_hole(log: logging.Logger, topic: str, partition: int, batch: Batch) -> None:
    """The broker had removed what the batch stands for (retention) before it was read."""
    log.warning(
        "%s/%d: offsets %d to %d were removed before they were read: what they said is lost",
        topic,
        partition,
        batch.first,
        batch.after - 1,
        extra=fields("hole", topic=topic, partition=partition, first=batch.first, last=batch.after - 1),
    )


async def tell(app: App, news: News) -> None:
    """Until the app stops; what came last is told then."""
    try:
        while not app.should_stop:
            await asyncio.sleep(EVERY)
            news.tell()
    finally:
        news.tell()
