"""Archives -> backfill -> Kafka -> worker: what `scan` says of the same files, and nobody is told."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.contract import historic
from service.notifications.board import Board
from tests.integration import sample as samples
from tests.integration.aws import KEYS, REGION
from tests.integration.judged import unequal
from tests.integration.world import Input, Reader, World, clean_environment, eventually, mailgap, ready

if TYPE_CHECKING:
    from tests.integration.sample import Sample

pytestmark = pytest.mark.kafka

LONG_AGO = 1_771_923_600_000
"""2026-02-24T09:00:00Z: no clock of ours has to do with it."""


@pytest.fixture
def history(kafka, prefix, tmp_path):
    """A world whose inputs are a backfill's."""
    made = World(kafka, prefix, tmp_path)
    yield made
    made.end()


def archived(sample: Sample, folder: Path) -> tuple[Path, Path]:
    """Its records as rotated logs and Firehose's objects; the names say nothing of their order."""
    logs, events = folder / "logs", folder / "events"
    logs.mkdir()
    events.mkdir()
    smtp = [record.value for record in sample.records if record.source == "smtp"]
    ses = [record.value for record in sample.records if record.source == "ses"]
    third = len(smtp) // 3
    for name, part in (("mail.log", smtp[2 * third :]), ("mail.log.1", smtp[third : 2 * third])):
        (logs / name).write_bytes(b"\n".join(part) + b"\n")
    (logs / "mail.log.2.gz").write_bytes(gzip.compress(b"\n".join(smtp[:third]) + b"\n"))
    for number in range(5):
        part = ses[number::5] if number % 2 else ses[number::5][::-1]
        (events / f"{(number * 7) % 5}-events.gz").write_bytes(gzip.compress(b"".join(part)))  # one after the other
    for path in logs.iterdir():
        os.utime(path, (sample.end / 1000, sample.end / 1000))
    return logs, events


def scanned(logs: Path, events: Path, policy: Path) -> dict[str, dict[str, Any]]:
    done = mailgap("scan", "--smtp", logs, "--ses", events, "--policy", policy, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) | {"historic": True} for line in done.stdout.splitlines()]
    return {document["mail_id"]: document for document in documents}


async def judged(world: World, policy: Path, scan: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What a historic worker publishes, once it says what the scan does; it must come to that."""
    names = {source: f"{world.prefix}-history-{source}" for source in ("smtp", "ses")}
    flags = [word for source, name in names.items() for word in (f"--{source}-topic", name)]
    worker = world.worker("--historic", "--policy", str(policy), *flags)
    await ready(worker)
    found: dict[str, list[dict[str, Any]]] = {}

    def wrong() -> list[str]:
        return unequal(scan, {key: documents[-1] for key, documents in found.items()})

    async def same() -> bool:
        found.update(await world.documents())
        return not wrong()

    await eventually(same, 240, lambda: (len(found), len(scan), wrong()[:6], worker.text()[-3000:]))
    assert worker.metric("mailgap_gaps_opened_total") == 0
    assert worker.metric("mailgap_outcomes_total") == worker.metric("mailgap_records_total") == 0
    assert worker.samples("mailgap_source_watermark_timestamp_seconds") == []
    assert worker.samples("mailgap_lag_records") == []
    return found


def test_the_verdicts_are_those_of_a_scan_and_nobody_is_told(history, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)
    logs, events = archived(samples.make(77, 150, LONG_AGO, 60), tmp_path)
    (events / "0-events.gz").rename(events / os.fsdecode(b"0-\xff.gz"))
    scan = scanned(logs, events, policy)
    history.create_ours()
    given = "--smtp", logs, "--ses", events, "--spool", tmp_path / "spool.db", "--policy", policy
    done = mailgap("backfill", *history.where(), "--partitions", 3, *given)
    assert done.returncode == 0, done.stderr
    found = asyncio.run(judged(history, policy, scan))
    assert {document["historic"] for documents in found.values() for document in documents} == {True}
    records = asyncio.run(history.read("gaps"))
    gaps = [json.loads(record.value) for record in records]
    assert any(gap["state"] == "opened" for gap in gaps), "history has gaps, too"
    assert {gap.get("historic") for gap in gaps} == {True}, "and no conditions"
    assert not any(gap.get("resolution") == "late_evidence" for gap in gaps), "time was read in its order"
    board = Board(history.prefix)
    assert all(board.take(record.key.decode(), record.value) for record in records)
    assert list(board.subjects()) == [], "and `mailgap notify`, which tells what is on its board, tells nobody"
    again = mailgap("backfill", *history.where(), "--partitions", 3, *given)
    assert again.stderr.splitlines()[0] == done.stderr.splitlines()[0], "what was sent is not sent again"


@pytest.mark.slow
def test_an_s3_prefix_is_replayed_and_goes_on_where_it_was_killed(history, aws, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)
    sample = samples.make(78, 2000, LONG_AGO, 600)
    logs, events = archived(sample, tmp_path)
    bucket = f"archive-{history.prefix}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for path in (*logs.iterdir(), *events.iterdir()):
        s3.upload_file(str(path), bucket, f"{path.parent.name}/2026/02/24/{path.name}")
    s3.put_object(Bucket=bucket, Key="events/2026/", Body=b"")
    scan = scanned(logs, events, policy)
    history.create_ours()
    given = "--smtp", logs, "--ses", f"s3://{bucket}/events/", "--endpoint-url", aws.address, "--policy", policy
    command = "backfill", *history.where(), "--partitions", 3, *given, "--spool", tmp_path / "spool.db"

    async def some_was_sent() -> None:
        async def there() -> bool:
            return f"{history.prefix}-history-ses" in await _topics(history)

        await eventually(there, 60, lambda: None)
        async with Reader(history.kafka, f"{history.prefix}-history-ses") as reader:

            async def some() -> bool:
                return bool(await reader.news())

            await eventually(some, 60, lambda: None)

    arguments = [sys.executable, "-m", "service.cli", *map(str, command)]
    with subprocess.Popen(arguments, env=clean_environment(**KEYS), stderr=subprocess.PIPE) as running:
        asyncio.run(some_was_sent())
        assert running.poll() is None, "it was done before it could be killed"
        running.kill()
    done = mailgap(*command, **KEYS)
    assert done.returncode == 0, done.stderr
    asyncio.run(judged(history, policy, scan))


async def _topics(world: World) -> list[str]:
    async with world.admin() as admin:
        return await admin.list_topics()


def test_live_inputs_are_refused(world, tmp_path):
    """Rule 21: a topic that holds anything else; and one that holds another backfill, whose end was said."""
    (tmp_path / "mail.log").write_text("x\n")
    live = f"{world.prefix}-history-smtp"
    asyncio.run(world.make_topics({live: 1}))
    given = "--smtp", tmp_path / "mail.log", "--spool", tmp_path / "spool.db"

    async def write(headers: list[tuple[str, bytes]]) -> None:
        async with world.producer() as producer:
            await producer.send_and_wait(live, b"x", headers=headers)

    def said() -> str:
        done = mailgap("backfill", *world.where(), *given)
        assert done.returncode == 1
        return done.stderr.decode()

    asyncio.run(write([(historic.NAME, historic.RECORD)]))
    assert f"topic {live} holds another backfill: give its --spool" in said()
    asyncio.run(write([]))
    assert f"topic {live} holds records that no backfill wrote: is it live?" in said()


def test_a_prefix_whose_workers_have_read_live_mail_is_refused(world, tmp_path):
    """Rule 21, by the group's offsets: whatever its topics hold, and whether or not a worker runs."""
    (tmp_path / "mail.log").write_text("x\n")

    async def read(topic: str) -> None:
        group = f"{world.prefix}-ingest"
        async with AIOKafkaConsumer(bootstrap_servers=world.kafka, group_id=group, enable_auto_commit=False) as reader:
            partition = TopicPartition(topic, 0)
            reader.assign([partition])
            await reader.commit({partition: 0})

    def done() -> subprocess.CompletedProcess[bytes]:
        return mailgap("backfill", *world.where(), "--smtp", tmp_path / "mail.log", "--spool", tmp_path / "spool.db")

    history = f"{world.prefix}-history-smtp"
    asyncio.run(world.make_topics({history: 1}))
    asyncio.run(read(history))
    asyncio.run(read(world.smtp))
    refused = done()
    assert refused.returncode == 1
    assert refused.stderr.decode().split() == (
        f"Error: --prefix {world.prefix}: its workers read {world.smtp}, which is live; history needs a prefix of its"
        " own"
    ).split()  # fmt: skip
    assert f"{world.prefix}-history-ses" not in asyncio.run(_topics(world)), "nothing is made for it"


@pytest.mark.slow
def test_history_and_the_present_do_not_meet_in_one_worker(world):
    async def story() -> str:
        async with world.producer() as producer:
            headers = [(historic.NAME, historic.RECORD)]
            await producer.send_and_wait(world.smtp, b"history", headers=headers, partition=0)
        live = world.start()
        live.ends(60)
        return live.text()

    said = asyncio.run(story())
    assert "this is history, which `mailgap backfill` wrote: start its worker with --historic" in said
    assert "Traceback" not in said
    asyncio.run(world.produce([Input(LONG_AGO, "ses", b"", b"{}")]))
    worker = world.start("--historic")
    assert worker.ends(60) != 0
    assert "no `mailgap backfill` wrote this record: start the worker without --historic" in worker.text()
