"""kill -9 of the worker, twice, in the middle of thousands of mails: nothing is missed, false or said twice."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import sample as samples
from tests.integration.judged import broken_chains, differences, false_announcements, none, unequal
from tests.integration.world import Reader, World, eventually, ready, scan, settled

if TYPE_CHECKING:
    from tests.integration.sample import Record, Sample

pytestmark = pytest.mark.kafka

MAILS, SECONDS = 3000, 30
BEHIND = 8
"""So many seconds of the mails are a backlog when the first worker starts; the others come as they happen."""
LATE = 3.0
"""Records may come so late (seconds) before a true watermark can make a false gap of the sample's mails."""


async def _play(world: World, records: list[Record]) -> float:
    """Sends each record when it happens, those of the past at once. Returns how late the latest of the others was."""
    sent, late, now = [], 0.0, time.time()
    async with world.producer() as producer:
        for record in records:
            wait = record.at / 1000 - time.time()
            if wait > 0:
                await asyncio.sleep(wait)
            elif record.at / 1000 > now + 1:
                late = max(late, -wait)
            sent.append(await world.send(producer, record))
        await asyncio.gather(*sent)
    return late


async def _published(world: World, at_least: float, within: float = 60) -> None:
    """Until so many committed records stand on the correlated topic."""
    seen = 0
    async with Reader(world.kafka, f"{world.prefix}-correlated") as reader:

        async def enough() -> bool:
            nonlocal seen
            seen += len(await reader.news())
            return seen >= at_least

        await eventually(enough, within, lambda: (seen, at_least, world.workers[-1].text()[-3000:]))


async def _story(world: World, sample: Sample, *arguments: str) -> float:
    """Two deaths, and two workers at once for a part of it."""
    playing = asyncio.create_task(asyncio.to_thread(asyncio.run, _play(world, sample.records)))
    first = world.start(*arguments)
    await _published(world, MAILS / 15)
    first.killed()

    second = world.start(*arguments)
    await _published(world, MAILS / 3)
    third = world.start(*arguments)
    await ready(third)

    async def shared() -> bool:
        return all(worker.metric("mailgap_shards_owned") == 2 for worker in (second, third))

    await eventually(shared, 45, lambda: second.text() + third.text())
    await _published(world, MAILS / 2)
    second.killed()

    fourth = world.start(*arguments)
    await ready(fourth)
    late = await playing
    await settled(world, [third, fourth], sample.end, within=90)
    for worker in (third, fourth):
        worker.send(signal.SIGTERM)
    assert [worker.ends() for worker in (third, fourth)] == [0, 0], third.text() + fourth.text()
    return late


def test_kill_9_in_the_middle_of_thousands_of_mails(kafka, prefix, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)
    world = World(kafka, prefix, tmp_path)
    world.prepare()
    sample = samples.make(9, MAILS, int(time.time() * 1000) - BEHIND * 1000, SECONDS)
    try:
        late = asyncio.run(_story(world, sample, "--policy", str(policy)))
    finally:
        world.end()
    assert late < LATE, f"this machine was too busy: a record was sent {late:.1f} s after its time"
    published, gaps = asyncio.run(_read(world))
    final = {key: revisions[-1] for key, revisions in published.items()}
    none(broken_chains(published, "mail_id"))
    none(false_announcements(sample, gaps))
    none(differences(sample, final.values()))
    none(unequal(scan(sample, tmp_path, policy), final))
    assert not any("Traceback" in worker.text() for worker in world.workers)


async def _read(world: World) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]:
    return await world.documents(), await world.documents("gaps")
