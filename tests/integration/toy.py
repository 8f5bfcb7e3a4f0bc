"""A topology that knows nothing of mail: it counts the records of a key and publishes every tenth count, exactly once.

    python toy.py BOOTSTRAP PREFIX {count|copy}...

`copy` takes PREFIX-raw to PREFIX-facts, at least once; `count` takes PREFIX-facts to PREFIX-out. Each step is slow, so
that there is a middle to be killed in. Standard error tells how far it is.
"""

import asyncio
import logging
import os
import sys
import time

from topologies.app import build_app, input_topic, run_apps, trails_table
from topologies.engine.loop import ask_with, committer, feed, run
from topologies.engine.sender import Record
from topologies.engine.settings import EngineSettings

EVERY = 10
SLOW = float(os.environ.get("TOY_SLOW", "0"))


def count(settings):
    app = build_app("correlate", settings)
    table = trails_table(app)
    out = f"{settings.prefix}-out"
    asks = f"{settings.prefix}-asks"
    done = 0

    @table.on_restored
    def restored(shards):
        rows = sum(len(shard.rows) for shard in shards.values())
        tell(f"ready {sorted(shards)} rows {rows} fenced {table.fence_seconds:.3f} restored {table.restored}")

    def step(shard, batch):
        if SLOW:
            tell("step")
            time.sleep(SLOW)
        shard.local = (shard.local or 0) + len(batch.records)
        for record in batch.records:
            number = int(shard.rows.get(record.key, b"0")) + 1
            shard.put(record.key, b"%d" % number)
            if number % EVERY == 0:
                shard.emit(out, record.key, b"%d" % number, headers=[("by", b"toy")])
                shard.asks.append((asks, None, record.key, b"%d" % number))

    def committed(shard, seconds):
        nonlocal done
        done += shard.local or 0
        shard.local = 0
        tell(f"committed {done} in {seconds:.3f}")

    @app.agent(input_topic(app, f"{settings.prefix}-facts"))
    async def counted(stream):
        await run(table, stream, step)

    @app.task
    async def commits():
        await committer(table, before_commit=ask_with(app.sender()), after_commit=committed)

    return app


def copy(settings):
    app = build_app("ingest", settings)
    sender = app.sender()
    copied = 0

    async def handle(_, batch):
        nonlocal copied
        await sender.send([Record(f"{settings.prefix}-facts", record.key, record.value) for record in batch.records])
        copied += len(batch.records)
        tell(f"hole {batch.first} to {batch.after}" if batch.hole else f"copied {copied}")

    @app.agent(input_topic(app, f"{settings.prefix}-raw"))
    async def copies(stream):
        await feed(app, stream, handle)

    @app.task
    async def ends():
        while not app.should_stop:
            at = await app.consumer.position_and_end(app.consumer.assignment())
            tell(f"settled {sum(position for position, _ in at.values())} of {sum(end for _, end in at.values())}")
            await asyncio.sleep(0.2)

    return app


def tell(text):
    sys.stderr.write(f"{time.strftime('%X')} {text}\n")


def main():
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    bootstrap, prefix, *roles = sys.argv[1:]
    settings = EngineSettings(
        bootstrap_servers=bootstrap,
        prefix=prefix,
        partitions=4,
        session_timeout=6.0,
        heartbeat=0.5,
        commit_interval=0.1,
        batch_records=200 if SLOW else 1000,
    )
    return run_apps([{"count": count, "copy": copy}[role](settings) for role in roles])


if __name__ == "__main__":
    sys.exit(main())
