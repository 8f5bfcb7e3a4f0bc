"""What is done to workers and brokers. Each fault ends with everything running again, or on its way to."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from typing import TYPE_CHECKING

from tests.chaos.fleet import APART, SESSION, TOGETHER
from tests.integration.world import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from service.demo.broker import LocalKafka
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
    await asyncio.to_thread(fleet.any_broker().restart)


async def broker_kill(fleet: Fleet, _: float) -> None:
    """A power cut, and the broker comes back."""
    broker = fleet.any_broker()
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)


async def broker_pause(fleet: Fleet, outage: float) -> None:
    """The broker does not answer, and nobody is told why."""
    pid = fleet.any_broker().pid
    assert pid is not None, "a broker that somebody else runs is not to be stopped"
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(outage)
    finally:
        os.kill(pid, signal.SIGCONT)


async def coordinator(fleet: Fleet, _: float) -> None:
    """The broker that coordinates some shard's transactions loses its power; another takes over what is open."""
    broker = fleet.brokers.numbered(await fleet.coordinator())
    await asyncio.to_thread(broker.kill)
    await asyncio.sleep(fleet.rng.uniform(5, 10))  # past its session, so that others are elected
    await asyncio.to_thread(broker.start)


async def broker_disk(fleet: Fleet, _: float) -> None:
    """A broker's log directory fails, upon which it ends itself; somebody repairs it."""
    broker = fleet.any_broker()
    data, away = broker.home / "data", broker.home / "away"
    data.rename(away)
    await eventually(lambda: _silent(broker), 90, lambda: "a broker goes on without its log directory")
    await asyncio.to_thread(broker.kill)
    shutil.rmtree(data, ignore_errors=True)  # what it wrote meanwhile
    away.rename(data)
    await asyncio.to_thread(broker.start)


async def _silent(broker: LocalKafka) -> bool:
    """Nobody listens at its port any more."""
    host, _, port = broker.bootstrap_servers.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return True
    writer.close()
    return False


FAULTS: dict[str, Callable[[Fleet, float], Awaitable[None]]] = {
    "kill": kill,
    "term": term,
    "pause": pause,
    "join": join,
    "leave": leave,
    "broker-restart": broker_restart,
    "broker-kill": broker_kill,
    "broker-pause": broker_pause,
    "coordinator": coordinator,
    "broker-disk": broker_disk,
}
OF_BROKERS = frozenset(name for name in FAULTS if name.startswith("broker")) | {"coordinator"}
OF_CLUSTERS = frozenset({"coordinator", "broker-disk"})
"""They take a broker away for longer than one alone could be spared."""


def possible(brokers: int) -> tuple[str, ...]:
    """All faults that so many brokers can stand."""
    return tuple(name for name in FAULTS if brokers > 1 or name not in OF_CLUSTERS)
