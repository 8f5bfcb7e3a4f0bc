"""The store behind a sharded table: what happens to the shards as the group rebalances.

revoked     commit what is pending, then let go
assigned    a new Shard for each partition, fenced, and the changelog's end offsets noted
recovered   the changelog read back by ourselves (Faust finds nothing to do), the hooks run, then, and only then, ready

Every shard is made anew at every rebalance: a member that was expelled and comes back must not trust what it had.
An error anywhere here ends the process; Faust would swallow it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from faust.stores.base import Store
from faust.types import TP

from topologies.engine.restore import restore
from topologies.engine.shard import Shard

Hook = Callable[[Mapping[int, Shard]], Awaitable[None] | None]


class ShardedStore(Store):  # type: ignore[misc]  # Faust ships no types
    """Rows by partition. Reading through the table is for queries only; steps use the shard itself."""

    def __post_init__(self) -> None:
        self.shards: dict[int, Shard] = {}
        self.ready = False
        self.restoring = False
        self.hooks: list[Hook] = []
        self.fence_seconds = 0.0
        self.restore_seconds = 0.0
        self.restored_rows = 0
        self._ends: dict[int, int] = {}

    async def release(self, *, commit: bool) -> None:
        """Let go of all shards: after a last commit, where what they hold can be trusted."""
        self.ready = False
        if commit:
            await self.table.commit_all()
        await asyncio.gather(*[shard.retire() for shard in self.shards.values()])
        self.shards = {}

    async def on_rebalance(self, *_: Any, **__: Any) -> None:
        """Take the partitions that are now ours. Runs inside the group's rebalance: what it raises ends the process."""
        await self.release(commit=False)
        began = time.perf_counter()
        topic = self.table.changelog_topic_name
        mine = sorted(tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == topic)
        shards = {partition: self._shard(partition) for partition in mine}
        self.shards = shards
        await asyncio.gather(*[shard.fence() for shard in shards.values()])
        self._ends = await self._changelog_ends(topic, mine)
        self.fence_seconds = time.perf_counter() - began

    def _shard(self, partition: int) -> Shard:
        return Shard(
            partition,
            group=self.app.conf.id,
            name=self.table.name,
            changelog=self.table.changelog_topic_name,
            settings=self.app.engine,
        )

    async def _changelog_ends(self, topic: str, partitions: list[int]) -> dict[int, int]:
        """After the fence: nobody can write any more, so these are the ends of what there is to restore."""
        if not partitions:
            return {}
        ends = await self.app.consumer.highwaters(*[TP(topic, partition) for partition in partitions])
        return {tp.partition: end for tp, end in ends.items()}

    def persisted_offset(self, tp: TP) -> int:
        """Tells Faust's own recovery that everything is here."""
        return self._ends.get(tp.partition, 0) - 1

    async def on_recovery_completed(self, *_: Any) -> None:
        """Called by Faust when its recovery has found nothing to do."""
        shards = self.shards
        self.restoring = True
        try:
            await self._restore(shards)
        except Exception as cause:  # noqa: BLE001  # whatever it is, the state is not to be trusted
            await self.app.crash(cause)
        finally:
            self.restoring = self.restoring and self.shards is not shards

    async def _restore(self, shards: dict[int, Shard]) -> None:
        began = time.perf_counter()
        rows = {partition: shard.rows for partition, shard in shards.items()}
        topic = self.table.changelog_topic_name
        count = await restore(topic, rows, self._ends, self.app.engine, lambda: self.shards is shards)
        if self.shards is not shards:
            return  # another rebalance; its own restore will say when we are ready
        self.restored_rows, self.restore_seconds = count, time.perf_counter() - began
        for hook in self.hooks:
            if (building := hook(shards)) is not None:
                await building
        self.ready = self.shards is shards

    def apply_changelog_batch(self, *_: Any, **__: Any) -> None:
        """Faust's recovery must have nothing to apply."""
        raise AssertionError("restored by the store itself")

    def __getitem__(self, key: bytes) -> bytes:
        for shard in self.shards.values():
            if key in shard.rows:
                return shard.rows[key]
        raise KeyError(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        raise TypeError("Rows are written through their shard, in a step")

    def __delitem__(self, key: bytes) -> None:
        raise TypeError("Rows are removed through their shard, in a step")

    def __contains__(self, key: object) -> bool:
        return any(key in shard.rows for shard in self.shards.values())

    def __len__(self) -> int:
        return sum(len(shard.rows) for shard in self.shards.values())

    def __iter__(self) -> Iterator[bytes]:
        for shard in self.shards.values():
            yield from shard.rows

    def reset_state(self) -> None:
        """Faust's command line asks for it; the state is in the changelog."""

    async def backup_partition(self, *_: Any, **__: Any) -> None:
        """Part of Faust's interface for stores on disk."""

    def restore_backup(self, *_: Any, **__: Any) -> None:
        """Part of Faust's interface for stores on disk."""
