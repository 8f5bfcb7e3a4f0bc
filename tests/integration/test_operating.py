"""The commands of deploy/OPERATING.md, as they stand there, on a real Kafka with Kafka's own tools."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.demo.broker import kafka_home
from service.demo.broker_servers import free_port
from tests.integration.prometheus import Server
from tests.rules.prometheus import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

GUIDE = (ROOT / "deploy/OPERATING.md").read_text()
POLICY = "defaults: {handoff: 20s, first_event: 20s, max_delivery: 40s, grace: 10s}\n"
TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
}


def blocks(heading: str) -> list[str]:
    """The code below a heading of the guide, block by block."""
    section = GUIDE.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
    return re.findall(r"```\n(.*?)```", section, re.DOTALL)


class Shell:
    """Runs lines of the guide in a folder that has the files that they name."""

    def __init__(self, home: Path, kafka: str) -> None:
        self.home, tools = home, home / "bin"
        tools.mkdir(parents=True)
        words = {name: f'exec java -cp "{kafka_home()}/libs/*" {tool} "$@"' for name, tool in TOOLS.items()}
        words["mailgap"] = f'exec "{sys.executable}" -P -m service.cli "$@"'
        for name, line in words.items():
            (tools / name).write_text(f"#!/bin/sh\n{line}\n")
            (tools / name).chmod(0o755)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("MAILGAP_")}
        self.env |= {"PATH": f"{tools}:{os.environ['PATH']}", "KAFKA": kafka, "PYTHONPATH": str(ROOT)}

    def run(self, lines: str, code: int = 0) -> str:
        done = subprocess.run(
            ["/bin/bash", "-euc", lines], cwd=self.home, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{lines}\n{done.stdout}{done.stderr}"
        return done.stdout

    def worker(self, line: str) -> Server:
        port, name = free_port(), re.findall(r"--prefix (\S+)", line)[0]
        (self.home / name).mkdir()
        words = [
            *shlex.split(line.replace("\\\n", " ").replace("$KAFKA", self.env["KAFKA"])),
            "--http-bind",
            f"127.0.0.1:{port}",
        ]
        words[0] = str(self.home / "bin" / "mailgap")
        return Server(self.home / name, words, "/readyz", port, self.home, self.env)


async def _inputs(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1) for name in ("app-smtp", "ses-events")])
    await admin.close()


async def _unreadable(kafka: str, address: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait("ses-events", f'{{"eventType": "Delivery", "to": "{address}"'.encode())


def test_a_second_installation_an_erasure_and_the_end_of_the_first(local_kafka, tmp_path):
    kafka = local_kafka().bootstrap_servers
    shell = Shell(tmp_path / "operator", kafka)
    (shell.home / "policy.yaml").write_text(POLICY)
    for name in ("pseudonym.key", "last-year.key"):
        (shell.home / name).write_text(f"{name}, 32 bytes long or more, of a test")
    asyncio.run(_inputs(kafka))
    begin, remove = blocks("More partitions")
    create, second = begin.split("\nmailgap worker")
    create, second = create.replace("--replication 3", "--replication 1").replace("32", "8"), f"mailgap worker{second}"
    shell.run(create.replace("mailgap2", "mailgap").replace("--partitions 8", "--partitions 4"))
    with shell.worker(second.replace("mailgap2", "mailgap")):
        common = "--bootstrap-servers $KAFKA --pseudonym-key-file pseudonym.key"
        shell.run(
            "mailgap simulate --bootstrap-servers $KAFKA --smtp-topic app-smtp --ses-topic ses-events"
            " --policy policy.yaml --truth truth.jsonl --mails 200 --rate 20 --mix even"
        )
        shell.run(f"mailgap verify {common} --truth truth.jsonl")
        shell.run(create)
        with shell.worker(second):
            shell.run(f"mailgap verify {common} --prefix mailgap2 --truth truth.jsonl")
            assert _gaps(shell, "mailgap2") == _gaps(shell, "mailgap") != set()
            _privacy(shell, kafka, common)
    shell.run(remove)
    listed = shell.run("kafka-topics --bootstrap-server $KAFKA --list").split()
    assert {name for name in listed if name.startswith("mailgap")} == {
        f"mailgap2-{name}" for name in ("facts", "correlate-trails-changelog", "correlated", "gaps", "notified")
    } | {"mailgap2-dead-letters"}
    assert "mailgap-correlate\n" not in shell.run("kafka-consumer-groups --bootstrap-server $KAFKA --list")


def _gaps(shell: Shell, prefix: str) -> set[str]:
    listed = shell.run(
        f"mailgap gaps list --all --limit 100000 --format jsonl --prefix {prefix} --bootstrap-servers $KAFKA"
    )
    return {json.loads(line)["gap_id"] for line in listed.splitlines()}


def _privacy(shell: Shell, kafka: str, common: str) -> None:
    retention, erasure = blocks("Privacy")
    shell.run(retention)
    checked = shell.run(
        "mailgap topics check --bootstrap-servers $KAFKA --smtp-topic app-smtp --ses-topic ses-events"
        " --policy policy.yaml"
    )
    assert "all topics are as they must be" in checked
    person = _somebody(shell.home / "truth.jsonl")
    asyncio.run(_unreadable(kafka, person))
    _until_there_is_a_letter(shell)
    dry, real = (
        f"mailgap erase{line}" for line in erasure.replace("ann@example.com", person).split("mailgap erase")[1:]
    )
    said = shell.run(dry)
    assert re.search(r"^[1-9]\d* records of mails", said), said
    assert "1 dead letters hold the address" in said
    assert re.search(r"^[1-9]\d* records of mails", shell.run(real, code=1))  # a worker has its row still
    shell.run(f"mailgap explain {person} {common}", code=1)
    _delete_letters(shell)
    assert shell.run("mailgap dead-letters list --format jsonl --bootstrap-servers $KAFKA") == ""


def _somebody(truth: Path) -> str:
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    return next(address for line in lines for record in line.get("records", []) for address in record["outcomes"])


def _until_there_is_a_letter(shell: Shell) -> None:
    """Each look takes a second or so; the worker has read it by then, or some looks later."""
    for _ in range(60):
        if shell.run("mailgap dead-letters list --format jsonl --bootstrap-servers $KAFKA"):
            return
    raise AssertionError("the record that nobody can read became no dead letter")


def _delete_letters(shell: Shell) -> None:
    """With the guide's words, and the place of the last letter of each partition."""
    found = re.search(r"`(echo '\{.*?before\.json)`, then\n\s*`(kafka-delete-records .*?)`", GUIDE, re.DOTALL)
    assert found is not None
    listed = shell.run("mailgap dead-letters list --format jsonl --bootstrap-servers $KAFKA").splitlines()
    for letter in [json.loads(line) for line in listed]:
        partition, _, offset = letter["letter"].partition("/")
        shell.run(found[1].replace('"partition": 0', f'"partition": {partition}').replace("42", str(int(offset) + 1)))
        shell.run(found[2])
