"""The worker as a process: how it starts, says that it is well, shares its work, and ends."""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest

from tests.integration import sample as samples
from tests.integration.judged import differences, false_announcements, none
from tests.integration.world import MEMBERS, eventually, ready, settled

pytestmark = pytest.mark.kafka


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(samples.POLICY)
    return ["--policy", str(path)]


def _past(mails: int, seconds: float) -> samples.Sample:
    """A sample of which everything is due by now."""
    return samples.make(4, mails, int(time.time() * 1000) - int(seconds + samples.SETTLED + 2) * 1000, seconds)


def test_it_says_when_it_is_ready_and_ends_on_sigterm(world):
    async def story():
        worker = world.start()
        seen = set()

        async def is_ready():
            status, body = worker.get("/readyz")
            seen.add(status)
            if status == 503:
                assert set(json.loads(body)["reasons"]) <= {f"{world.prefix}-ingest", f"{world.prefix}-correlate"}
            return status == 200

        await eventually(is_ready, 45, worker.text)
        assert 503 in seen, "it was ready before it had joined its groups"
        assert worker.get("/readyz") == (200, '{"status": "ok", "reasons": {}}')
        assert worker.get("/healthz") == (200, '{"status": "ok", "reasons": {}}')
        assert worker.get("/")[0] == 404
        assert worker.metric("mailgap_shards_owned") == world.partitions
        return worker

    worker = asyncio.run(story())
    code, _ = worker.stopped()
    assert code == 0, "it is 1 where it was not over within its bound:\n" + worker.text()
    assert "Traceback" not in worker.text()


def test_it_ends_on_ctrl_c_even_while_it_starts(world):
    worker = world.start()

    async def listens():
        return worker.get("/healthz")[0] != 0

    asyncio.run(eventually(listens, 45, worker.text))
    worker.send(signal.SIGINT)
    assert worker.ends() == 0, worker.text()
    assert "Traceback" not in worker.text()


def test_each_role_does_its_part_alone(world, policy):
    sample = _past(150, 10)

    async def story():
        await world.produce(sample.records)
        ingest = world.start("--role", "ingest", *policy)
        await ready(ingest)

        async def read():
            return ingest.metric("mailgap_records_total") == len(sample.records)

        await eventually(read, 30, ingest.text)
        assert ingest.samples("mailgap_shards_owned") == [({}, 0.0)]
        assert await world.read("facts", committed=False)
        assert not await world.read("correlated")
        correlate = world.start("--role", "correlate", *policy)
        await ready(correlate)
        await settled(world, [correlate], sample.end)
        assert correlate.metric("mailgap_records_total") == 0
        return ingest, correlate, await world.documents(), await world.documents("gaps")

    ingest, correlate, published, gaps = asyncio.run(story())
    none(differences(sample, [revisions[-1] for revisions in published.values()]))
    none(false_announcements(sample, gaps))
    for worker in (ingest, correlate):
        code, _ = worker.stopped()
        assert code == 0, worker.text()
        assert "Traceback" not in worker.text()
        assert not [address for address in sample.addresses if address in worker.text()], "no log names a recipient"
    assert '"event": "gaps_opened"' in correlate.text(), "it logs what it finds, by mail"


async def _members(world) -> list[object]:
    """Who is in the worker's groups."""
    async with world.admin() as admin:
        answers = [await admin.describe_consumer_groups([f"{world.prefix}-{role}"]) for role in ("ingest", "correlate")]
    return [member for (answer,) in answers for member in answer.groups[0][MEMBERS]]


def test_sigterm_in_the_middle_loses_nothing_and_the_next_one_goes_on(world, policy):
    sample = _past(600, 20)

    async def story():
        await world.produce(sample.records)
        first = world.start(*policy)

        async def begun():
            return first.metric("mailgap_records_total") > 0

        await eventually(begun, 45, first.text)
        code, _ = await asyncio.to_thread(first.stopped)
        assert code == 0, first.text()
        # Where Kafka is so busy that it seems to be away, there is no last word; then the session has to end.
        assert await _members(world) == [] or "without a last word" in first.text()
        second = world.start(*policy)
        await ready(second)
        await settled(world, [second], sample.end)
        return await world.documents(), await world.documents("gaps")

    published, gaps = asyncio.run(story())
    none(differences(sample, [revisions[-1] for revisions in published.values()]))
    none(false_announcements(sample, gaps))


def test_a_port_that_is_taken_is_said_in_one_line(world):
    async def story():
        first = world.start()
        await ready(first)
        second = world.start("--http-bind", f"127.0.0.1:{first.port}")
        code = await asyncio.to_thread(second.ends, 30)
        return first, code, second.text()

    first, code, text = asyncio.run(story())
    assert code == 1
    assert "Traceback" not in text
    said = [line for line in text.splitlines() if str(first.port) in line]
    assert said, text
    assert "address already in use" in said[-1].lower()
    assert "--http-bind" in said[-1]
