"""What commands share that run until they are told to stop, with health and metrics over HTTP."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from service import logs
from service.metrics import release

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Coroutine
    from typing import Any

    from service.edges.http import HttpServer


def stop_on_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and Ctrl-C call `stop`, in the running loop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def serve(
    server: HttpServer, run: Callable[[], Coroutine[Any, Any, None]], log: logging.Logger, **told: object
) -> int:
    """Serves while it runs; the exit code. `told` goes into the line that says that it has started."""
    try:
        await server.start()
        log.info("started", extra=logs.fields("started", **told, version=release()))
        await run()
    except (KafkaError, OSError) as error:
        log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 one line, never a traceback
        return 1
    finally:
        await server.stop()
    log.info("stopped", extra=logs.fields("stopped"))
    return 0
