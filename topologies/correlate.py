"""The correlate role: facts -> trails -> verdicts, exactly once.

Each facts partition is a shard with a `Correlator` over its rows. All that is changed or said becomes visible in one
transaction; what one name tells another goes to the facts topic before it, since it may come twice but never not. What
is read between two commits is taken in together, right before the second: nobody could see it earlier, and a mail of
which several facts came is judged once, and not once a batch.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import orjson
from aiokafka.errors import KafkaError

from service import facts_record
from service.contract import cloudevents, dead_letter
from service.correlate import Correlator, PartitionCountError
from service.documents import Documents
from service.facts import Fact, Name, Reason, Sighting, Source
from service.facts_record import FactsRecord
from service.intake import packed
from service.logs import News, fields, log
from service.metrics import COMMIT_SECONDS, DEAD_LETTERS, GRACE, RESTORE_SECONDS, RESTORES, count, release
from service.policy import Policy
from service.rows import UnknownVersionError
from service.ruling import Outputs, Published
from service.settings import Settings
from service.tally import Tally
from topologies.app import build_app, input_topic, trails_table
from topologies.engine.app import App
from topologies.engine.batch import Batch
from topologies.engine.errors import EngineError, RecordTooLargeError, StuckError
from topologies.engine.loop import ask_with, committer, run
from topologies.engine.partitions import partition_of
from topologies.engine.sender import Sender
from topologies.engine.settings import EngineSettings
from topologies.engine.shard import Shard
from topologies.engine.table import Before, ShardedTable
from topologies.gauges import gauge, lag, no_lag
from topologies.lost_state import refuse_lost_state
from topologies.news import tell, tell_hole

LAG_EVERY: Final = 2.0
TOGETHER: Final = 2000
"""Fragments of trails that are taken in together at most: the time for which the event loop may be held."""


class ShardRows:
    """A shard's rows as the correlator wants them."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self.get, self.items = shard.rows.get, shard.rows.items
        self.put, self.remove = shard.put, shard.remove


@dataclass(slots=True)
class Waiting:
    """What was read and is not taken in yet."""

    records: list[FactsRecord] = field(default_factory=list)
    fragments: int = 0
    first: int = 0
    """Its first offset."""
    read: int = 0
    """The timestamp of its last record."""

    def add(self, batch: Batch, records: list[FactsRecord]) -> None:
        """A batch more."""
        if not self.records:
            self.first = batch.first
        self.records += records
        self.fragments += sum([len(record.fragments) for record in records])
        self.read = batch.records[-1].timestamp if batch.records else self.read


class Judge:
    """What stands in `shard.local`: the correlator, what waits for it, and what it counted since the last commit."""

    def __init__(self, shard: Shard, settings: Settings, engine: EngineSettings, policy: Policy) -> None:
        self.waiting = Waiting()
        self.tally = Tally()
        self.conditions: list[Published] = []
        """Raised or cleared, and not committed yet."""
        try:
            self.correlator = Correlator(
                ShardRows(shard), policy, _documents(settings), sources(settings), engine.partitions, shard.partition
            )
        except (PartitionCountError, UnknownVersionError) as error:
            raise EngineError(f"{settings.topics.changelog}/{shard.partition}: {error}") from error


def _documents(settings: Settings) -> Documents:
    documents = Documents(historic=settings.historic)
    return documents if settings.runbooks is None else replace(documents, runbooks=settings.runbooks)


def sources(settings: Settings) -> list[Source]:
    """Those that are configured."""
    return [s for s, topics in ((Source.SMTP, settings.smtp_topics), (Source.SES, settings.ses_topics)) if topics]


def step(settings: Settings, partitions: int, shard: Shard, batch: Batch) -> None:
    """One batch of facts: an ordinary function, which changes the shard and nothing else."""
    judge: Judge = shard.local
    if batch.hole:
        tell_hole(log, settings.topics.facts, shard.partition, batch)
        take_in(settings, partitions, shard)  # what came before the hole
        judge.correlator.lose(settings.topics.facts, shard.partition, batch.first, batch.after)
    judge.waiting.add(batch, [_unpacked(settings, record) for record in batch.records if record.value])
    if judge.waiting.fragments >= TOGETHER:
        take_in(settings, partitions, shard)


def _before_commit(settings: Settings, partitions: int, sender: Sender) -> Before:
    ask = ask_with(sender)

    async def before(shard: Shard) -> None:
        take_in(settings, partitions, shard)
        await ask(shard)

    return before


def take_in(settings: Settings, partitions: int, shard: Shard) -> None:
    """All that waits, and what is to be said of it: the last thing before a commit. It never waits, as a step."""
    judge: Judge = shard.local
    waiting, judge.waiting = judge.waiting, Waiting()
    judge.correlator.take(waiting.records)
    said = judge.correlator.drain()
    judge.tally.take(said.tally)
    judge.conditions += said.conditions
    _publish(settings, shard, waiting, said)
    _tell(settings, partitions, shard, said)
    for name, facts, why in said.failures:
        value = facts_record.pack(FactsRecord([(name, facts)]))
        seen = max((sighting.seen for _, sighting in facts), default=0)
        _bury(settings, shard, waiting, name, value, Reason.INTERNAL_ERROR, seen, why)


def _unpacked(settings: Settings, record: Any) -> FactsRecord:
    """Another release's facts end the worker before it has taken in any of the batch: it must not guess."""
    try:
        return facts_record.unpack(record.value)
    except UnknownVersionError as error:
        where = f"{settings.topics.facts}/{record.partition}, offset {record.offset}"
        raise EngineError(f"{where}: {error}") from error


def _publish(settings: Settings, shard: Shard, waiting: Waiting, said: Outputs) -> None:
    topics = settings.topics
    for topic, event, documents in (
        (topics.correlated, cloudevents.CORRELATED, said.correlated),
        (topics.gaps, cloudevents.GAP, said.gaps),
        (topics.gaps, cloudevents.CONDITION, said.conditions),
    ):
        for key, revision, value in documents:
            headers = cloudevents.headers(event, key, revision, value, prefix=settings.prefix)
            try:
                shard.emit(topic, key.encode(), value, headers=headers)
            except RecordTooLargeError as error:
                _bury(settings, shard, waiting, key.encode(), None, Reason.TOO_LARGE, waiting.read, str(error))


def _tell(settings: Settings, partitions: int, shard: Shard, said: Outputs) -> None:
    """What names tell each other, as facts records: one a partition."""
    by_partition: dict[int, dict[Name, list[tuple[Fact, Sighting]]]] = {}
    for message in said.messages:
        names = by_partition.setdefault(partition_of(message.name, partitions), {})
        names.setdefault(message.name, []).append((message.fact, message.sighting))
    for where, names in by_partition.items():
        shard.asks += [(settings.topics.facts, where, b"", value) for value in packed(list(names.items()))]


def _bury(
    settings: Settings,
    shard: Shard,
    waiting: Waiting,
    key: bytes,
    value: bytes | None,
    reason: Reason,
    seen: int,
    why: str,
) -> None:
    """What must not stop the partition, in the same transaction: a fragment on which the core failed (rule 23), kept
    for repair and paged for; or that there is a document which no topic takes. Its row keeps all that it says.
    """
    letter = dead_letter.DeadLetter(
        topic=settings.topics.facts,
        partition=shard.partition,
        offset=waiting.first,
        timestamp=seen,
        reason=reason,
        stage=f"correlate: {why[:200]}",
        version=release(),
    )
    shard.emit(settings.topics.dead_letters, key, value, headers=dead_letter.headers(letter))
    judge: Judge = shard.local
    judge.tally.add(("dead_letters", reason))


def _log_conditions(judge: Judge) -> None:
    """What was raised or cleared by the commit."""
    records, judge.conditions = judge.conditions, []
    for record in records:
        said = orjson.loads(record.value)
        named = {name: said[name] for name in ("condition", "state", "source", "about", "since")}
        log.warning("conditions", extra=fields("conditions", **named))


def _count(settings: Settings, tally: Tally) -> None:
    """Adds what was counted to the metrics, by which people are paged: so nothing of history."""
    if not settings.historic:
        count(tally)


def _measure(app: App, table: ShardedTable, settings: Settings, policy: Policy) -> None:
    if settings.historic:
        return
    app.before_scrape = partial(gauge, table, sources(settings))
    GRACE.set(policy.grace / 1000)
    DEAD_LETTERS.labels(Reason.INTERNAL_ERROR)  # shown at 0 from the start: the first one is an increase, and pages


async def state_lag(app: App, settings: Settings) -> None:
    """Says, again and again, what waits of our facts. A Kafka that is out of reach for a while is no end of us."""
    while not (app.should_stop or settings.historic):
        await asyncio.sleep(LAG_EVERY)
        if not app.rebalancing and app.consumer.assignment():
            with suppress(KafkaError, StuckError):
                lag(await app.consumer.position_and_end(app.consumer.assignment()))


def correlate_app(settings: Settings, engine: EngineSettings, policy: Policy) -> App:
    """The correlate role's app."""
    app = build_app("correlate", engine)
    app.outputs = settings.topics.correlated, settings.topics.gaps, settings.topics.dead_letters
    table = trails_table(app)
    sender, news = app.sender(), News()

    @table.on_restored
    async def restored(shards: Mapping[int, Shard]) -> None:
        await refuse_lost_state(app, settings.topics.facts, settings.topics.changelog, shards)
        for shard in shards.values():  # a million rows take seconds, in which probes want their answer
            shard.local = await asyncio.to_thread(Judge, shard, settings, engine, policy)
        RESTORE_SECONDS.set(table.restored[1])
        RESTORES.inc()
        rows, seconds = table.restored
        log.info("restored", extra=fields("restored", shards=len(shards), rows=rows, seconds=round(seconds, 3)))

    def committed(shard: Shard, seconds: float) -> None:
        COMMIT_SECONDS.observe(seconds)
        judge: Judge = shard.local
        tally, judge.tally = judge.tally, Tally()
        _count(settings, tally)
        news.note(tally)
        _log_conditions(judge)

    table.before_commit, table.after_commit = _before_commit(settings, engine.partitions, sender), committed

    @app.agent(input_topic(app, settings.topics.facts))
    async def correlate(stream: Any) -> None:
        await run(table, stream, partial(step, settings, engine.partitions))

    @app.task
    async def commits() -> None:
        await committer(table)

    _measure(app, table, settings, policy)

    @app.task
    async def telling() -> None:
        await tell(app, news)

    @app.task
    async def lags() -> None:
        try:
            await state_lag(app, settings)
        except Exception as cause:  # noqa: BLE001 crash-only
            await app.crash(cause)

    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        no_lag(settings.topics.facts)

    return app
