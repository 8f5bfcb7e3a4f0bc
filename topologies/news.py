"""Tells the log, every few seconds, what was counted since."""

import asyncio
from typing import Final

from service.logs import News
from topologies.engine.app import App

EVERY: Final = 10.0


async def tell(app: App, news: News) -> None:
    """Until the app stops; what came last is told then."""
    try:
        while not app.should_stop:
            await asyncio.sleep(EVERY)
            news.tell()
    finally:
        news.tell()
