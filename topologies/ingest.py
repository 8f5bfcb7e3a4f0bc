"""The ingest role: inputs -> facts, at least once, and the statements of how far the inputs have spoken.

Every send is acknowledged before its input is, so nothing is lost; a watermark is stated only after the facts that it
covers were acknowledged, so it is true whoever reads it and however late.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from faust.types import TP

from service import facts_record
from service.contract import dead_letter
from service.edges.topics import LARGEST_DEAD_LETTER
from service.facts import MINUTE, Instant, Source
from service.facts_record import FactsRecord
from service.intake import Dead, Harvest, Intake
from service.metrics import DEAD_LETTERS, LAG, RECORDS, release
from service.parsing.smtp import SmtpContext
from service.policy import Policy
from service.privacy import Pseudonyms
from service.settings import Settings
from service.watermarks import Entry, Watermark
from topologies.app import build_app, input_topic
from topologies.engine.app import App
from topologies.engine.batch import Batch
from topologies.engine.loop import feed
from topologies.engine.partitions import partition_of
from topologies.engine.sender import Record, Sender
from topologies.engine.settings import EngineSettings

log = logging.getLogger("mailgap.ingest")

EVERY: Final = 0.3
"""Seconds between two statements: what a gap's announcement may be late by."""
HEADERS: Final = 1 << 16
"""Bytes kept free in a dead letter for key and headers."""
DELAY_MEMORY: Final = 15 * MINUTE


@dataclass(slots=True)
class Spoken:
    """What was handed on of one partition, in this generation of the group."""

    generation: int
    last_record_at: Instant = 0
    delays: deque[tuple[Instant, int]] = field(default_factory=deque)

    def note(self, harvest: Harvest) -> None:
        """A batch's facts are with Kafka."""
        self.last_record_at = max(self.last_record_at, harvest.last_record_at)
        minute = self.last_record_at - self.last_record_at % MINUTE
        if self.delays and self.delays[-1][0] == minute:
            self.delays[-1] = (minute, max(self.delays[-1][1], harvest.delay))
        else:
            self.delays.append((minute, harvest.delay))

    def delay(self, now: Instant) -> int:
        """The longest transport delay of the last 15 minutes."""
        while self.delays and self.delays[0][0] < now - DELAY_MEMORY:
            self.delays.popleft()
        return max((delay for _, delay in self.delays), default=0)


class Ingest:
    """One worker's share of the inputs."""

    def __init__(
        self, app: App, settings: Settings, engine: EngineSettings, policy: Policy, hide: Pseudonyms | None
    ) -> None:
        self.app, self.settings, self.sender = app, settings, Sender(engine)
        context = SmtpContext(policy.relays, settings.zone())
        count = engine.partitions
        self.topics = {Source.SMTP: settings.smtp_topics, Source.SES: settings.ses_topics}
        self.intakes = {
            source: Intake(source, lambda name: partition_of(name, count), context, hide, link=policy.message_id_join)
            for source in Source
        }
        self.partitions = count
        self.spoken: dict[TP, Spoken] = {}
        self.in_order = asyncio.Lock()
        """Facts and the watermarks that cover them go out one after the other."""

    def source_of(self, topic: str) -> Source:
        """Which source a topic belongs to."""
        return Source.SMTP if topic in self.topics[Source.SMTP] else Source.SES

    async def handle(self, tp: TP, batch: Batch) -> None:
        """One batch of one partition."""
        if batch.hole:
            log.warning(
                "%s/%d: offsets %d to %d were removed before they were read: what they said is lost",
                tp.topic,
                tp.partition,
                batch.first,
                batch.after - 1,
            )
        source = self.source_of(tp.topic)
        generation = self.app.consumer_generation_id
        harvest = self.intakes[source].take(batch.records, _now())
        async with self.in_order:
            await self.sender.send([*self._facts(harvest), *map(self._dead, harvest.dead)])
            spoken = self.spoken.get(tp)
            if spoken is None or spoken.generation != generation:
                spoken = self.spoken[tp] = Spoken(generation)
            spoken.note(harvest)
        for result, count in harvest.results.items():
            RECORDS.labels(source, result).inc(count)
        for _, why in harvest.dead:
            DEAD_LETTERS.labels(why.reason).inc()

    def _facts(self, harvest: Harvest) -> list[Record]:
        topic = self.settings.topics.facts
        return [Record(topic, None, value, partition) for partition, value in harvest.records()]

    def _dead(self, dead: Dead) -> Record:
        record: Any = dead.record
        letter = dead_letter.DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            reason=dead.why.reason,
            stage="ingest",
            version=release(),
        )
        headers = [*record.headers, *dead_letter.headers(letter)]
        value = record.value
        if value is not None and len(value) > LARGEST_DEAD_LETTER - HEADERS:
            value = None  # more than Kafka takes; the headers say where the record itself still stands
        return Record(self.settings.topics.dead_letters, record.key, value, headers=headers)

    async def state_watermarks(self) -> None:
        """Says, again and again, how far our partitions have spoken."""
        while not self.app.should_stop:
            await asyncio.sleep(EVERY)
            if not self.app.rebalancing and self.app.consumer.assignment():
                await self._state_once()

    async def _state_once(self) -> None:
        now = _now()  # before the ends are asked for: what comes later is not covered
        generation = self.app.consumer_generation_id
        ends = await self.app.consumer.position_and_end(self.app.consumer.assignment())
        async with self.in_order:
            entries = [await self._entry(tp, at, end, now, generation) for tp, (at, end) in ends.items()]
            news = tuple(item for intake in self.intakes.values() for item in intake.listener.take())
            value = facts_record.pack(FactsRecord([], Watermark(tuple(entries), news)))
            if entries and generation == self.app.consumer_generation_id:
                topic = self.settings.topics.facts
                await self.sender.send([Record(topic, None, value, p) for p in range(self.partitions)])

    async def _entry(self, tp: TP, at: int, end: int, now: Instant, generation: int) -> Entry:
        LAG.labels(tp.topic, str(tp.partition)).set(max(end - at, 0))
        spoken = self.spoken.get(tp)
        ours = spoken if spoken is not None and spoken.generation == generation else Spoken(generation)
        delay = ours.delay(ours.last_record_at if at < end else now)
        reached = now if at >= end else ours.last_record_at
        source = self.source_of(tp.topic)
        return Entry(
            source=source,
            topic=tp.topic,
            partition=tp.partition,
            partitions=await self.sender.partitions(tp.topic),
            up_to=max(reached - delay, 0),
            last_record_at=ours.last_record_at,
            delay=delay,
            said_at=now,
            topics=self.topics[source],
        )


def ingest_app(settings: Settings, engine: EngineSettings, policy: Policy, hide: Pseudonyms | None) -> App:
    """The ingest role's app."""
    app = build_app("ingest", engine)
    ingest = Ingest(app, settings, engine, policy, hide)

    @app.agent(input_topic(app, *settings.smtp_topics, *settings.ses_topics))
    async def read(stream: Any) -> None:
        await feed(app, stream, ingest.handle)

    @app.task
    async def watermarks() -> None:
        try:
            await ingest.state_watermarks()
        except Exception as cause:  # noqa: BLE001 crash-only: a worker that cannot state watermarks blocks all others
            await app.crash(cause)

    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        for tp in list(ingest.spoken):
            LAG.remove(tp.topic, str(tp.partition))
        ingest.spoken.clear()

    return app


def _now() -> Instant:
    return int(time.time() * 1000)
