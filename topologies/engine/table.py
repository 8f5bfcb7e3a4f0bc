"""The table that Faust knows by name, whose rows live in shards.

Faust gives it its changelog's name, its place in the group's assignment and its life cycle. It never writes a row.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust

from topologies.engine.errors import EngineError
from topologies.engine.shard import Shard
from topologies.engine.store import Hook, ShardedStore

Before = Callable[[Shard], Awaitable[None]]
After = Callable[[Shard, float], None]


class ShardedTable(faust.Table):  # type: ignore[misc]  # Faust ships no types
    """`app.Table("trails", …)` of an app that `build_app` made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source: str | None = None
        self.before_commit: Before | None = None
        self.after_commit: After | None = None
        self.due = asyncio.Event()
        self.app.on_partitions_revoked.connect(self._on_revoked)

    def _new_store(self) -> ShardedStore:
        return ShardedStore("sharded://", self.app, self, table_name=self.name)

    @property
    def shards(self) -> Mapping[int, Shard]:
        """The shards that are ours, by partition. Not to be trusted unless `ready`."""
        return self.data.shards  # type: ignore[no-any-return]

    @property
    def ready(self) -> bool:
        """The rows are restored and the hooks have run."""
        return bool(self.data.ready)

    @property
    def fence_seconds(self) -> float:
        """How long it took to take the shards over, at the last rebalance."""
        return self.data.fence_seconds  # type: ignore[no-any-return]

    @property
    def restored(self) -> tuple[int, float]:
        """Records read back from the changelog at the last rebalance, and the seconds it took."""
        return self.data.restored_rows, self.data.restore_seconds

    def on_restored(self, hook: Hook) -> Hook:
        """Call `hook(shards)` after each restore and before anything is handed over: build `shard.local` there.

        It may be a coroutine function: what it builds for a rebalance that another has overtaken is of no more use.
        """
        self.data.hooks.append(hook)
        return hook

    async def commit_all(self) -> None:
        """Commit all shards that have something to commit, at once. What fails raises."""
        await asyncio.gather(*[self._commit(shard) for shard in list(self.shards.values())])

    async def _commit(self, shard: Shard) -> None:
        async with shard.lock:
            if shard.retired or not shard.open:
                return
            if self.source is None:
                raise EngineError(f"Table {self.name} has no source topic: `run` sets it")
            began = time.perf_counter()
            try:
                await self._ask(shard)
                await shard.commit(self.source)
            except BaseException:
                shard.poison()
                raise
            if self.after_commit is not None:
                self.after_commit(shard, time.perf_counter() - began)

    async def _ask(self, shard: Shard) -> None:
        """What the shard asks of others is with Kafka before the commit: it may come twice, and never not at all."""
        if self.before_commit is not None:
            await self.before_commit(shard)
        elif shard.asks:
            raise EngineError(f"Table {self.name} has asks and no `before_commit` that sends them")
        shard.asks.clear()

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """While the group waits for us: whoever gets a partition next finds everything committed."""
        await self.data.release(commit=not self.app.crashed)

    async def on_start(self) -> None:
        """Called by Faust. Topics are made by `mailgap topics create`, so none is declared here."""
        await self.add_runtime_dependency(self.data)

    async def on_stop(self) -> None:
        """Called by Faust when the app stops, after its consumer took in its last record."""
        try:
            await self.data.release(commit=not self.app.crashed)
        except Exception as cause:  # noqa: BLE001  # the rest must stop all the same
            await self.app.crash(cause)
        await super().on_stop()

    async def _del_old_keys(self) -> None:
        """Windows close by the log's clock, in a step, and not by this process's."""
