"""What the metrics say is open, over workers that come, share, die and come again: the sum is always the truth."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from tests.integration import sample as samples
from tests.integration.world import eventually, ready, settled

pytestmark = pytest.mark.kafka
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]")


async def _open(world):
    """Open gaps by kind, as the gaps topic has them: the latest record of each counts."""
    found = {}
    for records in (await world.documents("gaps")).values():
        kind = records[-1]["kind"]
        found[kind] = found.get(kind, 0) + (records[-1]["state"] == "opened")
    return found


def _sum(workers, metric, **labels):
    return sum(worker.metric(metric, **labels) for worker in workers)


async def _they_agree(world, workers, truth, mails):
    async def so():
        if _sum(workers, "mailgap_shards_owned") != world.partitions:
            return False
        sums = {kind: _sum(workers, "mailgap_gaps_open", kind=kind) for kind in truth}
        return sums == truth and _sum(workers, "mailgap_open_mails") == mails

    await eventually(
        so,
        60,
        lambda: (truth, mails, [(w.samples("mailgap_gaps_open"), w.samples("mailgap_open_mails")) for w in workers]),
    )


def test_the_sum_is_right_after_every_rebalance_and_restart(world, tmp_path):
    policy = tmp_path / "policy.yaml"
    patient = f"max_delivery: {samples.MAX_DELIVERY}s"
    policy.write_text(samples.POLICY.replace(patient, "max_delivery: 14h"))  # so that some mails are open still
    sample = samples.make(4, 200, int(time.time() * 1000) - int(10 + samples.SETTLED + 2) * 1000, 10)

    async def story():
        await world.produce(sample.records)
        first = world.start("--policy", str(policy))
        await ready(first)
        await settled(world, [first], sample.end)
        truth, mails = await _open(world), first.metric("mailgap_open_mails")
        assert sum(truth.values()) > 0
        assert mails > 0
        await _they_agree(world, [first], truth, mails)
        counted = first.metric("mailgap_gaps_opened_total")
        assert counted == len(await world.documents("gaps"))
        second = world.start("--policy", str(policy))  # joins: the shards are shared
        await ready(second)
        await _they_agree(world, [first, second], truth, mails)
        assert second.metric("mailgap_shards_owned") > 0
        first.killed()  # dies: the second has all
        await _they_agree(world, [second], truth, mails)
        second.stopped()
        third = world.start("--policy", str(policy))  # a restart from nothing but Kafka
        await ready(third)
        await _they_agree(world, [third], truth, mails)
        assert third.metric("mailgap_gaps_opened_total") == 0, "a restore announces nothing"
        return [first, second, third]

    for worker in asyncio.run(story()):
        assert '"event": "started"' in worker.text()
        assert not ADDRESS.search(worker.text()), "an address in the log"


def test_probes_say_what_does_not_move(world):
    """A loop that is stuck answers nothing; one that runs says why it is not well."""
    worker = world.start()

    async def not_yet():
        return worker.get("/readyz")[0] == 503

    asyncio.run(eventually(not_yet, 45, worker.text))
    assert "has not joined its group" in worker.get("/readyz")[1] or "restoring" in worker.get("/readyz")[1]
    asyncio.run(ready(worker))
    assert worker.get("/healthz") == (200, '{"status": "ok", "reasons": {}}')
