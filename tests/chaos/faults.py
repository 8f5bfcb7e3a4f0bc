"""What is done to workers and brokers. Each fault ends with everything running again, or on its way to."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from tests.chaos.fleet import APART, SESSION, TOGETHER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.chaos.fleet import Fleet

MOST_MEMBERS = 3


async def kill(fleet: Fleet, _: float) -> None:
    """kill -9, and a new one a moment later."""
    member, worker = fleet.any()
    fleet.kill(worker)
    await asyncio.sleep(fleet.rng.uniform(0, 2))
    await fleet.replace(member, worker)


async def term(fleet: Fleet, _: float) -> None:
    """SIGTERM, and a new one once it has gone."""
    member, worker = fleet.any()
    await fleet.terminate(worker)
    await fleet.replace(member, worker)


async def pause(fleet: Fleet, _: float) -> None:
    """SIGSTOP past the session, so that another has taken over when it goes on."""
    _, worker = fleet.any()
    if worker.process.poll() is None:
        worker.send(signal.SIGSTOP)
        await asyncio.sleep(SESSION + fleet.rng.uniform(1, 5))
        worker.send(signal.SIGCONT)


async def join(fleet: Fleet, _: float) -> None:
    """A worker more, with both roles or as two processes; where there are many, one leaves instead."""
    if len(fleet.members) >= MOST_MEMBERS:
        await leave(fleet, _)
    else:
        fleet.join(fleet.rng.choice((TOGETHER, APART)))


async def leave(fleet: Fleet, _: float) -> None:
    """A worker leaves for good; the last one is replaced by one that has its roles otherwise."""
    member = fleet.rng.choice(fleet.members)
    if len(fleet.members) == 1:
        fleet.join(APART if len(member.roles) == 1 else TOGETHER)
    await fleet.leave(member)


async def broker_restart(fleet: Fleet, _: float) -> None:
    """The broker stops in good order and comes back."""
    await asyncio.to_thread(fleet.broker.restart)


async def broker_kill(fleet: Fleet, _: float) -> None:
    """A power cut, and the broker comes back."""
    await asyncio.to_thread(fleet.broker.kill)
    await asyncio.to_thread(fleet.broker.start)


async def broker_pause(fleet: Fleet, outage: float) -> None:
    """The broker does not answer, and nobody is told why."""
    fleet.signal_broker(signal.SIGSTOP)
    try:
        await asyncio.sleep(outage)
    finally:
        fleet.signal_broker(signal.SIGCONT)


Fault = "Callable[[Fleet, float], Awaitable[None]]"
FAULTS: dict[str, Callable[[Fleet, float], Awaitable[None]]] = {
    "kill": kill,
    "term": term,
    "pause": pause,
    "join": join,
    "leave": leave,
    "broker-restart": broker_restart,
    "broker-kill": broker_kill,
    "broker-pause": broker_pause,
}
OF_BROKERS = frozenset(name for name in FAULTS if name.startswith("broker"))
