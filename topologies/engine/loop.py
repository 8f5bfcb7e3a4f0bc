"""What an agent does with its batches: exactly once into a sharded table (`run`), or at least once (`feed`).

    @app.agent(facts)
    async def correlate(stream):
        await run(table, stream, step)

    @app.task
    async def commits():
        await committer(table, before_commit=ask_with(sender))

Whatever goes wrong ends the process, with one line. A step that broke off half-way is never committed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from faust.types import TP

from topologies.engine.batch import Batch
from topologies.engine.errors import EngineError, HoleError
from topologies.engine.sender import Record, Sender
from topologies.engine.shard import Shard
from topologies.engine.table import After, Before, ShardedTable

Step = Callable[[Shard, Batch], None]
Handle = Callable[[TP, Batch], Awaitable[int | None]]


async def run(table: ShardedTable, stream: Any, step: Step) -> None:
    """Apply `step(shard, batch)` to every Batch of the table's source, in order, once.

    `step` is an ordinary function: it changes the shard and nothing else, and never waits. What it does takes effect
    with the next commit or not at all. The stream's topic and the table must have the same number of partitions.
    """
    try:
        async for event in stream.noack().events():
            with table.app.consumer.at_work():
                await _step_once(table, event, step)
    except Exception as cause:  # noqa: BLE001  # crash-only
        await table.app.crash(cause)


async def _step_once(table: ShardedTable, event: Any, step: Step) -> None:
    shard = _shard_of(table, event)
    if shard is None:
        return
    async with shard.lock:
        if shard.retired or _shard_of(table, event) is not shard:
            return
        _check_contiguous(shard, event)
        table.source = event.message.topic
        await shard.begin()
        try:
            step(shard, event.value)
        except BaseException:
            shard.poison()
            raise
        shard.position = event.value.after
        shard.pending += len(event.value.records)
        table.app.consumer.finish(event)
    if shard.pending >= table.app.engine.commit_records:
        table.due.set()


def _shard_of(table: ShardedTable, event: Any) -> Shard | None:
    """None where the group has rebalanced since the event was fetched: whoever has it now reads it again."""
    app, message = table.app, event.message
    if app.rebalancing or not table.ready or message.generation_id != app.consumer_generation_id:
        return None
    shard = table.shards.get(message.partition)
    if shard is None:
        raise EngineError(
            f"{message.topic}/{message.partition} is ours and its shard is not: "
            f"the topic and {table.changelog_topic_name} must have the same number of partitions"
        )
    return shard


def _check_contiguous(shard: Shard, event: Any) -> None:
    first = event.value.first
    if shard.position is not None and first != shard.position:
        where = f"{event.message.topic}/{event.message.partition}"
        raise HoleError(f"{where}: a batch begins at {first}, the state is at {shard.position}")


async def committer(
    table: ShardedTable,
    interval: float | None = None,
    before_commit: Before | None = None,
    after_commit: After | None = None,
) -> None:
    """Commit all shards every `interval` seconds (`commit_interval`), and as soon as one has `commit_records` pending.

    `before_commit(shard)` sends the shard's asks and returns once Kafka has them. `after_commit(shard, seconds)` is
    an ordinary function: what it counts has happened. The same two are called for the last commit before a rebalance or
    a shutdown. Both are attributes of the table, too: set there, they are in place before the first batch.
    """
    table.before_commit = before_commit or table.before_commit
    table.after_commit = after_commit or table.after_commit
    pause = table.app.engine.commit_interval if interval is None else interval
    try:
        while not table.app.should_stop:
            with suppress(TimeoutError):
                await asyncio.wait_for(table.due.wait(), pause)
            table.due.clear()
            if table.ready:
                await table.commit_all()
    except Exception as cause:  # noqa: BLE001  # crash-only
        await table.app.crash(cause)


def ask_with(sender: Sender) -> Before:
    """A `before_commit` that sends the shard's asks with a plain producer."""

    async def send(shard: Shard) -> None:
        await sender.send([Record(topic, key, value, partition) for topic, partition, key, value in shard.asks])

    return send


async def feed(app: Any, stream: Any, handle: Handle) -> None:
    """Give every Batch to `await handle(tp, batch)`, in order, at least once.

    When it returns, all that it made of the batch is acknowledged by Kafka. It returns the offset below which the
    input may be committed: None for all of the Batch, less where it holds back the beginning of something unfinished.
    """
    try:
        async for event in stream.noack().events():
            message, batch = event.message, event.value
            if app.rebalancing or message.generation_id != app.consumer_generation_id:
                continue
            with app.consumer.at_work():
                upto = await handle(message.tp, batch)
                app.consumer.finish(event)
                app.consumer.ack_range(message.tp, batch.after if upto is None else upto, message.generation_id)
    except Exception as cause:  # noqa: BLE001  # crash-only
        await app.crash(cause)
