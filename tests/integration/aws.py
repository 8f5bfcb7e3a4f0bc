"""moto's server as AWS on 127.0.0.1, and a bridge as a process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3

from service.demo.broker_servers import free_port
from tests.integration.world import Worker, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.world import World

REGION = "eu-west-1"
ACCOUNT = "123456789012"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


class Aws:
    """A stand-in for SQS, SNS, S3 and SES."""

    def __init__(self, address: str) -> None:
        self.address = address

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, REGION, endpoint_url=self.address, **keys)

    def queue(self, name: str) -> str:
        return self.client("sqs").create_queue(QueueName=name)["QueueUrl"]

    def subscribed(self, topic: str, queue: str, *, raw: bool = False) -> str:
        """The ARN of a new topic whose records go to the queue."""
        sns = self.client("sns")
        arn = sns.create_topic(Name=topic)["TopicArn"]
        sns.subscribe(
            TopicArn=arn,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
            Attributes={"RawMessageDelivery": str(raw).lower()},
        )
        return arn

    def left(self, url: str) -> int:
        """Records that are in the queue, hidden or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))


@contextlib.contextmanager
def serving() -> Iterator[Aws]:
    """The server, until the end."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, **KEYS}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            _answers(address, process)
            yield Aws(address)
        finally:
            process.kill()


def _answers(address: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/moto-api/", timeout=5):
            return
        assert time.monotonic() < until, "moto does not answer"
        time.sleep(0.1)


def bridge(world: World, aws: Aws, *arguments: str, **environment: str) -> Worker:
    """A bridge into the world's SES topic; it ends with the world."""
    log, port = world.folder / f"bridge-{len(world.workers)}.log", free_port()
    command = [
        sys.executable, "-m", "service.cli", "bridge", *world.where(), "--ses-topic", world.ses,
        "--http-bind", f"127.0.0.1:{port}", "--endpoint-url", aws.address, "--wait", "1s", *arguments,
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=clean_environment(**{**KEYS, **environment}))
    world.workers.append(Worker(process, log, port))
    return world.workers[-1]


def written(folder: Path, name: str, data: bytes) -> Path:
    """A file in the folder."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path
