"""Nothing waits for ever: a wait for Kafka has a bound, and what passes it ends the process with a sentence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from topologies.engine.errors import StuckError


@asynccontextmanager
async def bounded(seconds: float, what: str) -> AsyncIterator[None]:
    """Raise `StuckError("<what> in <seconds> s")` where the block takes longer. `what` reads "X did not do Y"."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StuckError(f"{what} in {seconds:g} s") from None
