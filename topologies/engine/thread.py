"""The aiokafka client inside Faust's consumer, made our way, and what it walked over in a fetch.

A list of records does not say what lies between them: transaction markers and compacted records leave holes that are
none, a reset by the broker leaves one that is. The client's own position tells them apart, if it is read in the same
step as the records. So a fetch is handed on as a `Stretch` of the log, and never as records alone.
"""

# ruff: noqa: SLF001  # internals of aiokafka; tests/topologies/test_contract.py names each

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread
from mode.utils.futures import maybe_set_exception

from topologies.engine.unretrieved import log, unretrieved

FETCH_WAIT = 0.2
"""Seconds that a fetch waits where nothing is there. It also bounds how late an idle partition's position is known."""


class Stretch(NamedTuple):
    """All that the log holds from offset `start` up to, but not with, `end`, as far as a consumer may see it."""

    start: int
    records: list[Any]
    end: int


class _Thread(WorkerThread):  # type: ignore[misc]  # mode ships no types
    """A thread whose end by an exception is told to the app, and not printed a second time by `threading`."""

    def run(self) -> None:
        self.service.thread_loop.set_exception_handler(self._unretrieved)
        with suppress(Exception):
            super().run()

    def _unretrieved(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Where the app is ending, its loop may close before the thread's last answer: that is no news."""
        if self.service.app.should_stop:
            log.debug("%s: %r", context.get("message"), context.get("exception"))
        else:
            unretrieved(loop, context)


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust ships no types
    """Faust's consumer thread with our client settings: committed records only, and any security aiokafka knows."""

    Worker = _Thread

    async def crash(self, exc: BaseException) -> None:
        """Called in either thread. The app says it once; mode would say it four times."""
        self.parent_loop.call_soon_threadsafe(self._fail, exc)

    def _fail(self, exc: BaseException) -> None:
        maybe_set_exception(self._thread_running, exc)
        if not self.app.crashed:
            self.app._crash(exc)

    def on_crash(self, *_: Any, **__: Any) -> None:
        """Silent: here mode would print a traceback to standard error."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:  # noqa: ARG002  # Faust's signature
        app = self.app
        engine = app.engine
        self._assignor = app.assignor if app.tables.changelog_topics else driver.RoundRobinPartitionAssignor
        return AIOKafkaConsumer(
            client_id=app.conf.broker_client_id,
            group_id=app.conf.id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=engine.fetch_bytes,
            max_poll_interval_ms=_ms(engine.max_poll_interval),
            rebalance_timeout_ms=_ms(engine.rebalance_timeout),
            session_timeout_ms=_ms(engine.session_timeout),
            heartbeat_interval_ms=_ms(engine.heartbeat),
            **engine.clients(),
        )

    async def stretches(self, tps: Iterable[TP]) -> dict[TP, Stretch]:
        """What was fetched of each partition since it was last asked for; those that have a position, none left out.

        Waits up to `FETCH_WAIT` for news. A stretch without records says where the client stands.
        """
        return await self.call_thread(self._stretches, self._ensure_consumer(), list(tps))  # type: ignore[no-any-return]

    async def _stretches(self, consumer: AIOKafkaConsumer, tps: list[TP]) -> dict[TP, Stretch]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise driver.ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            found = await self._walk(consumer, tps)
            if not any(s.end > s.start for s in found.values()):
                await asyncio.wait([fetcher._create_fetch_waiter()], timeout=FETCH_WAIT)
                found = await self._walk(consumer, tps)
        return found

    async def _walk(self, consumer: AIOKafkaConsumer, tps: list[TP]) -> dict[TP, Stretch]:
        """One partition at a time and without waiting, so that no other call moves a position in between."""
        found = {}
        limit = self.app.engine.batch_records
        for tp in tps:
            start = _position(consumer, tp)
            if start is not None:
                fetched = await consumer._fetcher.fetched_records([tp], timeout=0, max_records=limit)
                end = _position(consumer, tp)
                found[tp] = Stretch(start, fetched.get(tp, []), start if end is None else end)
        return found


def _position(consumer: AIOKafkaConsumer, tp: TP) -> int | None:
    """The offset that the client reads next; None while it is unassigned or has yet to learn where to begin."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
        return None
    state = subscription.assignment.state_value(tp)
    return state.position if state.has_valid_position else None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
