"""A real Fluent Bit with our configuration brings a log to Kafka; `make fluent-bit` builds it, and CI does without."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from service.parsing.smtp import parse_smtp
from tests.conftest import need
from tests.integration.shipped import AWAY, HOSTILE, arrived
from tests.integration.syslogs import stop
from tests.integration.world import ROOT, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path(os.environ.get("MAILGAP_TEST_FLUENT_BIT", ROOT / ".local/fluent-bit"))
STAMP = "2026-11-24T08:00:00.123456+00:00 mx1.app.example"
IN_MEMORY = 1000
"""Lines that the configuration lets librdkafka hold."""


@dataclass(frozen=True)
class FluentBit:
    """A running one, which follows `log`."""

    process: subprocess.Popen
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "mail.log"

    def says(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    async def follows(self) -> bool:
        return "inotify_fs_add" in self.says()

    async def has_more_than_it_may_hold(self) -> bool:
        return "queue is full" in self.says()


@contextmanager
def running(folder: Path, kafka: str, topic: str) -> Iterator[FluentBit]:
    """With deploy/shippers' file. What stands in `folder` goes on."""
    if not (HOME / "bin/fluent-bit").exists():
        need("fluent-bit", "Fluent Bit is not built (make fluent-bit)")
    folder.mkdir(exist_ok=True)
    (folder / "mail.log").touch()
    ours = (ROOT / "deploy/shippers/fluent-bit.conf").read_text()
    ours = ours.replace("/var/lib/fluent-bit", str(folder)).replace("/var/log", str(folder))
    (folder / "fluent-bit.conf").write_text(ours)
    theirs = {"MAILGAP_BOOTSTRAP_SERVERS": kafka, "MAILGAP_SMTP_TOPIC": topic, "HOSTNAME": "agent1"}
    environment = {**os.environ, "LD_LIBRARY_PATH": str(HOME / "lib"), **theirs}
    command = [HOME / "bin/fluent-bit", "-c", folder / "fluent-bit.conf"]
    with (folder / "said").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        yield FluentBit(process, folder)
    finally:
        stop(process)


def _written(path: Path, *lines: str) -> list[bytes]:
    """Appends them to a log; gives its bytes, line by line."""
    logged = [f"{STAMP} {line}".encode(errors="surrogateescape") for line in lines]
    with path.open("ab") as log:
        log.writelines(line + b"\n" for line in logged)
    return logged


def _text(fact: Any) -> str:
    """All that a fact says, but for bytes that are no UTF-8, which Fluent Bit writes as characters of its own."""
    return "".join(character for character in msgspec.json.encode(fact).decode() if character.isascii())


def _facts(value: bytes, seen: int) -> list[tuple[bytes, str]]:
    parsed, trouble = parse_smtp(value, seen)
    assert trouble is None
    return [(name, _text(fact)) for name, fact in parsed.facts]


@pytest.mark.slow
def test_the_records_say_what_the_lines_of_the_file_do(inputs, tmp_path):
    """Long lines, tabs, bytes that are no UTF-8, and a log that is rotated while more is written to it."""

    async def story(shipper: FluentBit) -> tuple[list[bytes], list[Any]]:
        await eventually(shipper.follows, 20, shipper.says)
        lines = _written(shipper.log, *HOSTILE, 'postfix/smtp[7]: 4F2A009: warning:\ta tab and a \\ and a "')
        await arrived(inputs, len(lines), shipper.says)
        rotated = shipper.log.rename(tmp_path / "host/mail.log.1")
        lines += _written(rotated, "postfix/qmgr[5]: 4F2A006: removed")
        lines += _written(shipper.log, "postfix/qmgr[5]: 4F2A007: removed")
        return lines, await arrived(inputs, len(lines), shipper.says)

    with running(tmp_path / "host", inputs.kafka, inputs.smtp) as shipper:
        lines, records = asyncio.run(story(shipper))
    assert {(record.partition, record.key) for record in records} == {(records[0].partition, b"agent1")}
    for line, record in zip(lines, records, strict=True):
        assert _facts(record.value, record.timestamp) == _facts(line, record.timestamp)
    assert len([fact for record in records for fact in _facts(record.value, record.timestamp)]) >= len(HOSTILE)


@pytest.mark.slow
def test_what_a_kafka_that_is_away_has_not_taken_stays_on_disk_but_for_what_librdkafka_holds(inputs, tmp_path):
    """Fluent Bit takes a line for delivered once librdkafka has it."""
    lines = [f"postfix/qmgr[5]: 4F2A{number:04}: removed" for number in range(3 * IN_MEMORY)]

    async def filled(shipper: FluentBit) -> None:
        await eventually(shipper.follows, 20, shipper.says)
        _written(shipper.log, *lines)
        await eventually(shipper.has_more_than_it_may_hold, 30, shipper.says)

    with running(tmp_path / "host", AWAY, inputs.smtp) as shipper:
        asyncio.run(filled(shipper))
        shipper.process.kill()
    with running(tmp_path / "host", inputs.kafka, inputs.smtp) as shipper:
        records = asyncio.run(arrived(inputs, len(lines) - IN_MEMORY, shipper.says))
    said = {msgspec.json.decode(record.value)["message"].removeprefix(f"{STAMP} ") for record in records}
    assert said <= set(lines)
    assert len(said) >= len(lines) - IN_MEMORY
