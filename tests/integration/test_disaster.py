"""What deploy/OPERATING.md says of disasters, tried: the state is lost, or the trace store."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from tests.integration.test_security import REFUSED
from tests.integration.world import Input, eventually, ready

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


def _refused(number: int) -> list[Input]:
    now = int(time.time() * 1000)
    return [Input(now, "smtp", b"mx", line.replace("3F2A81C0DE", f"3F2A8{number:05X}").encode()) for line in REFUSED]


async def _found(world, count, otherwise):
    async def enough() -> bool:
        return len(await world.documents("gaps")) == count

    await eventually(enough, 90, otherwise)


def test_a_worker_whose_state_was_lost_says_so_instead_of_forgetting_what_was_open(world):
    """Somebody deletes the changelog, and makes it anew since that is what a missing topic asks for."""

    async def before() -> None:
        worker = world.start()
        await ready(worker)
        await world.produce(_refused(1))
        await _found(world, 1, worker.text)
        assert worker.stopped()[0] == 0, worker.text()
        again = world.start()
        await ready(again)  # with its state it is well
        assert again.stopped()[0] == 0, again.text()
        async with world.admin() as admin:
            await admin.delete_topics([f"{world.prefix}-correlate-trails-changelog"])

            async def gone() -> bool:
                return f"{world.prefix}-correlate-trails-changelog" not in await admin.list_topics()

            await eventually(gone, 60, lambda: "the topic stays")

    asyncio.run(before())
    world.create_ours()
    worker = world.start()
    assert worker.ends(90) == 1, worker.text()
    assert "the state is lost, and with it what was open. Start anew with another --prefix" in worker.text()
    assert "Traceback" not in worker.text()


def test_a_trace_store_that_was_lost_is_filled_again(world, tmp_path):
    store = tmp_path / "trail.db"

    async def story() -> None:
        worker = world.start()
        await ready(worker)
        await world.produce(_refused(1))
        await _found(world, 1, worker.text)
        mail = next(iter(await world.documents()))
        for _ in range(2):
            page = world.trace(str(store))
            await eventually(partial(_shown, page, mail), 90, page.text)
            assert page.stopped()[0] == 0, page.text()
            for file in tmp_path.glob("trail.db*"):
                file.unlink()
            assert not store.exists()

    asyncio.run(story())


async def _shown(page, mail: str) -> bool:
    return page.get(f"/api/v1/mails/{mail.replace('/', '%2F').replace('@', '%40')}")[0] == 200
