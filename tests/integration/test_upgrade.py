"""Two releases side by side: the older one stops rather than guesses, and nothing is lost or said twice."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from tests.integration import sample as samples
from tests.integration.judged import differences, false_announcements, none
from tests.integration.world import eventually, ready, settled

pytestmark = pytest.mark.kafka

NEWER = "tests.integration.newer"
WORDS = "state of version 2, but this release reads only 1: run the release that wrote it, or a newer one"


def _stopped_for_it(worker) -> str:
    """The one line in which a worker says why it stopped."""
    assert worker.ends(60) == 1, worker.text()
    assert "Traceback" not in worker.text()
    (said,) = [line for line in worker.text().splitlines() if "stopped: " in line]
    assert WORDS in said
    return said


def test_an_older_worker_stops_at_what_a_newer_one_wrote(world, tmp_path):
    """As in a rolling upgrade that was not announced to the releases: late, and never wrong."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)
    start = int(time.time() * 1000) - int(20 + samples.SETTLED + 2) * 1000
    sample = samples.make(6, 600, start, 20)

    async def story():
        await world.produce(sample.records)
        older = world.start("--policy", str(policy))

        async def begun():
            return older.metric("mailgap_records_total") > 0

        await eventually(begun, 45, older.text)
        newer = world.start("--policy", str(policy), module=NEWER)
        said = await asyncio.to_thread(_stopped_for_it, older)
        await ready(newer)
        await settled(world, [newer], sample.end)
        again = world.start("--policy", str(policy))
        newer.send(signal.SIGTERM)
        assert newer.ends() == 0, newer.text()
        await asyncio.to_thread(_stopped_for_it, again)
        return said, await world.documents(), await world.documents("gaps")

    said, published, gaps = asyncio.run(story())
    assert f"{world.prefix}-" in said
    none(differences(sample, [revisions[-1] for revisions in published.values()]))
    none(false_announcements(sample, gaps))
