"""A backlog of days, which is read at one pace by time: the verdicts are those of `scan`, also after kill -9."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.integration import sample as samples
from tests.integration.judged import broken_chains, differences, false_announcements, none, unequal
from tests.integration.world import eventually, ready, scan, settled

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

DAYS = 3
MAILS = 12_000


def test_a_backlog_of_days_is_judged_as_scan_judges_it(world, tmp_path):
    """The lines of a host go to one partition of three, whose shares differ, and to a mail there are more lines than
    events: without a pause the partitions would be days apart.
    """
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY.replace("grace: 2s", f"grace: 2s, keep: {DAYS + 1}d"))
    seconds = DAYS * 86_400
    sample = samples.make(11, MAILS, int(time.time() * 1000) - (seconds + samples.SETTLED + 60) * 1000, seconds)

    async def killed_after(share):
        """Of so much of what there is, and while it pauses partitions."""
        worker = world.start("--policy", str(policy))

        async def has_read():
            assert worker.process.poll() is None, worker.text()
            paused = worker.metric("mailgap_partition_paused")
            return paused > 0 and worker.metric("mailgap_records_total") > len(sample.records) * share

        await eventually(has_read, 120, worker.text)
        worker.killed()

    async def story():
        await world.produce(sample.records)
        await killed_after(0.05)
        await killed_after(0.12)
        last = world.start("--policy", str(policy))
        await ready(last)
        await settled(world, [last], sample.end, within=180)
        assert last.metric("mailgap_partition_paused") == 0, "nobody waits any more"
        return await world.documents(), await world.documents("gaps")

    published, gaps = asyncio.run(story())
    final = {key: revisions[-1] for key, revisions in published.items()}
    none(differences(sample, final.values()))
    none(false_announcements(sample, gaps))
    none(broken_chains(published, "mail_id"))
    none(unequal(scan(sample, tmp_path, policy), final))
