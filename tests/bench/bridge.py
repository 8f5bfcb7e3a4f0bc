"""`python -m tests.bench.bridge --kafka HOST:PORT [--events N]`: how many events a second one `mailgap bridge` brings
from a queue to Kafka.

The queue is a stand-in in a process of its own that speaks SQS's JSON protocol and does nothing besides: moto spends
milliseconds on a call, and would be what is measured. The time runs from the first record received to the last deleted.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import deque
from multiprocessing import Process
from typing import Any, Final

from aiohttp import web
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.demo.broker_servers import free_port
from tests.bench.mails import records

BATCH: Final = 10


class Queue:
    """Hands out each record once, and counts what is deleted."""

    def __init__(self, bodies: list[str]) -> None:
        self.waiting = deque((body, hashlib.md5(body.encode()).hexdigest()) for body in bodies)
        self.deleted, self.began, self.ended = 0, 0.0, 0.0
        self.numbers = itertools.count()

    async def call(self, request: web.Request) -> web.Response:
        words = await request.json()
        name = request.headers["X-Amz-Target"].rpartition(".")[2]
        answer: dict[str, Any] = getattr(self, name)(words)
        if name == "ReceiveMessage" and not answer["Messages"]:
            await asyncio.sleep(0.2)  # a long poll, cut short
        return web.json_response(answer, content_type="application/x-amz-json-1.0")

    async def state(self, _: web.Request) -> web.Response:
        return web.json_response({"deleted": self.deleted, "seconds": self.ended - self.began})

    def GetQueueAttributes(self, _: Any) -> dict[str, Any]:  # noqa: N802 - SQS's names
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.waiting))}}

    def ReceiveMessage(self, _: Any) -> dict[str, Any]:  # noqa: N802
        self.began = self.began or time.monotonic()
        some = [self.waiting.popleft() for _ in range(min(BATCH, len(self.waiting)))]
        system = {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"}
        return {"Messages": [self._message(body, digest, system) for body, digest in some]}

    def _message(self, body: str, digest: str, system: dict[str, str]) -> dict[str, Any]:
        number = str(next(self.numbers))
        return {"MessageId": number, "ReceiptHandle": number, "Body": body, "MD5OfBody": digest, "Attributes": system}

    def DeleteMessageBatch(self, words: Any) -> dict[str, Any]:  # noqa: N802
        self.deleted += len(words["Entries"])
        self.ended = time.monotonic()
        return {"Successful": [{"Id": entry["Id"]} for entry in words["Entries"]], "Failed": []}

    def ChangeMessageVisibilityBatch(self, words: Any) -> dict[str, Any]:  # noqa: N802
        return {"Successful": [{"Id": entry["Id"]} for entry in words["Entries"]], "Failed": []}


def serve(port: int, events: int) -> None:
    """The stand-in, until it is ended."""
    bodies = [_wrapped(record.value) for record in records(events) if record.source == "ses"][:events]
    queue = Queue(bodies)
    app = web.Application()
    app.router.add_post("/{any:.*}", queue.call)
    app.router.add_get("/state", queue.state)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def _wrapped(event: bytes) -> str:
    """As SNS hands it to SQS."""
    return json.dumps({
        "Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": "arn:aws:sns:eu-west-1:123456789012:ses",
        "Message": event.decode(), "Timestamp": "2026-11-24T12:00:00.000Z", "SignatureVersion": "1",
        "Signature": "x" * 344, "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem",
    })  # fmt: skip


async def make_topics(kafka: str, names: tuple[str, ...]) -> None:
    """Of four partitions each."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 4, 1) for name in names])
    await admin.close()


def main() -> None:
    """Prints one line."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--kafka", required=True, help="bootstrap servers")
    flags.add_argument("--events", type=int, default=20_000)
    flags.add_argument("--pollers", default="8")
    given = flags.parse_args()
    prefix, port = f"bench-{uuid.uuid4().hex[:8]}", free_port()
    asyncio.run(make_topics(given.kafka, (f"{prefix}-ses", f"{prefix}-dead-letters")))
    stand_in = Process(target=serve, args=(port, given.events), daemon=True)
    stand_in.start()
    _state(port)
    command = [
        sys.executable, "-m", "service.cli", "bridge", "--bootstrap-servers", given.kafka, "--prefix", prefix,
        "--ses-topic", f"{prefix}-ses", "--queue", f"http://127.0.0.1:{port}/1/q", "--pollers", given.pollers,
        "--endpoint-url", f"http://127.0.0.1:{port}", "--http-bind", f"127.0.0.1:{free_port()}",
    ]  # fmt: skip
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}
    began = time.monotonic()
    with subprocess.Popen(command, env={**os.environ, **keys}, stderr=subprocess.DEVNULL) as bridge:
        while (state := _state(port))["deleted"] < given.events and bridge.poll() is None:
            if time.monotonic() - began > 120:
                break
            time.sleep(0.5)
        _, _, used = _end(bridge)
    stand_in.terminate()
    rate = state["deleted"] / max(state["seconds"], 0.001)
    print(
        f"{state['deleted']:,} events in {state['seconds']:.1f} s: {rate:,.0f}/s, {used:.1f} s of CPU"
        f" ({state['deleted'] / used:,.0f}/s a core), start included"
    )


def _end(bridge: subprocess.Popen) -> tuple[int, int, float]:
    bridge.terminate()
    pid, status, usage = os.wait4(bridge.pid, 0)
    bridge.returncode = os.waitstatus_to_exitcode(status)
    return pid, status, usage.ru_utime + usage.ru_stime


def _state(port: int) -> dict[str, Any]:
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=10) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
