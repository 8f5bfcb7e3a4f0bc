"""Reads the gaps topic from its beginning, and lets couriers tell the sinks: the whole of the notify role.

Several may run: all read, one speaks. Nothing is said before the topic has been read up to its end, or what was
resolved while nobody ran would be announced as open.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ProducerFenced

from service.edges import topics
from service.edges.kafka_clients import client_options
from service.edges.notify import journal as journals
from service.edges.notify.courier import Courier
from service.edges.notify.delivery import delivery
from service.logs import fields, log
from service.metrics import NOTIFY_LEADS
from service.notifications.board import Board
from service.notifications.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.edges.notify.courier import Ask
    from service.notifications.sinks import Sink
    from service.settings import Settings

BATCH: Final = 2000
SAY_EVERY: Final = 60.0
GAUGE_EVERY: Final = 5.0


class Notifier:
    """One process of the role."""

    def __init__(self, settings: Settings, sinks: Sequence[Sink], ask: Ask | None = None) -> None:
        """Nothing is opened yet. `ask`: AWS, about an account that SES refuses."""
        self._settings, self._sinks, self._ask = settings, sinks, ask
        self._board = Board(settings.prefix, settings.trace_url or "")
        self._couriers: list[Courier] = []
        self._rebuilt = asyncio.Event()
        self._lead: journals.Lead | None = None
        self._foreign = 0

    def not_ready(self) -> dict[str, str]:
        """Why it could not speak yet if it were its turn; empty where it could."""
        if not self._rebuilt.is_set():
            return {"notify": "is reading the gaps topic"}
        if self._lead is None or not self._lead.joined:
            return {"notify": "has not joined its group"}
        return {}

    async def run(self) -> None:
        """Until cancelled. Raises `KafkaUnusableError`, and `KafkaError` where Kafka is lost for long."""
        async with AsyncExitStack() as stack:
            consumer = await self._consumer(stack)
            self._lead = await stack.enter_async_context(journals.Lead(self._settings))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(consumer))
                group.create_task(self._speak(self._lead))

    # -- what is open ------------------------------------------------------------------------------------------------

    async def _consumer(self, stack: AsyncExitStack) -> AIOKafkaConsumer:
        wanted = (self._settings.topics.gaps, self._settings.topics.notified)
        counts = await topics.counts(self._settings)
        for name in wanted:
            if name not in counts:
                raise topics.KafkaUnusableError(f"topic {name} is not there: make ours with `mailgap topics create`")
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        consumer.assign([TopicPartition(wanted[0], number) for number in range(counts[wanted[0]])])
        return consumer

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        began = time.monotonic()
        ends = await consumer.end_offsets(consumer.assignment())
        while True:
            batch: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=500, max_records=BATCH)
            for records in batch.values():
                for record in records:
                    self._take(record)
                await asyncio.sleep(0)  # a topic of a million records must not keep the probes waiting
            if batch and self._rebuilt.is_set():
                self._wake()
            elif not self._rebuilt.is_set() and not await _behind(consumer, ends):
                self._rebuilt.set()
                told = {"alerts": sum(1 for _ in self._board.subjects()), "seconds": round(time.monotonic() - began, 3)}
                log.info("restored", extra=fields("restored", **told))

    def _take(self, record: Any) -> None:
        if not self._board.take(record.key.decode(errors="replace") if record.key else "", record.value):
            self._foreign += 1
            if self._foreign == 1:
                where = f"{record.topic}/{record.partition} at offset {record.offset}"
                log.warning("skipped a record that is no gap and no condition of ours: %s", where)

    def _wake(self) -> None:
        for courier in self._couriers:
            courier.wake()

    # -- whose turn it is --------------------------------------------------------------------------------------------

    async def _speak(self, lead: journals.Lead) -> None:
        await self._rebuilt.wait()
        while True:
            term = asyncio.create_task(self._term()) if lead.is_ours else None
            waiting = asyncio.create_task(lead.changes())
            try:
                await asyncio.wait({task for task in (term, waiting) if task}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    waiting.result()
                if term is not None and term.done():
                    term.result()
            finally:
                await _cancelled(term, waiting)

    async def _term(self) -> None:
        """Speaks for as long as it is this process's turn."""
        try:
            async with journals.Journal(self._settings) as journal:  # fences whoever spoke before, then reads on
                entries, _ = await journals.read(self._settings)
                self._couriers = [self._courier(sink, entries.get(sink.name, {}), journal) for sink in self._sinks]
                self._forgotten(entries)
                NOTIFY_LEADS.set(1)
                async with asyncio.TaskGroup() as group:
                    for courier in self._couriers:
                        group.create_task(courier.run())
                    group.create_task(self._say(journal))
        finally:
            NOTIFY_LEADS.set(0)
            self._couriers = []

    def _courier(self, sink: Sink, entries: dict[str, Any], journal: journals.Journal) -> Courier:
        ledger = Ledger(self._settings.prefix, sink.pace, sink.scope, entries)
        return Courier(sink.name, self._board, ledger, delivery(sink), journal, self._ask)

    def _forgotten(self, entries: dict[str, Any]) -> None:
        for name in sorted(set(entries) - {sink.name for sink in self._sinks}):
            text = (
                "sink %s is not in the file of sinks any more; it was told of %d alerts that nobody will resolve there"
            )
            log.warning(text, name, len(entries[name]))

    async def _say(self, journal: journals.Journal) -> None:
        """How the sinks do: into the gauges all the time, into the journal every minute and at every change."""
        before: dict[str, journals.SinkStatus] = {}
        said = 0.0
        while True:
            now = {courier.name: courier.status() for courier in self._couriers}
            if now != before or time.monotonic() - said >= SAY_EVERY:
                await journal.say(journals.Status(time.time_ns() // 1_000_000, now))
                before, said = now, time.monotonic()
            await asyncio.sleep(GAUGE_EVERY)


async def _behind(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return any([await consumer.position(tp) < end for tp, end in ends.items()])


async def _cancelled(*tasks: asyncio.Task[None] | None) -> None:
    for task in tasks:
        if task is not None:
            task.cancel()
    for task in tasks:
        if task is not None:
            with suppress(asyncio.CancelledError, ProducerFenced, ExceptionGroup):
                await task


__all__ = ["Notifier"]
