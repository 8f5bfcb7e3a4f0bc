"""Plays the story to Kafka at the speed of life, and reads what mailgap answers, until all has come or time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from service.contract import dead_letter
from service.demo.files import Files, Notebook
from service.demo.findings import AsShown, Findings, compare

if TYPE_CHECKING:
    from service.demo.sample import Story
    from service.facts import Source
    from service.settings import Topics

PATIENCE: Final = 30.0
"""Seconds after the last record by which everything must have been found."""
SETTLED: Final = 2.5
"""Seconds for which, once all is found, nothing more may come: a false gap would."""
_TICK: Final = 0.1

Watch = Callable[[float, Findings], None]
"""Called many times a second with the seconds since the story began; raises where it cannot go on."""


class Play:
    """One story on one Kafka."""

    def __init__(self, servers: str, inputs: dict[Source, str], topics: Topics, story: Story, files: Files) -> None:
        self._servers, self._inputs, self._topics = servers, inputs, topics
        self._story, self._files = story, files
        self.findings = Findings()
        self._last_news = 0.0

    async def perform(self, shown: AsShown, watch: Watch) -> None:
        """Sends, reads and watches."""
        async with AsyncExitStack() as stack:
            producer = AIOKafkaProducer(bootstrap_servers=self._servers, linger_ms=5)
            consumer = AIOKafkaConsumer(
                self._topics.correlated,
                self._topics.gaps,
                self._topics.dead_letters,
                bootstrap_servers=self._servers,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            )
            for client in (producer, consumer):
                await client.start()
                stack.push_async_callback(client.stop)
            work = [asyncio.create_task(self._send(producer)), asyncio.create_task(self._read(consumer))]
            stack.push_async_callback(_cancel, work)
            await self._until_all_is_found(shown, watch, work)

    async def _until_all_is_found(self, shown: AsShown, watch: Watch, work: list[asyncio.Task[None]]) -> None:
        end = self._story.seconds + PATIENCE
        while (now := self._now()) < end:
            for task in work:
                if task.done():
                    task.result()  # raises what went wrong
            watch(now, self.findings)
            quiet = now - max(self._last_news, self._story.seconds)
            if quiet > SETTLED and work[0].done() and compare(self._story, self.findings, shown).equal:
                return
            await asyncio.sleep(_TICK)

    async def _send(self, producer: Any) -> None:
        acknowledgements = []
        with Notebook(self._files) as notebook:
            for record in self._story.records:
                await asyncio.sleep(max(record.at - self._now(), 0))
                topic = self._inputs[record.source]
                acknowledgements.append(await producer.send(topic, record.value, key=record.key or None))
                notebook.note(record)
        await asyncio.gather(*acknowledgements)

    async def _read(self, consumer: Any) -> None:
        with self._files.correlated.open("wb") as correlated, self._files.gaps.open("wb") as gaps:
            async for record in consumer:
                self._last_news = self._now()
                if record.topic == self._topics.correlated:
                    self.findings.take_mail(record.value)
                    correlated.write(record.value + b"\n")
                elif record.topic == self._topics.gaps:
                    self.findings.take_gap(record.value, record.timestamp)
                    gaps.write(record.value + b"\n")
                else:
                    letter = dead_letter.read(record.headers)
                    self.findings.dead[letter.reason if letter else "unknown"] += 1

    def _now(self) -> float:
        return time.time() - self._story.start / 1000


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
