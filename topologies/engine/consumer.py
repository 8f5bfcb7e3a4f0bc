"""Whole fetches instead of single records: contiguous, never skipped, never handed over too early.

Faust hands an agent one event a record, may begin beyond the committed offset after a rebalance (its issue 596), and
may begin before its tables are restored. This Consumer hands over one event a `Batch`; every offset from its `first`
up to its `after` is accounted for. Where the client stands elsewhere than the Batch before it ended, the broker is
asked why: what it has removed is reported as a hole, for anything else we go back and read again.

Only committed records are read: the facts of an aborted transaction never happened.
"""

# ruff: noqa: SLF001  # internals of Faust; tests/topologies/test_contract.py names each

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from faust.events import Event
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from topologies.engine.batch import Batch, enclose
from topologies.engine.bounded import bounded
from topologies.engine.errors import LogShrunkError
from topologies.engine.positions import Positions
from topologies.engine.thread import ConsumerThread, Stretch

_PAUSE = 0.005
PAUSED = 5.0
"""Seconds after which a partition that was paused is read again: whoever paused it may hang."""


class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust ships no types
    """Made by Faust, one an app: `app.consumer`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._at = Positions()
        self._paused: tuple[frozenset[TP], float] = frozenset(), 0.0
        self._busy = 0
        self._idle = asyncio.Event()
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # What the topologies ask.

    def settled(self, tp: TP) -> int | None:
        """The offset below which nothing is left to do: all of it was handed over, and the agent is done with it."""
        return self._at.settled(tp)

    async def position_and_end(self, tps: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        """`settled` and the last stable offset of each partition that is ours; the others are left out.

        The end is asked for first and the position is read after it. So where position >= end, all that was in the
        log when this was called is dealt with: take the clock *before* the call. Raises what aiokafka raises, and
        StuckError after `io_timeout`, where the broker cannot be reached.
        """
        ours = self._at.ours(tps)
        if not ours:
            return {}
        async with bounded(self.app.engine.io_timeout, "Kafka did not say where the inputs end"):
            ends = ensure_TPs(await self.highwaters(*ours))
        return {tp: (at, end) for tp, end in ends.items() if (at := self._at.settled(tp)) is not None}

    def pause_reading(self, tps: Iterable[TP], generation: int) -> None:
        """Of these partitions, and of no others, nothing is handed over until this is called again, or for `PAUSED`.

        No effect where the group has rebalanced since `generation`. What a partition holds then waits, and shows as its
        lag. (Faust's own `pause_partitions` has another use: a restore.)
        """
        if generation == self.app.consumer_generation_id:
            self._paused = frozenset(tps), asyncio.get_running_loop().time() + PAUSED

    def reading_paused(self) -> frozenset[TP]:
        """The partitions that are paused on purpose now."""
        tps, until = self._paused
        return tps if tps and asyncio.get_running_loop().time() < until else frozenset()

    def ack_range(self, tp: TP, upto: int, generation: int) -> bool:
        """Everything below `upto` may be committed. False, and no effect, where the group has rebalanced since."""
        return generation == self.app.consumer_generation_id and self._at.ack(tp, upto)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Around all that an agent does with an event: a rebalance or a shutdown waits for its end (`wait_empty`)."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._idle.set()

    def finish(self, event: Any) -> None:
        """The agent is done with this event, and what it made of it is safe or part of an open transaction."""
        if event.message.generation_id == self.app.consumer_generation_id:
            self._at.finish(event.message.tp, event.value.after)

    # What Faust calls.

    async def perform_seek(self) -> None:
        """Begin where the group has committed, else at the beginning. Called once a rebalance, after the restore."""
        self._at.forget()
        self._paused = frozenset(), 0.0
        await super().perform_seek()
        ours = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        starts = {tp: at for tp in ours if (at := self._committed_offset[tp])}
        if fresh := [tp for tp in ours if tp not in starts]:
            begin = ensure_TPs(await self.earliest_offsets(*fresh))
            await self.seek_wait(begin)
            starts.update(begin)
        self._at.begin(starts)

    async def wait_empty(self) -> None:
        """Before partitions are given back: let the step that is under way end, within a bound; then commit."""
        try:
            async with asyncio.timeout(self.app.engine.drain_timeout):
                while self._busy:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            self.log.warning("A step is not done after %s s; we go on without it", self.app.engine.drain_timeout)
        await self.commit_and_end_transactions()

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> list[TP]:  # noqa: ARG002  # Faust's signature
        return list(self._at.acked)

    def _new_offset(self, tp: TP) -> int | None:
        return self._at.acked.get(tp)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's fetcher task. It starts after `perform_seek`, so it must leave the positions alone."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                await self._fetch_once()
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.app.should_stop:
                raise
        except Exception as cause:  # noqa: BLE001  # whatever it is, it ends the process, in one line
            await self.app.crash(cause)

    async def _fetch_once(self) -> None:
        paused = self.reading_paused()
        tps = [tp for tp in self._get_active_partitions() if tp not in paused and not self._is_changelog_tp(tp)]
        generation = self.app.consumer_generation_id
        if not (tps and self._may_hand_over(generation)):
            await asyncio.sleep(_PAUSE)
            return
        for tp, stretch in (await self._thread.stretches(tps)).items():
            if not await self._take(tp, stretch, generation):
                return

    def _may_hand_over(self, generation: int) -> bool:
        """The state is restored, nobody is rebalancing, and what we fetched is of this generation."""
        app = self.app
        return (
            self.flow_active
            and app.tables.actives_ready
            and not app.rebalancing
            and generation == app.consumer_generation_id
            and all(getattr(table.data, "ready", True) for table in app.tables.values())
        )

    async def _take(self, tp: TP, stretch: Stretch, generation: int) -> bool:
        """Hand a stretch over, if it begins where the last one ended. False: stop, all that was fetched is stale."""
        if stretch.records and not await self._room(tp, generation):
            return False
        if not self._may_hand_over(generation):
            return False
        if tp in self._at.passed:
            if stretch.start != self._at.passed[tp]:
                return await self._realign(tp, generation)
            if stretch.records:
                self._hand_over(tp, Batch(self._at.handed[tp], stretch.end, stretch.records), generation)
            self._at.passed[tp] = stretch.end
        return True

    async def _realign(self, tp: TP, generation: int) -> bool:
        """The client stands elsewhere than we thought. Were records removed, or was a fetch from before a seek?"""
        begin = ensure_TPs(await self.earliest_offsets(tp))[tp]
        end = ensure_TPs(await self.highwaters(tp))[tp]
        if not (await self._room(tp, generation) and self._may_hand_over(generation)):
            return False
        expected = self._at.passed[tp]
        if end < expected:
            raise LogShrunkError(
                f"{tp.topic}/{tp.partition} ends at {end}, but {expected} was read: it was cut or made anew. "
                f"Reset the offsets of group {self.app.conf.id} for it"
            )
        if begin > expected:
            self._hand_over(tp, Batch(self._at.handed[tp], begin, [], hole=True), generation)
        await self.seek_wait({tp: self._at.passed[tp]})
        return True

    async def _room(self, tp: TP, generation: int) -> bool:
        """Wait until the agents have taken what waits for them. False: a rebalance came first."""
        while any(channel.queue.qsize() >= self.app.engine.prefetch for channel in self._channels(tp)):
            await asyncio.sleep(_PAUSE)
            if not self._may_hand_over(generation):
                return False
        return True

    def _hand_over(self, tp: TP, batch: Batch, generation: int) -> None:
        message = enclose(tp, batch, generation)
        channels = self._channels(tp)
        message.incref(len(channels))
        for channel in channels:
            channel.queue.force_put_nowait(Event(self.app, None, batch, None, message))
        self._at.hand_over(tp, batch.after)

    def _channels(self, tp: TP) -> list[Any]:
        return list(self.app.topics._tp_index.get(tp) or ())


def ensure_TPs(offsets: Any) -> dict[TP, int]:  # noqa: N802  # as Faust calls it for one
    """The same mapping under Faust's own type of partition."""
    return {ensure_TP(tp): offset for tp, offset in offsets.items()}


class Transport(driver.Transport):  # type: ignore[misc]  # Faust ships no types
    """Faust's Kafka transport with this Consumer; `App` makes it."""

    Consumer = Consumer
