"""`python -m tests.bench.latency [--rate MAILS] [--seconds S]`: how long a worker takes to say what it has read.

A real Kafka and the load on one core, a worker with both roles on another. So many mails a second are written while
they happen, and somebody reads what the worker publishes, as a consumer would (`read_committed`). Prints percentiles of
the time from an event's writing to the record that tells of it, and from the instant at which a gap may be announced
(its deadline and the grace) to its announcement.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from service.demo.broker import LocalKafka
from service.demo.broker_servers import free_port
from tests.bench.mails import records
from tests.bench.worker import PARTITIONS, READ, make_topics, start, wait_for

GRACE: Final = 1.0
POLICY: Final = f"""
defaults:
  {{handoff: 5s, first_event: 5s, max_delivery: 10s, grace: {GRACE:g}s, keep: 20s, queue_lifetime: 60s, window: 10s}}
"""
WARM_UP: Final = 5.0
"""Seconds of which nothing is measured."""
FINAL: Final = (b'{"eventType":"Delivery"', b'{"eventType":"Bounce"')


def main() -> None:
    """Prints what it measured."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--rate", type=int, default=500, help="mails a second (default: 500), of seven records each")
    flags.add_argument("--seconds", type=int, default=40, help="how long (default: 40)")
    given = flags.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    with (
        tempfile.TemporaryDirectory(prefix="mailgap-latency-") as folder,
        LocalKafka(Path(folder, "kafka"), own=True) as kafka,
    ):
        asyncio.run(_measure(kafka.bootstrap_servers, Path(folder), cores[-1], given.rate, given.seconds))


async def _measure(bootstrap: str, folder: Path, core: int, rate: int, seconds: int) -> None:
    await make_topics(bootstrap)
    worker, port = _worker(bootstrap, folder, core)
    watch = Watch(bootstrap)
    try:
        watching = asyncio.create_task(watch.run())
        await _write(bootstrap, 100, 100, watch)
        await asyncio.to_thread(wait_for, worker, port, READ, lambda read: read > 0)
        await _write(bootstrap, rate, int((seconds + WARM_UP) * rate), watch)
        await asyncio.sleep(15)
        watching.cancel()
    finally:
        worker.terminate()
        worker.wait(60)
    print(f"{rate} mails/s for {seconds} s; seconds")
    _show("event to record", watch.events)
    _show("gap", watch.gaps)


def _worker(bootstrap: str, folder: Path, core: int) -> tuple[subprocess.Popen[bytes], int]:
    key, policy, port = folder / "key", folder / "policy.yaml", free_port()
    key.write_text("0123456789abcdef0123456789abcdef")
    policy.write_text(POLICY)
    where = "--bootstrap-servers", bootstrap
    topics = [sys.executable, "-m", "service.cli", "topics", "create", *where, "--partitions", str(PARTITIONS)]
    subprocess.run(topics, check=True, stdout=subprocess.DEVNULL)
    ours = "--smtp-topic", "smtp", "--ses-topic", "ses", "--pseudonym-key-file", key, "--policy", policy
    bind = "--http-bind", f"127.0.0.1:{port}"
    with (folder / "worker.log").open("wb") as log:
        return start(core, "-m", "service.cli", "worker", *where, *ours, *bind, stderr=log), port


class Watch:
    """Reads what is published, and how long it took."""

    def __init__(self, bootstrap: str) -> None:
        """Nothing was written yet."""
        self.written: dict[str, float] = {}
        """When the final event of a mail was written, until it is told of."""
        self.since = float("inf")
        self.events: list[float] = []
        self.gaps: list[float] = []
        self._bootstrap = bootstrap

    async def run(self) -> None:
        """Until it is cancelled."""
        reader = AIOKafkaConsumer(
            "mailgap-correlated",
            "mailgap-gaps",
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
        )
        await reader.start()
        try:
            while True:
                for tp, found in (await reader.getmany(timeout_ms=50)).items():
                    now = time.time()
                    for record in found:
                        self._gap(record.value, now) if tp.topic == "mailgap-gaps" else self._record(record.value, now)
        finally:
            await reader.stop()

    def _record(self, value: bytes, now: float) -> None:
        said = orjson.loads(value)
        if said["recipients"] and said["recipients"][0]["outcome"] in {"delivered", "bounced"}:
            written = self.written.pop(said["mail_id"], None)
            if written is not None and written > self.since:
                self.events.append(now - written)

    def _gap(self, value: bytes, now: float) -> None:
        said = orjson.loads(value)
        if said.get("state") == "opened" and now - WARM_UP > self.since:
            self.gaps.append(now - datetime.fromisoformat(said["deadline"]).timestamp() - GRACE)


async def _write(bootstrap: str, rate: int, mails: int, watch: Watch) -> None:
    """So many mails, each record at its turn."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await producer.start()
    began = time.time()
    watch.since = began + WARM_UP
    each = 1 / (rate * 7)
    for number, record in enumerate(records(mails, seed=rate, begin=int(began * 1000), every=max(1000 // rate, 1))):
        ahead = began + number * each - time.time()
        if ahead > 0.002:
            await asyncio.sleep(ahead)
        now = time.time()
        if record.value.startswith(FINAL):
            watch.written[record.key.decode()] = now
        await producer.send(record.source, record.value, key=record.key, timestamp_ms=int(now * 1000))
    await producer.stop()


def _show(what: str, seconds: list[float]) -> None:
    if len(seconds) < 2:
        sys.exit(f"{what}: nothing was published")
    cuts = quantiles(seconds, n=100, method="inclusive")
    shown = "  ".join(f"p{percent} {cuts[percent - 1]:.2f}" for percent in (50, 90, 99))
    print(f"{what:16} {shown}  most {max(seconds):.2f}  of {len(seconds):,}")


if __name__ == "__main__":
    main()
