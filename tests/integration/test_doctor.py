"""`mailgap doctor` against a real Kafka: each fault is named, with the way out, and what is well is said to be well."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from tests.integration.world import Input, World, free_port, mailgap, ready

pytestmark = pytest.mark.kafka
LINE = b"Mar  5 11:59:58 mx1 postfix/qmgr[7]: 4A1B2C3D4E: removed"


@pytest.fixture
def world(kafka, prefix, tmp_path):
    made = World(kafka, prefix, tmp_path)
    yield made
    made.end()


def _doctor(*arguments):
    done = mailgap("doctor", *arguments)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return done.returncode, out, err


def _ask(world, *arguments, expect):
    inputs = ("--smtp-topic", world.smtp, "--ses-topic", world.ses)
    code, out, err = _doctor(*world.where(), *inputs, "--addresses", "raw", "--format", "jsonl", *arguments)
    assert code == expect, out + err
    return [json.loads(line) for line in out.splitlines()]


def _of(findings, part, what=None):
    return [f for f in findings if f["part"] == part and what in (None, f["what"])]


def _wrong(findings):
    return [(f["part"], f["what"]) for f in findings if f["state"] == "wrong"]


def test_nothing_is_there_yet(world):
    findings = _ask(world, expect=1)
    advice = " ".join(f["advice"] for f in findings if f["part"] == "topics")
    assert f"input topic {world.smtp} is not there" in advice
    assert "mailgap topics create" in advice
    assert ("workers", f"{world.prefix}-ingest") in _wrong(findings)
    assert _of(findings, "broker")[0]["found"] == "1 brokers answer"


def test_all_is_well_but_one_source(world):
    world.prepare()

    async def story():
        now = int(time.time() * 1000)
        await world.produce([Input(now - 5000, "smtp", b"mx1", LINE)])
        worker = world.start()
        await ready(worker)
        return worker

    worker = asyncio.run(story())
    findings = _ask(world, "--http-bind", f"127.0.0.1:{worker.port}", "--try-writing", expect=0)
    assert _of(findings, "sources", world.smtp)[0]["state"] == "ok"
    (silent,) = _of(findings, "sources", world.ses)
    assert (silent["state"], silent["found"]) == ("look", "holds no record")
    ingest, correlate, here = [f["found"] for f in _of(findings, "workers")]
    assert ingest == "1 members, 0 records wait"
    assert correlate.startswith("1 members, ")
    assert here == "ready"
    assert _of(findings, "permissions")[0]["found"] == "a transaction was written and aborted"
    assert {f["what"] for f in _of(findings, "topics")} == {world.smtp, world.ses}, "dated by whoever wrote them"
    assert asyncio.run(world.read("gaps")) == []
    assert worker.get("/healthz")[0] == 200


def test_a_clock_that_is_ahead(world):
    world.prepare()
    ahead = int(time.time() * 1000) + 600_000
    asyncio.run(world.produce([Input(ahead, "smtp", b"mx1", LINE)]))
    findings = _ask(world, expect=1)
    (clock,) = _of(findings, "clocks")
    assert clock["what"] == world.smtp
    assert "s in the future" in clock["found"]
    assert "LogAppendTime" in clock["advice"]


def test_a_broker_that_is_not_there(world):
    world.kafka = f"127.0.0.1:{free_port()}"
    findings = _ask(world, expect=1)
    (broker,) = _of(findings, "broker")
    assert "no Kafka answers" in broker["advice"]
    assert "--bootstrap-servers" in broker["advice"]


def test_origins_and_a_key_that_is_missing(world, tmp_path):
    config = tmp_path / "mailgap.yaml"
    config.write_text("session_timeout: 20s\n")
    code, out, _ = _doctor(*world.where(), "--config", str(config), "--smtp-topic", world.smtp)
    assert code == 1
    lines = {line.split()[1]: line for line in out.splitlines() if line.startswith("settings")}
    assert f"20s ({config}: session_timeout)" in lines["session_timeout"]
    assert f"{world.prefix} (--prefix)" in lines["prefix"]
    assert "8 (default)" in lines["partitions"]
    assert "MAILGAP_PSEUDONYM_KEY" not in out
    assert "openssl rand -hex 32" in out
    assert "what became of mails after SES took them is not seen" in out
