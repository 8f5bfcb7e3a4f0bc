"""Keeps one sink informed: what is due, an intention in the journal, an attempt, a note that it was taken.

Each sink has its own, so one that is slow or dead holds up nobody else. Only the latest state of each alert waits, so
there is no queue to overflow; between attempts that fail lies a pause that grows to five minutes.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from service.contract.wire import instant_of
from service.edges.notify.delivery import RefusedError, UnavailableError
from service.edges.notify.journal import SinkStatus
from service.logs import fields, log
from service.metrics import NOTIFICATIONS, NOTIFICATIONS_REFUSED, NOTIFICATIONS_WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from service.contract.notification import Notification
    from service.edges.notify.delivery import Delivery
    from service.edges.notify.journal import Journal
    from service.facts import Instant
    from service.notifications.board import Board
    from service.notifications.ledger import Ledger, Task

    Ask = Callable[[str | None], str]
    """A region, None where none is known -> what AWS says of the account there, as one sentence. Blocks."""

FIRST_PAUSE: Final = 1.0
LAST_PAUSE: Final = 300.0
IDLE: Final = 30.0
"""Seconds after which a courier looks again although nobody woke it."""
LAST_WORD: Final = 3.0
"""Seconds that an attempt has to end in when the process is told to stop."""
STALE: Final = 5.0
"""Seconds from the beginning of keeping an intention within which its attempt must begin; less than any session."""
ASKING: Final = 5.0
"""Seconds that a notification waits at most for what AWS says beside it."""
RESULTS: Final = ("sent", "failed", "refused")


class Courier:
    """One sink's."""

    def __init__(
        self,
        name: str,
        board: Board,
        ledger: Ledger,
        delivery: Delivery,
        journal: Journal,
        ask: Ask | None = None,
    ) -> None:
        """`board` is shared by all and read only."""
        self.name, self._ask = name, ask
        self._board, self._ledger, self._delivery, self._journal = board, ledger, delivery, journal
        self._woken = asyncio.Event()
        self._pause = 0.0
        self._failing_since: Instant | None = None
        self._error = ""
        for result in RESULTS:  # shown at 0 from the start, so that the first failure is an increase
            NOTIFICATIONS.labels(name, result)

    def wake(self) -> None:
        """Something has changed on the board."""
        self._woken.set()

    def status(self) -> SinkStatus:
        """How the sink does; the gauges are set along with it."""
        waiting, set_aside = self._ledger.waiting(self._board), self._ledger.set_aside(self._board)
        NOTIFICATIONS_WAITING.labels(self.name).set(waiting)
        NOTIFICATIONS_REFUSED.labels(self.name).set(set_aside)
        return SinkStatus(waiting, set_aside, self._failing_since, self._error)

    async def run(self) -> None:
        """Until cancelled. Raises `KafkaError` where the journal cannot be written."""
        try:
            while True:
                await self._rest(await self._to_its_end(asyncio.create_task(self.step())))
        finally:
            await self._delivery.close()

    async def _to_its_end(self, step: asyncio.Task[float]) -> float:
        """Whoever stops us lets an attempt that is under way end, and its success be noted: else it is told again."""
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait({step}, timeout=LAST_WORD)
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
            raise

    async def step(self) -> float:
        """Tells what is due now, as one batch; returns after how many seconds to look again."""
        now = _now()
        self._woken.clear()
        tasks, later = self._ledger.due(self._board, now)
        if not tasks:
            return IDLE if later is None else min(max(later - now, 0) / 1000, IDLE)
        tasks = tasks[: self._delivery.batch]
        said = await self._asked(tasks)  # before the intention is kept, and before what is open is read off the board
        chosen = [self._as_it_is(task, said) for task in tasks]
        await self._attempt([task for task, _ in chosen], [said for _, said in chosen])
        return self._pause

    async def _asked(self, tasks: Iterable[Task]) -> dict[str | None, str]:
        """What AWS says of the accounts that are refused, by region. It is beside the alert: it neither makes nor
        updates one, and one that AWS does not answer about is told all the same.
        """
        found: dict[str | None, str] = {}
        if self._ask is None:
            return found
        regions = dict.fromkeys(each for task in tasks if task.firing for each in self._board.regions(task.subject))
        try:
            async with asyncio.timeout(ASKING):
                for region in regions:
                    found[region] = await asyncio.to_thread(self._ask, region)
        except TimeoutError:
            found |= dict.fromkeys(regions.keys() - found.keys(), f"AWS was asked and did not answer in {ASKING:g} s.")
        return found

    def _as_it_is(self, task: Task, asked: dict[str | None, str]) -> tuple[Task, Notification]:
        evidence = dict.fromkeys(asked[each] for each in self._board.regions(task.subject) if each in asked)
        said = self._board.notification(task.subject, task.since, firing=task.firing, evidence=tuple(evidence))
        return task._replace(number=said.number, since=instant_of(said.since)), said

    async def _attempt(self, tasks: Sequence[Task], notifications: Sequence[Notification]) -> None:
        now = _now()
        intended = {task.alert_id: self._ledger.intend(task, now) for task in tasks}
        began = time.monotonic()
        await self._journal.keep(self.name, {key: entry for key, entry in intended.items() if entry is not None})
        if time.monotonic() - began > STALE:
            return  # we were held up, and somebody else may lead by now: the next attempt keeps its intention anew
        try:
            await self._delivery.deliver(notifications)
        except UnavailableError as error:
            self._failed("failed", str(error), len(tasks), error.pause)
        except RefusedError as error:
            if len(tasks) > 1:  # one that is refused must not take the others of its batch along
                for task, said in zip(tasks, notifications, strict=True):
                    await self._attempt([task], [said])
                return
            self._ledger.refused(tasks[0])
            self._failed("refused", str(error), 1)
        else:
            await self._took(tasks)

    async def _took(self, tasks: Iterable[Task]) -> None:
        taken = {task.alert_id: self._ledger.taken(task, _now()) for task in tasks}
        NOTIFICATIONS.labels(self.name, "sent").inc(len(taken))
        if self._failing_since is not None:
            log.info("%s takes notifications again", self.name, extra=_fields(self.name, "sent", len(taken), ""))
        self._pause, self._failing_since, self._error = 0.0, None, ""
        await self._journal.keep(self.name, {key: entry for key, (keep, entry) in taken.items() if keep})

    def _failed(self, result: str, why: str, number: int, asked: float = 0.0) -> None:
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LAST_PAUSE)
        self._pause = max(self._pause * random.uniform(0.75, 1.25), asked)  # noqa: S311 so that not all come at once
        NOTIFICATIONS.labels(self.name, result).inc(number)
        if self._failing_since is None:
            self._failing_since = _now()
        if why != self._error:  # each failure is counted; each kind of failure is told once
            self._error = why
            log.warning("%s takes no notifications: %s", self.name, why, extra=_fields(self.name, result, number, why))

    async def _rest(self, seconds: float) -> None:
        """Sleeps; where the sink is well, a change on the board ends it."""
        if self._pause:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return


def _fields(sink: str, result: str, count: int, error: str) -> dict[str, object]:
    return fields("notifications", sink=sink, result=result, count=count, error=error)


def _now() -> Instant:
    return time.time_ns() // 1_000_000
