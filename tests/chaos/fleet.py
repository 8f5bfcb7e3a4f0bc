"""Workers that are started anew whenever they end, as a supervisor would do in earnest; and their brokers."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.integration.world import World, ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from service.demo.broker import LocalKafka
    from tests.chaos.cluster import Brokers
    from tests.integration.world import Worker

SESSION = 6.0
"""Seconds after which a silent worker is replaced (`World.start`)."""
STOPS_WITHIN = 10.0
"""Seconds that SIGTERM may take."""
TOGETHER: tuple[tuple[str, ...], ...] = ((),)
APART: tuple[tuple[str, ...], ...] = (("--role", "ingest"), ("--role", "correlate"))
_FIRST_BREATH = 0.5


@dataclass(eq=False)
class Member:
    """One place in the fleet: a process with both roles, or one for each."""

    roles: Sequence[tuple[str, ...]]
    processes: list[Worker] = field(default_factory=list)


@dataclass
class Fleet:
    """What runs. `died`: exit codes of processes that ended without being told to."""

    world: World
    brokers: Brokers
    arguments: tuple[str, ...]
    rng: Random
    members: list[Member] = field(default_factory=list)
    died: Counter[int] = field(default_factory=Counter)
    slow_stops: list[float] = field(default_factory=list)
    _told: set[int] = field(default_factory=set)
    """Processes that are to end, or have been ended, by us."""

    def join(self, roles: Sequence[tuple[str, ...]]) -> Member:
        """One member more."""
        member = Member(roles, [self._start(role) for role in roles])
        self.members.append(member)
        return member

    async def leave(self, member: Member) -> None:
        """By SIGTERM, for good."""
        self.members.remove(member)
        await asyncio.gather(*(self.terminate(process) for process in member.processes))

    async def terminate(self, worker: Worker) -> None:
        """SIGTERM; notes where it took too long, or its exit was no good one."""
        self._told.add(worker.process.pid)
        worker.send(signal.SIGTERM)
        began = asyncio.get_running_loop().time()
        code = await asyncio.to_thread(worker.ends, 60)
        took = asyncio.get_running_loop().time() - began
        if took > STOPS_WITHIN:
            self.slow_stops.append(took)
        if code not in (0, -signal.SIGTERM):  # the latter while it was still loading its modules
            self.died[code] += 1

    async def replace(self, member: Member, worker: Worker) -> None:
        """Puts a new process into the place of one that was ended."""
        if member in self.members:
            at = member.processes.index(worker)
            member.processes[at] = self._start(member.roles[at])

    def kill(self, worker: Worker) -> None:
        """kill -9."""
        self._told.add(worker.process.pid)
        worker.killed()

    def any(self) -> tuple[Member, Worker]:
        """One of those that run."""
        member = self.rng.choice(self.members)
        return member, self.rng.choice(member.processes)

    def any_broker(self) -> LocalKafka:
        """One of those that run."""
        return self.brokers.any(self.rng)

    async def coordinator(self) -> int:
        """The number of a broker that coordinates transactions, ours among them."""
        async with self.world.admin() as admin:
            (topic,) = await admin.describe_topics(["__transaction_state"])
        return int(self.rng.choice(topic["partitions"])["leader"])

    async def all_ready(self) -> None:
        """Until every process says that it is."""
        for member in self.members:
            for worker in member.processes:
                await ready(worker, within=120)

    def with_shards(self) -> list[Worker]:
        """The processes that own shards."""
        workers = [worker for member in self.members for worker in member.processes]
        return [worker for worker in workers if worker.metric("mailgap_shards_owned")]

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """As long as this lasts, what ends is started anew; at its end, everything is told to end."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
            watch.cancel()
            for member in list(self.members):
                await self.leave(member)
        finally:
            watch.cancel()
            self.world.end()

    async def _watch(self) -> None:
        while True:
            for member in list(self.members):
                for worker in list(member.processes):
                    code = worker.process.poll()
                    if code is not None and worker.process.pid not in self._told:
                        self.died[code] += 1
                        await self.replace(member, worker)
            await asyncio.sleep(_FIRST_BREATH)

    def _start(self, role: tuple[str, ...]) -> Worker:
        return self.world.start(*self.arguments, *role)
