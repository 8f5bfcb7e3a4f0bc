"""The bridge: polls, opens, delivers, deletes. In this order, so that nothing is deleted that Kafka does not have.

A record that is in work is hidden for longer, again and again, until it is delivered or given back. One that fails for
a reason that may pass stays in the queue, until it has come too often; then it is a dead letter like all others that
are refused. Whoever stops the bridge waits for what is in work; what is not done by then is given back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from service.aws import sns
from service.aws.clients import AwsError
from service.bridge.backlog import Backlog
from service.bridge.objects import never, passes
from service.bridge.opening import Forward, Nothing, Object, Rules, adds, open_event, open_record, sns_envelope
from service.contract import bridged, dead_letter
from service.edges.inputs import InputError
from service.edges.letters import ORIGIN
from service.edges.pauses import BackOff
from service.edges.topics import LARGEST_DEAD_LETTER
from service.facts import Reason, Unparsable
from service.logs import fields
from service.metrics import (
    BRIDGE_DEAD_LETTERS,
    BRIDGE_DELETED,
    BRIDGE_ERRORS,
    BRIDGE_FORWARDED,
    BRIDGE_IN_FLIGHT,
    BRIDGE_OLDEST_AGE,
    BRIDGE_RECEIVED,
    DEAD_LETTERS,
    release,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from service.aws.certificates import Certificates
    from service.bridge.objects import Objects
    from service.bridge.queue import Queue, Record
    from service.edges.outlet import Headers, Outlet
    from service.facts import Instant

    _T = TypeVar("_T")

log = logging.getLogger("mailgap.bridge")

STOP_BOUND: Final = 25.0
"""Seconds in which what is in work may end: a long poll, and Kafka's answer. Kubernetes gives 30."""
LONGEST_PAUSE: Final = 10.0
"""Seconds between batches of which nothing could be done: what comes meanwhile may be well."""
STAGE: Final = "bridge"
LARGEST: Final = LARGEST_DEAD_LETTER - (2 << 20)
"""Bytes of a dead letter's value: with the sender's attributes (SQS takes 1 MiB of all) it must pass the producer."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What a bridge is to do. `signatures`: where they are checked; `max_age` in milliseconds, `visibility` seconds."""

    rules: Rules
    outlet: Outlet
    objects: Objects | None
    signatures: Certificates | None
    max_age: int
    visibility: float
    receives: int


@dataclass(slots=True)
class Desk:
    """One queue and what of it is in work."""

    queue: Queue
    backlog: Backlog = field(default_factory=Backlog)
    in_work: dict[str, tuple[Record, float]] = field(default_factory=dict)
    """By handle: the record, and when it was last hidden."""
    stated: int = 0
    """The age, in milliseconds, as of the newest poll."""
    complaint: str = ""
    """What was said last of what fails, so that it is said once."""

    def age(self) -> int:
        """Of the oldest record of the queue, in milliseconds."""
        return self.backlog.age(now_ms(), (record.sent_at for record, _ in self.in_work.values()))


class Bridge:
    """Runs on one event loop; calls of AWS run in threads."""

    def __init__(self, queues: Iterable[Queue], duties: Duties, pollers: int) -> None:
        """`pollers`: long polls at a time, a queue."""
        self._desks = [Desk(queue) for queue in queues]
        self._duties, self._pollers = duties, pollers
        self._threads = ThreadPoolExecutor(len(self._desks) * pollers * 2 + 4, "aws")
        self._stop = asyncio.Event()
        for desk in self._desks:
            for metric in (BRIDGE_RECEIVED, BRIDGE_FORWARDED, BRIDGE_DELETED):
                metric.labels(desk.queue.name)  # shown at 0 from the start: the first one is an increase

    def stop(self) -> None:
        """No more polls; `run` returns when what is in work is done."""
        self._stop.set()

    def complaints(self) -> dict[str, str]:
        """By queue, what fails at the moment."""
        return {desk.queue.name: desk.complaint for desk in self._desks if desk.complaint}

    def gauge(self) -> None:
        """Sets the gauges that are read off what is in work."""
        for desk in self._desks:
            BRIDGE_IN_FLIGHT.labels(desk.queue.name).set(len(desk.in_work))
            BRIDGE_OLDEST_AGE.labels(desk.queue.name).set(desk.age() / 1000)

    async def run(self) -> None:
        """Until it is stopped. Raises what aiokafka raises where a producer cannot go on."""
        upkeep = [asyncio.create_task(self._keep_hidden(desk)) for desk in self._desks]
        polls = [asyncio.create_task(self._poll(desk)) for desk in self._desks for _ in range(self._pollers)]
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([*polls, *upkeep, stopped], return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            _, late = await asyncio.wait(polls, timeout=STOP_BOUND)
            for task in (*late, *upkeep, stopped):
                task.cancel()
            ended = await asyncio.gather(*polls, *upkeep, return_exceptions=True)
            await self._give_back()
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)
        for end in ended:
            if isinstance(end, Exception):
                raise end

    async def _poll(self, desk: Desk) -> None:
        pauses, failing = BackOff(), BackOff(most=LONGEST_PAUSE)
        while not self._stop.is_set():
            try:
                records = await self._thread(desk.queue.receive)
            except AwsError as error:
                self._complain(desk, "sqs", error)
                await self._pause(pauses.next())
                continue
            pauses.reset()
            desk.complaint = ""
            now = time.monotonic()
            desk.in_work.update({record.handle: (record, now) for record in records})
            BRIDGE_RECEIVED.labels(desk.queue.name).inc(len(records))
            desk.backlog.received(now_ms(), [record.sent_at for record in records])
            desk.stated = desk.age()  # once for all of them: over those in work it is no cheap question
            if not records or self._stop.is_set():
                continue
            if await self._work(desk, records):
                failing.reset()
            else:  # the next batch would probably fare the same, and what is left comes again and again
                await self._pause(failing.next())

    async def _work(self, desk: Desk, records: list[Record]) -> int:
        """Delivers a batch, and deletes of it what was delivered; how many were deleted."""
        deleted = 0
        ends = await asyncio.gather(*[self._deliver(desk, record) for record in records], return_exceptions=True)
        done = [record for record, end in zip(records, ends, strict=True) if end is True]
        left = [record for record, end in zip(records, ends, strict=True) if end is False]
        try:
            if done:
                deleted = await self._thread(desk.queue.delete, done)
                BRIDGE_DELETED.labels(desk.queue.name).inc(deleted)
        except AwsError as error:  # they come again, which does no harm
            self._complain(desk, "sqs", error)
        for record in (*done, *left):
            desk.in_work.pop(record.handle, None)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return deleted

    async def _deliver(self, desk: Desk, record: Record) -> bool:
        """Whether Kafka has all of it. False: it stays in the queue, and comes again when it is no longer hidden."""
        call = "certificate"
        try:
            refused = await self._unsigned(record)
            if refused is None:
                call = "s3"
                refused = await self._judged(desk, record)
        except (AwsError, InputError) as error:
            self._complain(desk, call, error)
            if passes(error) or (record.receives < self._duties.receives and not never(error)):
                return False
            reason = Reason.BAD_CERTIFICATE if call == "certificate" else Reason.UNREADABLE_OBJECT
            refused = Unparsable(reason, str(error))
        if refused is not None:
            await self._bury(desk, record, record.body, refused, self._headers(desk, record))
        return True

    async def _unsigned(self, record: Record) -> Unparsable | None:
        """Why SNS has not signed it, where that is asked for."""
        duties = self._duties
        if duties.signatures is None:
            return None
        envelope = sns_envelope(record.body)
        refused = await self._thread(sns.check, envelope, now_ms(), duties.signatures, duties.max_age)
        if refused is not None or envelope is None or not sns.holds_more(envelope):  # the last of it is the usual case
            return refused
        if adds(record.body, sns.signed_part(envelope), now_ms()):
            return Unparsable(Reason.BAD_SIGNATURE, "it says more than what SNS has signed of it")
        return None

    async def _judged(self, desk: Desk, record: Record) -> Unparsable | None:
        opened = _opened(open_record, record, record.body, self._duties.rules)
        if isinstance(opened, Unparsable):
            return opened
        if isinstance(opened, Nothing):
            _say_nothing(desk, opened)
            return None
        headers = self._headers(desk, record)
        if isinstance(opened, Forward):
            return await self._send(desk, opened.key, record.body, record, headers)
        for each in opened.objects:
            await self._send_object(desk, record, each, headers)
        return None

    async def _send(self, desk: Desk, key: bytes, value: bytes, record: Record, headers: Headers) -> Unparsable | None:
        refused = await self._duties.outlet.send(key or None, value, record.received_at, headers)
        if refused is None:
            BRIDGE_FORWARDED.labels(desk.queue.name).inc()
        return refused

    async def _send_object(self, desk: Desk, record: Record, each: Object, headers: Headers) -> None:
        """An object's events. What of it cannot be read is a dead letter by itself."""
        assert self._duties.objects is not None  # buckets are allowed, so there is a client
        headers = [*headers, (bridged.OBJECT, f"s3://{each.bucket}/{each.key}".encode())]
        chunks = self._duties.objects.events(each)
        refusals: set[Reason] = set()
        while chunk := await self._thread(next, chunks, None):
            await asyncio.gather(*[self._send_event(desk, record, event, headers, refusals) for event in chunk])

    async def _send_event(
        self, desk: Desk, record: Record, event: bytes, headers: Headers, refusals: set[Reason]
    ) -> None:
        """`refusals`: those of the object that were logged: one that holds something else may have a million lines."""
        opened = _opened(open_event, record, event, self._duties.rules)
        refused = opened if isinstance(opened, Unparsable) else None
        if isinstance(opened, Forward):
            refused = await self._send(desk, opened.key, event, record, headers)
        if refused is not None:
            told = refused.reason in refusals
            refusals.add(refused.reason)
            await self._bury(desk, record, event, refused, headers, told=told)

    async def _bury(
        self, desk: Desk, record: Record, value: bytes, why: Unparsable, headers: Headers, *, told: bool = False
    ) -> None:
        name, topic = desk.queue.name, self._duties.outlet.topic
        letter = dead_letter.DeadLetter(
            topic=topic, partition=-1, offset=-1, timestamp=record.sent_at, reason=why.reason, stage=STAGE,
            version=release(),
        )  # fmt: skip
        origin = (ORIGIN, f"sqs:{name}/{record.id}".encode())
        value = value[:LARGEST]  # an object may hold more; the header says where the rest of it is
        await self._duties.outlet.bury(value, record.received_at, [*headers, origin, *dead_letter.headers(letter)])
        BRIDGE_DEAD_LETTERS.labels(name, why.reason).inc()
        DEAD_LETTERS.labels(why.reason).inc()
        if told:
            return
        said = fields("bridge_dead_letters", queue=name, record=record.id, reason=why.reason.value)
        log.warning("refused into the dead letters: %s", why.detail, extra=said)

    def _headers(self, desk: Desk, record: Record) -> Headers:
        """Where it was, how far behind its queue is, and what its sender said beside it."""
        return [
            (bridged.QUEUE, desk.queue.name.encode()),
            (bridged.RECORD_ID, record.id.encode()),
            (bridged.SENT_AT, str(record.sent_at).encode()),
            (bridged.RECEIVES, str(record.receives).encode()),
            (bridged.OLDEST_AGE, str(desk.stated).encode()),
            *((bridged.ATTRIBUTE + name, value) for name, value in record.attributes),
        ]

    # -- upkeep ------------------------------------------------------------------------------------------------------

    async def _keep_hidden(self, desk: Desk) -> None:
        """Hides what is in work for as long again, when half of the time is over."""
        half = self._duties.visibility / 2
        while True:
            await asyncio.sleep(half / 4)
            now = time.monotonic()
            due = [record for record, since in desk.in_work.values() if now - since > half]
            if not due:
                continue
            try:
                await self._thread(desk.queue.hide, due)
            except AwsError as error:
                self._complain(desk, "sqs", error)
                continue
            for record in due:
                if record.handle in desk.in_work:
                    desk.in_work[record.handle] = (record, now)

    async def _give_back(self) -> None:
        """What was received and not delivered is for the next one at once."""
        for desk in self._desks:
            records = [record for record, _ in desk.in_work.values()]
            try:
                await self._thread(desk.queue.hide, records, 0)
            except AwsError as error:  # it comes back by itself, a little later
                self._complain(desk, "sqs", error)
            desk.in_work.clear()

    def _complain(self, desk: Desk, call: str, error: Exception) -> None:
        BRIDGE_ERRORS.labels(desk.queue.name, call).inc()
        if str(error) != desk.complaint:
            log.warning("%s", error, extra=fields("bridge_errors", queue=desk.queue.name, call=call))
        desk.complaint = str(error)

    async def _pause(self, seconds: float) -> None:
        """A pause that ends when the bridge is stopped."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    async def _thread(self, call: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)


def _opened(opens: Callable[[bytes, Instant, Rules], _T], record: Record, body: bytes, rules: Rules) -> _T | Unparsable:
    """What it is. A bug that one record meets must not stop all that wait behind it, again and again."""
    try:
        return opens(body, record.received_at, rules)
    except Exception as bug:  # noqa: BLE001 the one place; it pages as `internal_error`
        return Unparsable(Reason.INTERNAL_ERROR, type(bug).__name__)


def _say_nothing(desk: Desk, opened: Nothing) -> None:
    if opened.subscribe_url:
        log.warning(
            "SNS asks to confirm a subscription of %s. If it is yours, open this yourself; nothing here ever does: %s",
            desk.queue.name,
            ascii(opened.subscribe_url),
            extra=fields("subscription", queue=desk.queue.name),
        )


def now_ms() -> Instant:
    """The wall clock."""
    return int(time.time() * 1000)
