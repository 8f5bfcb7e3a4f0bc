"""What asyncio reports that nobody awaited: a future of aiokafka's, whose failure somebody else was told of."""

import asyncio
import logging
from typing import Any

from aiokafka.errors import KafkaError

log = logging.getLogger("mailgap.worker")


def unretrieved(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A loop's exception handler. A failed transaction leaves such futures behind; its failure is raised elsewhere."""
    if isinstance(context.get("exception"), KafkaError):
        log.debug("%s: %r", context.get("message"), context["exception"])
    else:
        loop.default_exception_handler(context)
