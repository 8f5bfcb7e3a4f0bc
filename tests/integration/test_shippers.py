"""Real syslog daemons with our configurations bring a mail's lines to Kafka, whole, in order, and fit to be judged."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from service.facts import Accepted, Refused
from service.parsing.smtp import parse_smtp
from tests.integration import sample as samples
from tests.integration.shipped import AWAY, HOSTILE, ID, MAIL, arrived
from tests.integration.syslogs import HOST, Syslog, running
from tests.integration.world import eventually, ready

DAEMONS: Final = ("rsyslog", "syslog-ng")


def _logged(*lines: str) -> list[bytes]:
    return [f"<22>Nov 24 08:00:00 {line}".encode(errors="surrogateescape") for line in lines]


def _submission(number: int) -> bytes:
    return f"Q:{HOST}/4F2A00{number}".encode()


def _facts(value: bytes, seen: int) -> list[tuple[bytes, Any]]:
    """By name, as ingest makes them."""
    parsed, trouble = parse_smtp(value, seen)
    assert trouble is None
    return list(parsed.facts)


@pytest.mark.parametrize("name", DAEMONS)
def test_lines_arrive_whole_and_in_order_as_the_daemon_writes_them_into_its_file(inputs, tmp_path, name):
    """Long ones, and what is no UTF-8. One host is one key, and so one partition."""

    async def story(daemon: Syslog) -> list[Any]:
        await eventually(daemon.listens, 20, daemon.says)
        daemon.log(*_logged(*HOSTILE), b"<14>Nov 24 08:00:00 cron[1]: not of the mail system")
        return await arrived(inputs, len(HOSTILE), daemon.says)

    with running(name, tmp_path / name, inputs.kafka, inputs.smtp) as daemon:
        records = asyncio.run(story(daemon))
    # It has ended, so its file is complete.
    assert [record.value.removesuffix(b"\n") for record in records] == daemon.written()
    for line, record in zip(HOSTILE, records, strict=True):
        said = line.encode(errors="surrogateescape").rstrip()
        assert record.value.rstrip().endswith(said), (line[:80], len(line), record.value[:120], len(record.value))
    assert {(record.partition, record.key) for record in records} == {(records[0].partition, HOST.encode())}
    facts = [fact for record in records for fact in _facts(record.value, record.timestamp)]
    assert {name for name, fact in facts if isinstance(fact, Refused)} == {_submission(number) for number in (1, 4, 5)}
    assert {name for name, fact in facts if isinstance(fact, Accepted)} == {f"S:{ID}".encode(), _submission(2)}


def test_syslog_ng_keeps_on_disk_what_a_kafka_that_is_away_has_not_taken(inputs, tmp_path):
    """kill -9 included: a line leaves the disk only after Kafka has it."""
    lines = [f"postfix/qmgr[5]: 4F2A{number:03}: removed" for number in range(50)]

    async def logged(daemon: Syslog) -> None:
        async def taken() -> bool:
            return len(daemon.written()) > len(lines)

        await eventually(daemon.listens, 20, daemon.says)
        # A line is in the daemon's hands, on disk, before it takes the next one.
        daemon.log(*_logged(*lines, "postfix/qmgr[5]: the last one"))
        await eventually(taken, 20, daemon.says)

    with running("syslog-ng", tmp_path / "host", AWAY, inputs.smtp) as daemon:
        asyncio.run(logged(daemon))
        daemon.process.kill()
    with running("syslog-ng", tmp_path / "host", inputs.kafka, inputs.smtp) as daemon:
        records = asyncio.run(arrived(inputs, len(lines), daemon.says))
    assert [record.value.partition(b" mx1.app.example ")[2].decode() for record in records[: len(lines)]] == lines


@pytest.mark.slow  # rsyslog waits five seconds for Kafka before it gives up
def test_rsyslog_sends_what_it_wrote_down_when_it_ended_while_kafka_was_away(inputs, tmp_path):
    async def logged(daemon: Syslog) -> None:
        async def taken() -> bool:
            return len(daemon.written()) == len(MAIL)

        await eventually(daemon.listens, 20, daemon.says)
        daemon.log(*_logged(*MAIL))
        await eventually(taken, 20, daemon.says)

    async def again(daemon: Syslog) -> list[Any]:
        await eventually(daemon.listens, 20, daemon.says)
        daemon.log(*_logged("postfix/qmgr[5]: 4F2A002: removed"))  # omkafka looks into its file with the next line
        return await arrived(inputs, len(MAIL) + 1, daemon.says)

    with running("rsyslog", tmp_path / "host", AWAY, inputs.smtp) as daemon:
        asyncio.run(logged(daemon))
    with running("rsyslog", tmp_path / "host", inputs.kafka, inputs.smtp) as daemon:
        records = asyncio.run(again(daemon))
    said = {record.value.partition(b" mx1.app.example ")[2].decode().rstrip() for record in records}
    assert said == {*MAIL, "postfix/qmgr[5]: 4F2A002: removed"}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAEMONS)
def test_the_worker_judges_what_it_sends(world, tmp_path, name):
    """syslog-ng's records come in transactions, so offsets are missing between them: no evidence is lost there."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)

    async def judged() -> bool:
        return bool(await world.documents("gaps"))

    async def story(daemon: Syslog) -> None:
        await eventually(daemon.listens, 20, daemon.says)
        daemon.log(*_logged(*MAIL), b"<14>Nov 24 08:00:00 cron[1]: not of the mail system")
        worker = world.start("--policy", str(policy))
        await ready(worker)
        await eventually(judged, 60, lambda: (daemon.says(), worker.text()))

    with running(name, tmp_path / name, world.kafka, world.smtp) as daemon:
        asyncio.run(story(daemon))
    gaps = asyncio.run(world.documents("gaps"))
    assert [[gap["cause"] for gap in each] for each in gaps.values()] == [["unverified_identity"]]
    (document,) = [found[-1] for found in asyncio.run(world.documents()).values()]
    assert document["queue_ids"] == [f"{HOST}/4F2A001"]
    conditions = [record.value for record in asyncio.run(world.read("gaps")) if b'"condition_id"' in record.value]
    assert not [condition for condition in conditions if b"evidence_lost" in condition]
