"""A canary mail end to end: canary -> mail server or SES's stand-in -> logs and events on Kafka -> worker -> canary."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from service.demo.broker_servers import free_port
from tests.integration.aws import KEYS
from tests.integration.ses_endpoint import Attempt, Fate, SesEndpoint, events_of, new_ses_id
from tests.integration.world import Input, Worker, clean_environment, eventually, ready
from tests.ses_api import SesApi, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.integration.world import World

pytestmark = pytest.mark.kafka
SENDER, RECIPIENT = "canary@app.example", "success@simulator.amazonses.com"


@pytest.fixture
def ses() -> Iterator[SesEndpoint]:
    with SesEndpoint() as endpoint:
        yield endpoint


def command(world: World, *arguments: object) -> list[str]:
    mail = "--sender", SENDER, "--recipient", RECIPIENT, "--http-bind", f"127.0.0.1:{free_port()}"
    return [sys.executable, "-m", "service.cli", "canary", *world.where(), *mail, *map(str, arguments)]


async def once(world: World, *arguments: object) -> tuple[int, dict[str, Any]]:
    """`mailgap canary --once`: its exit code, and what it says."""
    made = await asyncio.create_subprocess_exec(
        *command(world, "--once", "--format", "json", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(**KEYS),
    )
    out, err = await made.communicate()
    assert b"Traceback" not in err, err
    return made.returncode or 0, json.loads(out or b"{}") or {"stderr": err.decode()}


def written(log: Path | None) -> list[str]:
    """The lines that are whole."""
    return log.read_text().split("\n")[:-1] if log is not None and log.exists() else []


@asynccontextmanager
async def shipping(world: World, attempts: list[Attempt], log: Path | None = None) -> AsyncIterator[None]:
    """What SES says of the attempts, and the log's lines, come to Kafka while this lasts."""

    async def ship() -> None:
        told = lines = 0
        async with world.producer() as producer:
            while True:
                now = int(time.time() * 1000)
                events = [event for attempt in attempts[told:] for event in events_of(attempt)]
                told = len(attempts)
                new = written(log)[lines:]
                lines += len(new)
                records = [Input(now, "ses", b"", json.dumps(event).encode()) for event in events]
                records += [Input(now, "smtp", b"mx1", line.encode()) for line in new]
                for record in records:
                    await world.send(producer, record)
                await asyncio.sleep(0.1)

    task = asyncio.create_task(ship())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_canary_by_ses_own_ways_arrives_or_says_what_is_broken(world, ses):
    """By SMTP and by the API; refused; and missing, since nothing of it comes back."""
    worker = world.start()
    sent: list[Attempt] = []

    def taken(body: dict[str, Any]) -> str:
        to = tuple(body["Destination"]["ToAddresses"])
        sent.append(Attempt(time.time(), "", body["FromEmailAddress"], to, (), Fate.ACCEPTED, new_ses_id()))
        return str(sent[-1].ses_id)

    async def story() -> None:
        await ready(worker)
        by_smtp = "--via", f"smtp+plain://127.0.0.1:{ses.port}"
        async with shipping(world, ses.attempts):
            code, told = await once(world, *by_smtp, "--patience", "2m")
        assert (code, told["result"], told["mail_id"]) == (0, "arrived", ses.attempts[0].ses_id), (told, worker.text())
        assert set(told["legs"]) == {"submit", "accept", "deliver", "report", "total"}
        with serving(SesApi(send=taken)) as api:
            async with shipping(world, sent):
                code, told = await once(world, "--via", "ses", "--endpoint-url", api.address, "--patience", "2m")
        assert (code, told["result"], told["mail_id"]) == (0, "arrived", sent[0].ses_id), told
        code, told = await once(world, *by_smtp, "--patience", "1s")
        assert (code, told["result"]) == (3, "missing"), told
        assert "nothing of it has come to the correlated topic" in told["broken"]
        ses.script.append(Fate.PAUSED)
        code, told = await once(world, *by_smtp)
        assert (code, told["result"]) == (3, "refused"), told
        assert "Sending paused for this account" in told["broken"]

    asyncio.run(story())


@pytest.mark.slow
@pytest.mark.postfix
def test_a_canary_by_a_real_postfix_needs_its_log_and_ses_events(world, ses, postfix, tmp_path):
    server = postfix(ses.port)
    (tmp_path / "policy.yaml").write_text(f"sources: {{relays: [{server.relay}]}}\n")
    worker = world.start("--policy", str(tmp_path / "policy.yaml"))
    by_postfix = "--via", f"smtp+plain://127.0.0.1:{server.port}"

    async def story() -> None:
        await ready(worker)
        async with shipping(world, ses.attempts):
            code, told = await once(world, *by_postfix, "--patience", "20s")
        assert (code, told["result"]) == (3, "missing"), told
        assert "no line of the mail server's log has come" in told["broken"]
        async with shipping(world, ses.attempts, server.log):
            code, told = await once(world, *by_postfix, "--patience", "3m")
        assert (code, told["result"]) == (0, "arrived"), (told, worker.text()[-2000:])
        assert told["mail_id"] == ses.attempts[-1].ses_id

    asyncio.run(story())


@pytest.mark.slow
def test_a_canary_goes_on_and_on_and_tells_when_the_loop_is_broken_and_works_again(world, ses):
    worker = world.start()
    port, log = free_port(), world.folder / "canary.log"
    arguments = "--via", f"smtp+plain://127.0.0.1:{ses.port}", "--interval", "5s", "--canary-name", "otp"
    command_line = command(world, *arguments, "--patience", "30s", "--http-bind", f"127.0.0.1:{port}")
    with log.open("wb") as out:
        canary = Worker(subprocess.Popen(command_line, stdout=out, stderr=out, env=clean_environment()), log, port)
    world.workers.append(canary)

    def mails(result: str) -> float:
        return canary.metric("mailgap_canary_mails_total", canary="otp", result=result)

    async def until(true: Any) -> None:
        async def is_so() -> bool:
            return bool(true())

        await eventually(is_so, 120, canary.text)

    async def story() -> None:
        await ready(worker)
        began = time.time()
        async with shipping(world, ses.attempts):
            await until(lambda: mails("arrived") >= 2)
        assert canary.metric("mailgap_canary_arrived_timestamp_seconds", canary="otp") > began - 60
        assert canary.metric("mailgap_canary_interval_seconds", canary="otp") == 5
        assert canary.metric("mailgap_canary_seconds_count", canary="otp", leg="report") >= 2
        await until(lambda: mails("missing") >= 1)
        assert canary.get("/readyz")[0] == 503, "its readiness says what is broken"
        assert "nothing of it has come" in canary.get("/readyz")[1]
        async with shipping(world, ses.attempts):
            await until(lambda: canary.get("/readyz")[0] == 200)
        assert mails("late") >= 1, "what comes after all is counted, too"

    asyncio.run(story())
    code, _ = canary.stopped()
    assert code == 0, canary.text()
