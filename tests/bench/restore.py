"""`python -m tests.bench.restore [--rows N]`: how long a worker takes to have its state back after a crash.

Rows as mails make them (three a mail) stand in the changelog of a real Kafka. What is measured is what a worker does
then: it reads them back (`topologies.engine.restore`), and knows deadlines and open gaps again (`service.correlate`).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.correlate import Correlator
from service.demo.broker import LocalKafka
from service.documents import Documents
from service.facts import Source
from tests.bench.mails import records
from tests.bench.soak import POLICY, Shard, batches, resident
from tests.stories.world import Store
from topologies.engine.partitions import partition_of
from topologies.engine.restore import restore
from topologies.engine.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC: Final = "restore"
PARTITIONS: Final = 8
SAMPLE: Final = 3_000
"""Mails whose rows are written again and again, under other names."""
AT_ONCE: Final = 20_000


def main() -> None:
    """Prints a line."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--rows", type=int, default=1_000_000, help="rows (default: 1,000,000)")
    rows = flags.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="mailgap-bench-") as home, LocalKafka(Path(home), own=True) as kafka:
        print(asyncio.run(_measure(kafka.bootstrap_servers, rows)))


async def _measure(bootstrap_servers: str, count: int) -> str:
    settings = EngineSettings(bootstrap_servers=bootstrap_servers, partitions=PARTITIONS)
    size = await _write(settings, count)
    ends = await _ends(settings)
    shards = {p: Store() for p in range(PARTITIONS)}
    began = time.perf_counter()
    before = resident()
    read = await restore(TOPIC, shards, ends, settings, lambda: True)
    between = time.perf_counter()
    opened = 0
    for number, store in shards.items():
        correlator = Correlator(store, POLICY, Documents(), tuple(Source), PARTITIONS, number)
        opened += correlator.open_names
    ended = time.perf_counter()
    grown = resident() - before
    return (
        f"{read:,} rows ({size / (1 << 20):,.0f} MiB) in {PARTITIONS} shards: read in {between - began:.1f} s,"
        f" {opened:,} names with deadlines known again in {ended - between:.1f} s; {ended - began:.1f} s in all;"
        f" {grown / max(read, 1):,.0f} bytes of memory a row"
    )


async def _write(settings: EngineSettings, count: int) -> int:
    admin = AIOKafkaAdminClient(**settings.clients())
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()
    size = 0
    async with AIOKafkaProducer(**settings.clients(), linger_ms=50, max_batch_size=1 << 18) as producer:
        waiting = []
        for name, value in itertools.islice(_rows(), count):
            size += len(name) + len(value)
            waiting.append(await producer.send(TOPIC, value, key=name, partition=partition_of(name, PARTITIONS)))
            if len(waiting) == AT_ONCE:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
    return size


def _rows() -> Iterator[tuple[bytes, bytes]]:
    shard = Shard()
    for batch in batches(records(SAMPLE)):
        shard.take(batch)
    sample = [(name, value) for name, value in shard.store.items() if name[:1] != b"\0"]
    for turn in itertools.count():
        yield from ((name + b"-%d" % turn, value) for name, value in sample)


async def _ends(settings: EngineSettings) -> dict[int, int]:
    tps = [TopicPartition(TOPIC, p) for p in range(PARTITIONS)]
    async with AIOKafkaConsumer(**settings.clients()) as consumer:
        return {tp.partition: end for tp, end in (await consumer.end_offsets(tps)).items()}


if __name__ == "__main__":
    main()
