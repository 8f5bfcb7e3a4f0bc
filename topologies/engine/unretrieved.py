"""What others report with a traceback though it is foreseen: futures of aiokafka's that nobody awaited, since somebody
else was told of their failure; and a broker that went away.
"""

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


def without_traceback(record: logging.LogRecord) -> bool:
    """A filter for aiokafka's producer, which prints one where a broker's end reaches its routine first."""
    cause = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(cause, KafkaError | OSError):
        record.msg, record.args, record.exc_info = f"{record.getMessage()}: {cause!r}", (), None
    return True
