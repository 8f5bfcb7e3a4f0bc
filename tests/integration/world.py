"""What a test of the whole program needs: topics of its own, workers as processes, and what stands on the topics."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.demo.broker_servers import free_port
from tests.integration.sample import iso

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from service.simulation.transport import Record
    from tests.integration.sample import Sample

ROOT = Path(__file__).parents[2]
OURS = ("facts", "correlated", "gaps", "dead-letters", "notified", "correlate-trails-changelog")
KEY = "0123456789abcdef0123456789abcdef"
LARGE = 6 << 20
MEMBERS = 5
"""Where they stand in Kafka's description of a group."""


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without what whoever runs the tests has set for mailgap."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILGAP_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def mailgap(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """Runs the command to its end; its output is bytes."""
    command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=clean_environment(**environment), timeout=90, check=False)


def scan(sample: Sample, folder: Path, policy: Path) -> dict[str, dict[str, Any]]:
    """What `mailgap scan` says of a sample, as of its end, by mail id."""
    paths = {source: folder / source for source in ("smtp", "ses")}
    for source, path in paths.items():
        path.write_bytes(b"\n".join(record.value for record in sample.records if record.source == source))
    files = "--smtp", paths["smtp"], "--ses", paths["ses"], "--policy", policy
    done = mailgap("scan", *files, "--as-of", iso(sample.end), "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({document["mail_id"] for document in documents}) == len(documents)
    return {document["mail_id"]: document for document in documents}


class Input(NamedTuple):
    """An input record that a test writes itself: `at` is its timestamp in milliseconds, `source` smtp or ses."""

    at: int
    source: str
    key: bytes
    value: bytes


@dataclass
class Worker:
    """A running `mailgap worker`."""

    process: subprocess.Popen
    log: Path
    port: int

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self, within: float = 15) -> int:
        return self.process.wait(within)

    def killed(self) -> None:
        """kill -9, where it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stopped(self) -> tuple[int, float]:
        """SIGTERM: its exit code, and the seconds that it took."""
        began = time.monotonic()
        self.send(signal.SIGTERM)
        return self.ends(), time.monotonic() - began

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name with these labels."""
        return sum(value for found, value in self.samples(name) if labels.items() <= found.items())

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        _, body = self.get("/metrics")
        found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", body, re.MULTILINE)
        return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for labels, value in found]

    def spoken(self) -> float:
        """Up to when, in seconds, every source has spoken, as the shard knows that knows least. 0: not yet."""
        said = [value for _, value in self.samples("mailgap_source_watermark_timestamp_seconds")]
        return min(said, default=0.0)

    def text(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class World:
    """Topics under one prefix, and the workers that run on them."""

    kafka: str
    prefix: str
    folder: Path
    partitions: int = 4
    replication: int = 1
    workers: list[Worker] = field(default_factory=list)

    @property
    def smtp(self) -> str:
        return f"{self.prefix}-in-smtp"

    @property
    def ses(self) -> str:
        return f"{self.prefix}-in-ses"

    def prepare(self) -> None:
        """Makes the inputs, of three partitions each, and ours by `mailgap topics create`."""
        asyncio.run(self.make_topics({self.smtp: 3, self.ses: 3}))
        self.create_ours()

    def create_ours(self) -> None:
        cut = "--partitions", self.partitions, "--replication", self.replication
        made = mailgap("topics", "create", *self.where(), *cut)
        assert made.returncode == 0, made.stderr

    def where(self) -> list[str]:
        return ["--bootstrap-servers", self.kafka, "--prefix", self.prefix]

    async def make_topics(self, topics: Mapping[str, int]) -> None:
        config = {"max.message.bytes": str(LARGE), "retention.ms": "-1"}
        async with self.admin() as admin:
            new = [NewTopic(n, c, self.replication, topic_configs=config) for n, c in topics.items()]
            answer = await admin.create_topics(new)
            assert not any(error[1] for error in answer.topic_errors), answer

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    def start(
        self, *arguments: str, inputs: World | None = None, addresses: str = "raw", module: str = "service.cli"
    ) -> Worker:
        """A worker on the inputs of this world, or of another; `module` is the program."""
        read = inputs or self
        topics = "--smtp-topic", read.smtp, "--ses-topic", read.ses
        return self.worker(*topics, *arguments, addresses=addresses, module=module)

    def worker(self, *arguments: str, addresses: str = "raw", module: str = "service.cli") -> Worker:
        """A worker on what the arguments say."""
        log, port = self.folder / f"{self.prefix}-worker-{len(self.workers)}.log", free_port()
        command = [
            sys.executable, "-m", module, "worker", *self.where(), "--http-bind", f"127.0.0.1:{port}",
            "--addresses", addresses, "--session-timeout", "6s", *arguments,
        ]  # fmt: skip
        return self._started(command, log, port)

    def notify(self, sinks: Path, *arguments: str, **environment: str) -> Worker:
        """A `mailgap notify` that tells these sinks."""
        log, port = self.folder / f"{self.prefix}-notify-{len(self.workers)}.log", free_port()
        command = [
            sys.executable, "-m", "service.cli", "notify", *self.where(), "--sinks", str(sinks),
            "--http-bind", f"127.0.0.1:{port}", "--session-timeout", "6s", *arguments,
        ]  # fmt: skip
        return self._started(command, log, port, **environment)

    def trace(self, store: str, *arguments: str) -> Worker:
        """A `mailgap trace` over this store."""
        log, port = self.folder / f"{self.prefix}-trace-{len(self.workers)}.log", free_port()
        command = [
            sys.executable, "-m", "service.cli", "trace", *self.where(), "--trace-store", store,
            "--http-bind", f"127.0.0.1:{port}", *arguments,
        ]  # fmt: skip
        return self._started(command, log, port)

    def _started(self, command: list[str], log: Path, port: int, **environment: str) -> Worker:
        with log.open("wb") as out:
            env = clean_environment(MAILGAP_PSEUDONYM_KEY=KEY, **environment)
            worker = Worker(subprocess.Popen(command, stdout=out, stderr=out, env=env), log, port)
        self.workers.append(worker)
        return worker

    def end(self) -> None:
        for worker in self.workers:
            worker.killed()

    async def produce(self, records: Iterable[Record | Input]) -> None:
        """Each with its own time, in this order."""
        async with self.producer() as producer:
            sent = [await self.send(producer, record) for record in records]
            await asyncio.gather(*sent)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, linger_ms=5, max_request_size=LARGE)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def send(self, producer: AIOKafkaProducer, record: Record | Input) -> asyncio.Future:
        topic = self.smtp if record.source == "smtp" else self.ses
        return await producer.send(topic, key=record.key, value=record.value, timestamp_ms=record.at)

    async def read(self, topic: str, *, committed: bool = True) -> list[Any]:
        """All records of one of our topics (`correlated`, `gaps`, …), partition by partition."""
        async with Reader(self.kafka, f"{self.prefix}-{topic}", committed=committed) as reader:
            return await reader.news()

    async def documents(self, topic: str = "correlated") -> dict[str, list[dict[str, Any]]]:
        """By key, the records in their order; of the gaps topic the gaps, without the conditions."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in await self.read(topic):
            document = json.loads(record.value)
            if "condition_id" not in document:
                found[record.key.decode()].append(document)
        return found


class Reader:
    """Reads a topic on, from its beginning."""

    def __init__(self, kafka: str, topic: str, *, committed: bool = True) -> None:
        level = "read_committed" if committed else "read_uncommitted"
        self._consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=kafka, isolation_level=level, auto_offset_reset="earliest"
        )

    async def __aenter__(self) -> Reader:  # noqa: PYI034 - there are no subclasses
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends now."""
        return dict(await self._consumer.end_offsets(self._consumer.assignment()))

    async def news(self) -> list[Any]:
        """What came since it was last asked for."""
        ends, found = await self.ends(), []
        while [tp for tp, end in ends.items() if await self._consumer.position(tp) < end]:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                found += records
        return found


async def eventually(true: Callable[[], Awaitable[bool]], within: float, otherwise: Callable[[], object]) -> None:
    """Asks until it is so. A bound, no pause that something is hoped to happen in."""
    until = time.monotonic() + within
    while not await true():
        assert time.monotonic() < until, otherwise()
        await asyncio.sleep(0.1)


async def ready(worker: Worker, within: float = 45) -> None:
    """Until `/readyz` says so."""

    async def is_ready() -> bool:
        assert worker.process.poll() is None, worker.text()
        return worker.get("/readyz")[0] == 200

    await eventually(is_ready, within, lambda: (worker.get("/readyz"), worker.text()))


async def spoken(worker: Worker, until: int, within: float = 60) -> None:
    """Until the sources have spoken up to `until` (milliseconds) in all shards of the worker."""

    async def so_far() -> bool:
        assert worker.process.poll() is None, worker.text()
        return worker.spoken() * 1000 > until

    await eventually(so_far, within, lambda: (worker.spoken(), until, worker.text()[-3000:]))


QUIET = 2000
"""Milliseconds of spoken time without a word: what names ask each other takes a few commits of 200 ms."""


async def settled(world: World, workers: Iterable[Worker], until: int, within: float = 60) -> None:
    """Until all has been spoken up to `until`, and nothing more follows from it."""
    workers = list(workers)
    for worker in workers:
        await spoken(worker, until, within)
    topics = [f"{world.prefix}-{name}" for name in ("correlated", "gaps")]
    async with Reader(world.kafka, topics[0]) as verdicts, Reader(world.kafka, topics[1]) as gaps:
        news: list[Any] = [None]
        await verdicts.news()
        await gaps.news()
        while news:  # what was spoken of may not be committed yet: once at least, nothing new must come for a while
            now = int(time.time() * 1000)
            for worker in workers:
                await spoken(worker, now + QUIET)
            news = [*await verdicts.news(), *await gaps.news()]
