"""Real syslog daemons with our configurations bring a mail's lines to Kafka, whole, in order, and fit to be judged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from service.facts import Accepted, Refused
from service.parsing.smtp import parse_smtp
from tests.integration import sample as samples
from tests.integration.syslogs import HOST, Syslog, running
from tests.integration.world import Reader, World, eventually, ready

if TYPE_CHECKING:
    from collections.abc import Callable


DAEMONS: Final = ("rsyslog", "syslog-ng")
AWAY: Final = "127.0.0.1:1"
"""Where no Kafka is."""

ID: Final = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
RELAY: Final = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
TO: Final = f"to=<ann@client.example>, relay={RELAY}, delay=1, delays=0/0/0/1"
REFUSED: Final = f"dsn=5.0.0, status=bounced (host {RELAY} said: 554 Message rejected: Email address is not verified."
MAIL: Final = (
    "postfix/qmgr[5]: 4F2A001: from=<shop@app.example>, size=800, nrcpt=1 (queue active)",
    f"postfix/smtp[7]: 4F2A001: {TO}, {REFUSED})",
    "postfix/qmgr[5]: 4F2A001: removed",
)
HOSTILE: Final = (
    *MAIL,
    f"postfix/smtp[7]: 4F2A002: {TO}, dsn=2.0.0, status=sent (250 Ok {ID})",
    "postfix/cleanup[8]: 4F2A003: warning: header Subject: caf\udce9 \udcff\udcfe; from=<shop@app.example>",
    f"postfix/smtp[7]: 4F2A004: {TO}, {REFUSED} {'3 KiB ' * 500})",
    f"postfix/smtp[7]: 4F2A005: {TO}, {REFUSED} {'78 KiB ' * 11_000})",
)
"""Lines as syslog(3) gets them, after their priority and stamp; what is no UTF-8 is escaped as by surrogateescape."""


@pytest.fixture
def inputs(kafka, prefix, tmp_path):
    """A world that has the topic of the mail logs, and none of ours."""
    made = World(kafka, prefix, tmp_path)
    asyncio.run(made.make_topics({made.smtp: 3}))
    return made


def _logged(*lines: str) -> list[bytes]:
    return [f"<22>Nov 24 08:00:00 {line}".encode(errors="surrogateescape") for line in lines]


async def _arrived(world: World, count: int, otherwise: Callable[[], object]) -> list[Any]:
    """The records of the SMTP topic, once there are as many."""
    found: list[Any] = []

    async with Reader(world.kafka, world.smtp) as reader:

        async def enough() -> bool:
            found.extend(await reader.news())
            return len(found) >= count

        await eventually(enough, 60, lambda: (len(found), otherwise()))
    return found


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
        return await _arrived(inputs, len(HOSTILE), daemon.says)

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
        records = asyncio.run(_arrived(inputs, len(lines), daemon.says))
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
        return await _arrived(inputs, len(MAIL) + 1, daemon.says)

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
