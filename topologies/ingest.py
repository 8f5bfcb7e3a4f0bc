"""The ingest role: inputs -> facts, at least once, and the statements of how far the inputs have spoken.

Every send is acknowledged before its input is, so nothing is lost; a watermark is stated only after the facts that it
covers were acknowledged, so it is true whoever reads it and however late. Neither passes a line of which a part is
still to come: after a restart it is read again from its beginning.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from faust.types import TP

from service import facts_record
from service.alignment import Alignment, Standing
from service.assembler import Held
from service.brake import Brake
from service.contract import dead_letter, historic
from service.edges.topics import LARGEST_DEAD_LETTER
from service.facts import MINUTE, Instant, Reason, Source
from service.facts_record import FactsRecord
from service.intake import Dead, Harvest, Intake, smtp_context
from service.logs import News
from service.metrics import DEAD_LETTERS, RECORDS, TRANSPORT_DELAY, count, release, skew
from service.pace import Pace
from service.policy import Policy
from service.privacy import Pseudonyms
from service.settings import Settings
from service.tally import Tally
from service.watermarks import DELAY_MEMORY, Entry, Hole, Watermark, parts
from topologies.app import build_app, input_topic
from topologies.engine.app import App
from topologies.engine.batch import Batch
from topologies.engine.errors import EngineError
from topologies.engine.loop import feed
from topologies.engine.partitions import partition_of
from topologies.engine.sender import Record
from topologies.engine.settings import EngineSettings
from topologies.gauges import lag, no_lag, paused
from topologies.news import tell, tell_hole

log = logging.getLogger("mailgap.ingest")

EVERY: Final = 0.3
"""Seconds between two statements: what a gap's announcement may be late by."""
HEADERS: Final = 1 << 16
"""Bytes kept free in a dead letter for our own headers."""


@dataclass(slots=True)
class Spoken:
    """What was handed on of one partition, in this generation of the group."""

    generation: int
    start: int = 0
    """Where this generation began to read: what lies before is committed already."""
    last_record_at: Instant = 0
    delays: deque[tuple[Instant, int]] = field(default_factory=deque)
    held: Held | None = None
    removed: list[tuple[int, int, Instant]] = field(default_factory=list)
    """Offsets that the broker had removed, and since when; until when is known once the next record was read."""
    ended: bool = False
    """Of history: its end was read."""
    busy: bool = False
    """A batch was taken, and its facts are not with Kafka yet."""
    pace: Pace | None = None
    """None until a record was read."""

    def note(self, harvest: Harvest, held: Held | None) -> None:
        """A batch's facts are with Kafka, and so is all that came before, but what is held."""
        self.held = held
        self.last_record_at = max(self.last_record_at, harvest.last_record_at)
        minute = self.last_record_at - self.last_record_at % MINUTE
        if self.delays and self.delays[-1][0] == minute:
            self.delays[-1] = (minute, max(self.delays[-1][1], harvest.delay))
        else:
            self.delays.append((minute, harvest.delay))

    def reached(self, now: Instant, *, at_end: bool) -> Instant:
        """Up to when all is with Kafka."""
        reached = now if at_end else self.last_record_at
        return reached if self.held is None else min(reached, self.held.since - 1)

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
        self.app, self.settings, self.sender = app, settings, app.sender()
        context = smtp_context(policy, settings.zone())
        self.topics = {Source.SMTP: settings.smtp_topics, Source.SES: settings.ses_topics}
        link = policy.message_id_join and all(self.topics.values())
        self.intakes = {source: Intake(source, context, hide, link=link) for source in Source}
        self.partitions, self.grace = engine.partitions, policy.grace
        self.spoken: dict[TP, Spoken] = {}
        self.read_to_end: dict[TP, tuple[int, Instant]] = {}
        """By partition: the generation, and when it last held no more than we had read."""
        for source, topics in self.topics.items():
            for result in ("facts", "ignored", "dead_letter") if topics else ():
                RECORDS.labels(source, result)  # shown at 0 from the start: the first one is an increase
        for reason in Reason:
            DEAD_LETTERS.labels(reason)
        self.news = News()
        self.holes: list[Hole] = []
        self.brakes: dict[str, Brake] = {}
        self.alignment = Alignment()
        self.in_order = asyncio.Lock()
        """Facts and the watermarks that cover them go out one after the other."""

    def source_of(self, topic: str) -> Source:
        """Which source a topic belongs to."""
        return Source.SMTP if topic in self.topics[Source.SMTP] else Source.SES

    async def handle(self, tp: TP, batch: Batch) -> int:
        """One batch of one partition. It is acknowledged with the statement that holds its news of the feeds."""
        if batch.hole:
            tell_hole(log, tp.topic, tp.partition, batch)
        self._refuse_other_times(tp, batch)
        intake = self.intakes[self.source_of(tp.topic)]
        spoken = self._spoken(tp, batch.first)
        spoken.busy = True
        generation, read_to_end = self.read_to_end.get(tp, (spoken.generation, 0))
        # Within the grace, record timestamps may be out of order: a producer sends in batches, and retries.
        since = read_to_end - self.grace if generation == spoken.generation else 0
        harvest = intake.take(batch.records, _now(), since)
        held = intake.held(tp.topic, tp.partition)
        self._brake(tp, batch, harvest)
        async with self.in_order:
            await self._hand_on(tp, harvest)
            if batch.hole:
                spoken.removed.append((batch.first, batch.after, spoken.last_record_at))
            elif batch.records:
                first = min(batch.records[0].timestamp, _now())
                self._lost(tp, spoken, first)
                spoken.pace = spoken.pace or Pace(first, _now(), historic=self.settings.historic)
            spoken.note(harvest, held)
            spoken.ended = spoken.ended or any(historic.is_end(record.headers) for record in batch.records[-1:])
            spoken.busy = False
        return spoken.start

    def _refuse_other_times(self, tp: TP, batch: Batch) -> None:
        """History is judged by itself, and pages nobody (rule 21); what is live is never judged as if it were."""
        if not batch.records or historic.is_historic(batch.records[0].headers) == self.settings.historic:
            return
        where = f"{tp.topic}/{tp.partition}, offset {batch.first}"
        if self.settings.historic:
            raise EngineError(f"{where}: no `mailgap backfill` wrote this record: start the worker without --historic")
        raise EngineError(f"{where}: this is history, which `mailgap backfill` wrote: start its worker with --historic")

    def _brake(self, tp: TP, batch: Batch, harvest: Harvest) -> None:
        brake = self.brakes.setdefault(tp.topic, Brake(self.settings.brake))
        if brake.holds(len(batch.records), len(harvest.dead)):
            reasons = Counter(why.reason.value for _, why in harvest.dead).most_common(1)
            raise EngineError(
                f"{tp.topic}/{tp.partition}: {len(harvest.dead)} of {len(batch.records)} records from offset"
                f" {batch.first} on cannot be read ({reasons[0][0] if reasons else 'as those before'}): is this the"
                " right topic? Nothing of them was moved. Correct --smtp-topic or --ses-topic, or say --brake 100 to"
                " let them go to the dead letters"
            )

    def _lost(self, tp: TP, spoken: Spoken, until: Instant) -> None:
        """What was removed before `until` goes out with the next statement, which covers what came after it."""
        source = self.source_of(tp.topic)
        self.holes += [
            Hole(source, tp.topic, tp.partition, first, after, min(since, until), until)
            for first, after, since in spoken.removed
        ]
        spoken.removed.clear()

    def _spoken(self, tp: TP, start: int) -> Spoken:
        """What was handed on in this generation. In a new one all is read again from what was committed."""
        spoken = self.spoken.get(tp)
        if spoken is None or spoken.generation != self.app.consumer_generation_id:
            self.forget(tp)
            spoken = self.spoken[tp] = Spoken(self.app.consumer_generation_id, start)
        return spoken

    def forget(self, tp: TP) -> None:
        """The partition is no longer ours, or not as it was."""
        self.spoken.pop(tp, None)
        self.intakes[self.source_of(tp.topic)].forget(tp.topic, tp.partition)

    async def _hand_on(self, tp: TP, harvest: Harvest) -> None:
        """Facts and dead letters, acknowledged by Kafka and counted."""
        await self.sender.send([*self._facts(harvest), *map(self._dead, harvest.dead)])
        tally = Tally()
        for result, number in harvest.results.items():
            tally.add(("records", self.source_of(tp.topic), result), number=number)
        for _, why in harvest.dead:
            tally.add(("dead_letters", why.reason))
        if not self.settings.historic:
            count(tally)
        self.news.note(tally)
        for host, milliseconds in harvest.skews.items() if not self.settings.historic else ():
            skew(host, milliseconds / 1000)

    async def _wait_no_longer(self, tp: TP, now: Instant) -> None:
        """All was read until `now`, and the rest of a line did not come: what there is of it goes on as it is."""
        spoken, intake = self.spoken.get(tp), self.intakes[self.source_of(tp.topic)]
        if spoken is None or spoken.held is None or spoken.busy:
            return
        if spoken.generation != self.app.consumer_generation_id:
            return
        harvest = intake.waited(tp.topic, tp.partition, now)
        held = intake.held(tp.topic, tp.partition)  # before anything else is taken: of that the facts are still with us
        await self._hand_on(tp, harvest)
        spoken.held = held

    def _facts(self, harvest: Harvest) -> list[Record]:
        topic, count = self.settings.topics.facts, self.partitions
        placed = harvest.records(lambda name: partition_of(name, count))
        return [Record(topic, None, value, partition) for partition, value in placed]

    def _dead(self, dead: Dead) -> Record:
        """The record as it came; where it is more than Kafka takes, the headers say where it still stands."""
        record: Any = dead.record
        key, value, theirs = record.key, record.value, list(record.headers)
        room = LARGEST_DEAD_LETTER - HEADERS
        around = len(key or b"") + sum(len(name.encode()) + len(held or b"") + 16 for name, held in theirs)
        whole = around + len(value or b"") <= room
        if not whole:
            value = None
        if around > room:
            key, theirs = None, []
        letter = dead_letter.DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            reason=dead.why.reason,
            stage="ingest" if whole else "ingest: the record is larger than a letter may be",
            version=release(),
        )
        headers = [*theirs, *dead_letter.headers(letter)]
        return Record(self.settings.topics.dead_letters, key, value, headers=headers)

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
            for tp, (at, end) in ends.items():
                if at >= end and self._is_over(tp):
                    if not self.settings.historic:
                        self.read_to_end[tp] = (generation, now)
                    await self._wait_no_longer(tp, now)
                    if (spoken := self.spoken.get(tp)) is not None and not spoken.busy:
                        self._lost(tp, spoken, now)
            if not self.settings.historic:
                lag(ends)
            entries = {tp: await self._entry(tp, at, end, now, generation) for tp, (at, end) in ends.items()}
            if not entries or generation != self.app.consumer_generation_id:
                return
            self._align({tp: ends[tp][0] < ends[tp][1] for tp in entries}, entries, now)
            news = tuple(item for intake in self.intakes.values() for item in intake.listener.take())
            said = [msgspec.structs.replace(e, up_to=self._stated(tp, e, now)) for tp, e in entries.items()]
            statement = Watermark(tuple(said), news, tuple(self.holes))
            values = [facts_record.pack(FactsRecord([], part)) for part in parts(statement)]
            topic = self.settings.topics.facts
            await self.sender.send([Record(topic, None, value, p) for p in range(self.partitions) for value in values])
            self.holes.clear()
        for tp, (at, _) in ends.items():
            self.app.consumer.ack_range(tp, self._safe(tp, at), generation)

    def _align(self, behind: Mapping[TP, bool], entries: Mapping[TP, Entry], now: Instant) -> None:
        """Of a backlog: who is far ahead of the slowest is read again when that has come."""
        standings = {
            tp: Standing(known.up_to, known.last_record_at, behind[tp], self._stated(tp, known, now))
            for tp, known in entries.items()
        }
        pausing = self.alignment.pause(standings, now)
        self.app.consumer.pause_reading(pausing, self.app.consumer_generation_id)
        if not self.settings.historic:
            paused(entries, pausing)

    def _stated(self, tp: TP, known: Entry, now: Instant) -> Instant:
        """What is said of a watermark: in a backlog it may be less than is known."""
        spoken = self.spoken.get(tp)
        pace = None if spoken is None else spoken.pace
        return known.up_to if pace is None else min(known.up_to, pace.limit(now))

    def _is_over(self, tp: TP) -> bool:
        """Whether nothing more can be there at its end: of history only once its last record says that it ends."""
        spoken = self.spoken.get(tp)
        return not self.settings.historic or (spoken is not None and spoken.ended)

    def _safe(self, tp: TP, at: int) -> int:
        """The offset to begin at again: nothing below it is part of a line that is still open."""
        spoken = self.spoken.get(tp)
        return at if spoken is None or spoken.held is None else min(at, spoken.held.offset)

    async def _entry(self, tp: TP, at: int, end: int, now: Instant, generation: int) -> Entry:
        spoken = self.spoken.get(tp)
        ours = spoken if spoken is not None and spoken.generation == generation else Spoken(generation)
        reached, delay = ours.reached(now, at_end=at >= end and not self.settings.historic), 0
        if not self.settings.historic:  # whose records bear their own time: when they came here says nothing
            delay = ours.delay(ours.last_record_at if at < end else now)
            TRANSPORT_DELAY.labels(tp.topic, str(tp.partition)).set(delay / 1000)
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
    app.outputs = settings.topics.facts, settings.topics.dead_letters
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

    @app.task
    async def news() -> None:
        await tell(app, ingest.news)

    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        no_lag(*ingest.topics[Source.SMTP], *ingest.topics[Source.SES])
        for tp in list(ingest.spoken):
            ingest.forget(tp)

    return app


def _now() -> Instant:
    return int(time.time() * 1000)
