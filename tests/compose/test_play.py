"""The compose file's own commands, on a Kafka with the compose file's own properties, without containers."""

from __future__ import annotations

import json
import os
import time
import urllib.request

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.compose.compose import SERVICES, properties
from tests.compose.play import Laptop
from tests.conftest import need

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus, pytest.mark.slow, pytest.mark.timeout(900)]

OF_THE_CONTAINER = ("listener", "advertised", "controller", "process", "node", "log.dirs", "inter.broker")
"""Where a broker listens and keeps its data is the test's to say."""


def _kafka_properties() -> dict[str, str]:
    given = properties(SERVICES["kafka"]["environment"])
    return {name: value for name, value in given.items() if not name.startswith(OF_THE_CONTAINER)}


async def _make_inputs(bootstrap_servers: str) -> None:
    """What the service `inputs` does with Kafka's own tool."""
    said = SERVICES["inputs"]["command"][0]
    assert "for topic in app-smtp ses-events" in said
    assert "--partitions 4 --config message.timestamp.type=LogAppendTime" in said
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    config = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(name, 4, 1, topic_configs=config) for name in ("app-smtp", "ses-events")])
    await admin.close()


def _until(true, otherwise, within: float = 300) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.5)


async def test_all_of_it_runs_and_what_it_finds_is_right(local_kafka, tmp_path):
    if os.geteuid() != 0:
        need("image", "giving the keys to the image's user takes root")
    broker = local_kafka(_kafka_properties())
    await _make_inputs(broker.bootstrap_servers)
    given = {"SAMPLE_MAILS": "400", "SAMPLE_RATE": "20"}
    with Laptop(tmp_path / "laptop", broker.bootstrap_servers, given) as laptop:
        laptop.prepare()
        laptop.run("topics")
        alertmanager, prometheus = laptop.monitor("alertmanager"), laptop.monitor("prometheus")
        for name in ("worker", "notify", "trace"):
            laptop.start(name)
        laptop.run("sample")
        laptop.run("verify")
        serving = {laptop.at(name) for name in ("worker", "notify", "trace")}
        _until(lambda: _up(prometheus) == serving, lambda: _up(prometheus))
        _until(lambda: alertmanager.get("/api/v2/alerts"), lambda: "notify told Alertmanager nothing")
        assert _found_by_token(laptop) > 0


def _up(prometheus) -> set[str]:
    targets = prometheus.get("/api/v1/targets")["data"]["activeTargets"]
    return {target["labels"]["instance"] for target in targets if target["health"] == "up"}


def _found_by_token(laptop: Laptop) -> int:
    token = (laptop.data / "tokens").read_text().split()[2]
    url = f"http://{laptop.at('trace')}/api/v1/gaps"
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return len(json.load(answer)["items"])
