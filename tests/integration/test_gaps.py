"""`mailgap gaps list|close` beside a worker: what is open is listed, and what is closed stays closed."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from tests.integration import sample as samples
from tests.integration.world import eventually, mailgap, ready, settled

pytestmark = pytest.mark.kafka


def _listed(world, *more):
    done = mailgap("gaps", "list", *world.where(), "--format", "jsonl", "--limit", 100_000, *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_gap_is_closed_by_hand_and_stays_closed(world, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)
    sample = samples.make(5, 60, int(time.time() * 1000) - int(10 + samples.SETTLED + 2) * 1000, 10)

    async def story():
        await world.produce(sample.records)
        worker = world.start("--policy", str(policy))
        await ready(worker)
        await settled(world, [worker], sample.end)
        before = _listed(world)
        assert len(before) == worker.metric("mailgap_gaps_open") > 1
        one = before[0]["gap_id"]
        asked = mailgap("gaps", "close", *world.where(), one, "--reason", "a test\naccount", "--by", "ann")
        assert (asked.returncode, asked.stdout) == (0, b"1 gaps were closed\n"), asked.stderr
        assert [gap["gap_id"] for gap in _listed(world)] == [gap["gap_id"] for gap in before[1:]]
        (closed,) = [gap for gap in _listed(world, "--all") if gap["gap_id"] == one]
        assert (closed["state"], closed["closed_by"], closed["close_reason"]) == ("closed", "ann", "a test account")

        async def gauge_follows():
            return worker.metric("mailgap_gaps_open") == len(before) - 1

        await eventually(gauge_follows, 20, lambda: worker.samples("mailgap_gaps_open"))
        again = mailgap("gaps", "close", *world.where(), one, "--reason", "again")
        assert again.stdout == b"none of these is open\n"
        worker.killed()
        late = mailgap("gaps", "close", *world.where(), "--all", "--reason", "moved", "--wait", "1s")
        assert (late.returncode, b"is `mailgap worker` running?" in late.stderr) == (1, True)
        other = world.start("--policy", str(policy))  # does what was asked while nobody ran
        await ready(other)

        async def all_are_closed():
            return not _listed(world)

        await eventually(all_are_closed, 45, other.text)
        for records in (await world.documents("gaps")).values():
            assert [record["revision"] for record in records] == list(range(1, len(records) + 1))

    asyncio.run(story())
