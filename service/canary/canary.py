"""Sends a canary mail every so often, and watches the correlated topic for what becomes of each.

It keeps no state: after a restart it sends the next one. The topic is read from where it ended before the first mail
was sent, so that nothing of it can be overlooked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from service.canary.sending import Mail, NotSentError
from service.canary.watch import Result, Watch
from service.logs import fields
from service.metrics import exemplar
from service.metrics_canary import CANARY_ARRIVED, CANARY_INTERVAL, CANARY_MAILS, CANARY_SECONDS, CANARY_SENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import AIOKafkaConsumer

    from service.canary.flight import Expected, Flight
    from service.canary.sending import Way
    from service.canary.watch import News
    from service.facts import Instant

log = logging.getLogger("mailgap.canary")

FETCH_MS: Final = 500


class Plan(NamedTuple):
    """What is sent, how often, and when it is missing; both in seconds."""

    mail: Mail
    expected: Expected
    interval: float
    patience: float


class Canary:
    """Runs on one event loop; mails are sent in threads, which block."""

    def __init__(self, plan: Plan, way: Way, consumer: AIOKafkaConsumer) -> None:
        """`consumer` has the correlated topic's partitions; `begin` places it."""
        self._plan, self._way, self._consumer = plan, way, consumer
        self._watch = Watch(plan.expected, round(plan.patience * 1000))
        self._stop = asyncio.Event()
        self._complaint = ""

    def stop(self) -> None:
        """`run` returns soon."""
        self._stop.set()

    def complaints(self) -> dict[str, str]:
        """Why the newest mail of which anything is known did not get through; empty where it did."""
        return {self._plan.mail.name: self._complaint} if self._complaint else {}

    async def begin(self) -> None:
        """Goes to the ends of the partitions; what is sent after that is seen."""
        partitions = self._consumer.assignment()
        await self._consumer.seek_to_end(*partitions)
        for partition in partitions:
            await self._consumer.position(partition)  # settles it now, and not with the first fetch

    async def once(self) -> News:
        """One mail, until it has arrived or is missing. Raises `NotSentError`."""
        await self._send()
        async for news in self._news():
            return news
        raise NotSentError("it was told to stop before anything was known of the mail")

    async def run(self) -> None:
        """Until it is stopped. Raises what aiokafka raises where the topic cannot be read, and what is a bug."""
        name = self._plan.mail.name
        CANARY_INTERVAL.labels(name).set(self._plan.interval)
        CANARY_ARRIVED.labels(name).set(time.time())  # or nothing would tell of a first one that never comes
        for result in ("sent", "refused"):
            CANARY_SENT.labels(name, result)
        for news in Result:
            CANARY_MAILS.labels(name, news)
        sending = asyncio.create_task(self._send_on_and_on())
        sending.add_done_callback(lambda _: self.stop())  # one that sends no more must not look as if it did
        try:
            async for found in self._news():
                self._tell(found)
        finally:
            sending.cancel()
            (end,) = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(end, Exception):
            raise end

    async def _send_on_and_on(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                await self._send()
            except NotSentError as error:
                self._complaint = str(error)
                log.warning(
                    "not sent: %s", error, extra=fields("canary_sent", canary=self._plan.mail.name, result="refused")
                )
            due = max(due + self._plan.interval, loop.time())  # after a way that hung, no volley
            await asyncio.sleep(due - loop.time())

    async def _send(self) -> None:
        name = self._plan.mail.name
        try:
            flight: Flight = await asyncio.to_thread(self._way.send, self._plan.mail)
        except NotSentError:
            CANARY_SENT.labels(name, "refused").inc()
            raise
        CANARY_SENT.labels(name, "sent").inc()
        self._watch.sent(flight)

    async def _news(self) -> AsyncIterator[News]:
        """What becomes known, until it is stopped."""
        while not self._stop.is_set():
            for records in (await self._consumer.getmany(timeout_ms=FETCH_MS)).values():
                for record in records:
                    if news := self._watch.read(record.value, _now()):
                        yield news
            for news in self._watch.missing(_now()):
                yield news

    def _tell(self, news: News) -> None:
        name, standing = self._plan.mail.name, news.standing
        CANARY_MAILS.labels(name, news.result).inc()
        said = fields(
            "canary_mails", canary=name, result=news.result.value, mail=standing.mail_id or news.flight.message_id
        )
        if news.result is Result.MISSING:
            self._complaint = standing.broken
            log.warning("missing for %g s: %s", self._plan.patience, standing.broken, extra=said)
            return
        self._complaint = ""
        CANARY_ARRIVED.labels(name).set(news.flight.sent_at / 1000)
        for leg, seconds in standing.legs.items():
            CANARY_SECONDS.labels(name, leg).observe(seconds, exemplar(standing.mail_id))
        legs = ", ".join(f"{leg} {seconds:.2f} s" for leg, seconds in standing.legs.items())
        log.info("%s: %s", news.result, legs, extra=said)


def _now() -> Instant:
    return int(time.time() * 1000)
