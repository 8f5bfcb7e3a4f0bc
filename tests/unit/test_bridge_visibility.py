"""A record that Kafka does not take for long stays hidden, is delivered once, and only then deleted."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from service.bridge.bridge import Bridge, Duties
from service.bridge.opening import Rules
from service.bridge.queue import Queue
from tests.integration.world import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT = json.dumps({
    "eventType": "Send", "send": {},
    "mail": {
        "timestamp": "2026-11-24T12:00:00.000Z", "messageId": "EXAMPLE7c191be45-1", "source": "shop@app.example",
        "destination": ["ann@client.example"],
    },
})  # fmt: skip


class Sqs:
    """A queue of one record, as boto3's client shows it."""

    def __init__(self) -> None:
        self.waiting = deque([{"MessageId": "1", "ReceiptHandle": "handle-1", "Body": EVENT}])
        self.calls: list[tuple[str, Any]] = []

    def receive_message(self, **_: Any) -> dict[str, Any]:
        return {"Messages": [self.waiting.popleft()] if self.waiting else []}

    def change_message_visibility_batch(self, *, Entries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        self.calls += [("hide", (entry["ReceiptHandle"], entry["VisibilityTimeout"])) for entry in Entries]
        return {}

    def delete_message_batch(self, *, Entries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        self.calls += [("delete", entry["ReceiptHandle"]) for entry in Entries]
        return {"Successful": Entries}


class SlowKafka:
    """Acknowledges nothing before it may."""

    topic = "ses-events"

    def __init__(self) -> None:
        self.may, self.sent = asyncio.Event(), 0

    async def send(self, *_: Any) -> None:
        self.sent += 1
        await self.may.wait()


async def until(true: Callable[[], bool]) -> None:
    async def so_far() -> bool:
        return true()

    await eventually(so_far, 60, lambda: "it never came to that")


async def test_a_record_in_work_is_hidden_again_and_again_until_kafka_has_it():
    sqs, kafka = Sqs(), SlowKafka()
    queue = Queue(sqs, "http://127.0.0.1/1/mail-events", wait=1, visibility=1)
    duties = Duties(Rules(), kafka, None, None, max_age=0, visibility=1, receives=20)  # type: ignore[arg-type]
    bridge = Bridge([queue], duties, pollers=1)
    running = asyncio.create_task(bridge.run())
    await until(lambda: len(sqs.calls) >= 3)
    assert sqs.calls == [("hide", ("handle-1", 1))] * len(sqs.calls), "for as long again, and not deleted"
    kafka.may.set()
    await until(lambda: sqs.calls[-1] == ("delete", "handle-1"))
    bridge.stop()
    await running
    assert kafka.sent == 1
    assert sqs.calls[-1] == ("delete", "handle-1"), "what was deleted is neither hidden nor given back"


async def test_what_kafka_has_not_taken_by_the_end_is_given_back_and_not_deleted(monkeypatch):
    monkeypatch.setattr("service.bridge.bridge.STOP_BOUND", 0.1)
    sqs, kafka = Sqs(), SlowKafka()
    queue = Queue(sqs, "http://127.0.0.1/1/mail-events", wait=1, visibility=600)
    duties = Duties(Rules(), kafka, None, None, max_age=0, visibility=600, receives=20)  # type: ignore[arg-type]
    bridge = Bridge([queue], duties, pollers=1)
    running = asyncio.create_task(bridge.run())
    await until(lambda: kafka.sent == 1)
    bridge.stop()
    await running
    assert sqs.calls == [("hide", ("handle-1", 0))]
