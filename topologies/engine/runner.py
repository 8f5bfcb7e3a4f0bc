"""Runs one or several apps in one process and one event loop, and ends them within a bound.

Faust's own worker takes one app, prints a banner, redirects stdout, sleeps a second at the end and logs a crash once
for every service. This one waits for a signal or a crash and then does the same in both cases: stop, leave the group,
say why in one line. What does not stop in `STOP_BOUND` is left behind, and where Kafka does not answer, much sooner: a
commit that did not get through is undone by Kafka and done again by the next worker, so nothing is lost by leaving.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka.errors import KafkaError

from topologies.engine.errors import EngineError
from topologies.engine.preflight import answers, check
from topologies.engine.unretrieved import log, unretrieved, without_traceback
from topologies.engine.watchdog import Watchdog

STOP_BOUND = 9.0
ANSWER_BOUND = 2.0
"""Seconds within which a Kafka answers that is worth waiting for."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_apps(apps: Sequence[Any], extra_services: Iterable[Any] = ()) -> int:
    """Run until SIGTERM or SIGINT (returns 0) or until an app crashes (returns 1, with one line in the log).

    `extra_services` are mode Services (metrics, health): started before the apps and stopped after them. A process
    that cannot be stopped is ended from here: with 1 where `STOP_BOUND` has passed, since that is a fault, and else as
    it would have ended.
    """
    _quiet(logging.WARNING)
    logging.getLogger("aiokafka.producer.sender").addFilter(without_traceback)
    threading.excepthook = _in_thread
    with asyncio.Runner() as runner:
        code, stopped = runner.run(_live(list(apps), list(extra_services)))
        if not stopped:
            logging.shutdown()
            os._exit(code)
    return code


def _quiet(level: int) -> None:
    """Faust and mode tell of their lives in INFO; only their complaints are of use."""
    for name in ("faust", "mode", "aiokafka", "topologies"):
        logging.getLogger(name).setLevel(level)


def _in_thread(failure: threading.ExceptHookArgs) -> None:
    """Faust's consumer has a thread of its own, whose last call is cancelled when the app ends: that is no news."""
    if not issubclass(failure.exc_type, asyncio.CancelledError):
        name = failure.thread.name if failure.thread is not None else "a thread"
        log.error("%s ended: %s: %s", name, failure.exc_type.__name__, failure.exc_value)


async def _live(apps: list[Any], extra: list[Any]) -> tuple[int, bool]:
    told = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(unretrieved)
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    start = asyncio.create_task(_start(apps, extra))
    ends = [asyncio.create_task(end) for end in (told.wait(), *[app.wait_until_stopped() for app in apps])]
    await asyncio.wait([start, *ends], return_when=asyncio.FIRST_COMPLETED)
    if start.done() and start.exception() is None:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if causes := _causes(apps, start):
        _say(causes[0])
        _quiet(logging.CRITICAL)  # what else goes wrong is its consequence
    stopped, in_time = await _stop(apps, extra, [start, *ends])
    if not causes and (causes := _causes(apps, start)):
        _say(causes[0])
    return (1 if causes or not in_time else 0), stopped


async def _start(apps: list[Any], extra: list[Any]) -> None:
    for service in extra:
        await service.maybe_start()
    await check(apps)
    watchdogs = [Watchdog(app) for app in apps]
    for app, watchdog in zip(apps, watchdogs, strict=True):
        app.complaint = watchdog.complaint
    extra.extend(watchdogs)
    await asyncio.gather(*[service.maybe_start() for service in (*apps, *watchdogs)])


async def _stop(apps: list[Any], extra: list[Any], tasks: list[asyncio.Task[Any]]) -> tuple[bool, bool]:
    """Stop all: whether that is done, and whether in time. mode swallows cancellations, so what hangs goes on."""
    for task in tasks:
        task.add_done_callback(_retrieve)  # it may fail yet, when nobody asks any more
        task.cancel()
    ending, away = asyncio.create_task(_stop_all(apps, extra)), asyncio.create_task(_kafka_away(apps))
    done, _ = await asyncio.wait([ending, away], timeout=STOP_BOUND, return_when=asyncio.FIRST_COMPLETED)
    away.cancel()
    if ending in done:
        if (cause := ending.exception()) is not None:
            _say(cause)
    elif done:
        log.warning(
            "Kafka does not answer: ending without a last word to it; the next worker goes on from the last commit"
        )
    else:
        log.error("not stopped in %g s; ending the process as it is", STOP_BOUND)
    return ending in done, bool(done)


async def _kafka_away(apps: list[Any]) -> None:
    """Returns once Kafka does not answer, and what needs no Kafka has had the time to stop."""
    there = True
    while there:
        await asyncio.sleep(ANSWER_BOUND / 2)
        there = await answers(apps[0].engine, ANSWER_BOUND)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Why it ended is said already, or is a consequence of that."""
    if not task.cancelled():
        task.exception()


async def _stop_all(apps: list[Any], extra: list[Any]) -> None:
    await asyncio.gather(*[app.stop() for app in apps])
    await asyncio.gather(*[app.stop_senders() for app in apps])
    for service in reversed(extra):
        await service.stop()


def _causes(apps: list[Any], start: asyncio.Task[Any]) -> list[BaseException]:
    """Why the apps crashed, or did not start."""
    causes = [app.crash_reason for app in apps if app.crash_reason is not None]
    if start.done() and not start.cancelled() and (cause := start.exception()) is not None:
        causes.append(cause)
    return causes


def _say(cause: BaseException) -> None:
    """One line. A traceback only where the cause is a bug, and not Kafka or a promise that it broke."""
    foreseen = isinstance(cause, EngineError | KafkaError | OSError)
    name = type(cause).__name__
    text = str(cause).removeprefix(f"{name}: ")  # aiokafka's errors begin with their own name
    said = {"event": "stopped", "fields": {"error": name}}
    log.error("stopped: %s: %s", name, text, exc_info=None if foreseen else cause, extra=said)
