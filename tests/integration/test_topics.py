"""`mailgap topics`, and what the worker says of topics and brokers that it cannot use: one sentence each."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from service.demo.broker_servers import free_port
from tests.integration.world import OURS, World, eventually, mailgap, ready

pytestmark = pytest.mark.kafka


@pytest.fixture
def world(kafka, prefix, tmp_path):
    return World(kafka, prefix, tmp_path)


def _inputs(world: World) -> list[str]:
    return ["--smtp-topic", world.smtp, "--ses-topic", world.ses]


def _worker(world: World, *more: str) -> tuple[int, str]:
    """A worker that cannot start: its exit code and its one sentence."""
    done = mailgap("worker", *world.where(), *_inputs(world), "--addresses", "raw", *more)
    text = done.stderr.decode()
    assert "Traceback" not in text
    assert done.stdout == b""
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, text
    return done.returncode, errors[0]


async def _grow(world: World, topic: str, count: int) -> None:
    async with world.admin() as admin:
        await admin.create_partitions({topic: NewPartitions(count)})


async def _alter(world: World, topic: str, **config: str) -> None:
    configs = {key.replace("_", "."): value for key, value in config.items()}
    async with world.admin() as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])


def test_create_makes_ours_once_and_check_is_content(world):
    asyncio.run(world.make_topics({world.smtp: 1, world.ses: 1}))
    made = mailgap("topics", "create", *world.where(), "--partitions", "3")
    assert made.returncode == 0
    assert set(made.stdout.decode().split()) - {"made"} == {f"{world.prefix}-{name}" for name in OURS}
    again = mailgap("topics", "create", *world.where(), "--partitions", "3")
    assert (again.returncode, again.stdout) == (0, b"all topics are there\n")
    checked = mailgap("topics", "check", *world.where(), *_inputs(world))
    said, *advice = checked.stdout.decode().splitlines()
    assert (checked.returncode, said) == (0, "all topics are as they must be")
    assert [line.partition(":")[0] for line in advice] == ["advice", "advice"]
    assert all("LogAppendTime" in line for line in advice)  # these inputs have Kafka's default, CreateTime


def test_create_says_what_differs_and_leaves_it(world):
    asyncio.run(world.make_topics({f"{world.prefix}-facts": 2, f"{world.prefix}-gaps": 2}))
    for _ in range(2):
        done = mailgap("topics", "create", *world.where(), "--partitions", "3")
        lines = done.stdout.decode().splitlines()
        assert done.returncode == 1
        for words in (
            [f"{world.prefix}-facts has 2 partitions", "--partitions says 3", "--partitions 2"],
            [f"{world.prefix}-gaps has 2 partitions", "--alter"],
            [f"{world.prefix}-gaps: cleanup.policy is 'delete'", "'compact'"],
            [f"{world.prefix}-gaps: max.message.bytes"],
        ):
            assert any(all(word in line for word in words) for line in lines), (words, lines)


def test_check_refuses_inputs_that_lose_what_nobody_has_read(world):
    world.prepare()
    asyncio.run(_alter(world, world.smtp, cleanup_policy="compact"))
    asyncio.run(_alter(world, world.ses, retention_ms="60000"))
    checked = mailgap("topics", "check", *world.where(), *_inputs(world))
    said = checked.stdout.decode()
    assert checked.returncode == 1
    assert f"input topic {world.smtp}: cleanup.policy is 'compact'" in said
    assert f"input topic {world.ses}: retention.ms is 60000" in said


def test_check_names_everything_that_is_wrong(world):
    world.create_ours()
    ours = world.prefix
    asyncio.run(_alter(world, f"{ours}-correlate-trails-changelog", cleanup_policy="delete"))
    asyncio.run(_alter(world, f"{ours}-facts", retention_ms="3600000"))
    checked = mailgap("topics", "check", *world.where(), *_inputs(world))
    lines = checked.stdout.decode().splitlines()
    assert checked.returncode == 1
    for words in (
        [world.smtp, "not there"],
        [world.ses, "not there"],
        [f"{ours}-correlate-trails-changelog", "cleanup.policy", "'delete'", "'compact'"],
        [f"{ours}-facts", "retention.ms", "'3600000'"],
    ):
        assert any(all(word in line for word in words) for line in lines), (words, lines)


def test_other_partition_counts_stop_the_worker(world):
    world.prepare()
    asyncio.run(_grow(world, f"{world.prefix}-facts", world.partitions + 2))
    code, said = _worker(world)
    assert code == 1
    for words in (f"{world.prefix}-facts has 6", f"{world.prefix}-correlate-trails-changelog has 4", "--prefix"):
        assert words in said
    checked = mailgap("topics", "check", *world.where(), *_inputs(world))
    assert checked.returncode == 1
    assert b"must be equal" in checked.stdout


def test_topics_that_are_not_there(world):
    asyncio.run(world.make_topics({world.smtp: 1, world.ses: 1}))
    code, said = _worker(world)
    assert code == 1
    assert f"{world.prefix}-facts is not there" in said
    assert f"mailgap topics create --prefix {world.prefix}" in said


def test_inputs_that_are_not_there(world):
    world.create_ours()
    code, said = _worker(world)
    assert code == 1
    assert f"{world.smtp} is not there" in said
    assert "--smtp-topic" in said


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["in-ses", "facts", "correlate-trails-changelog", "correlated", "dead-letters"])
def test_a_topic_that_is_deleted_while_the_worker_runs(world, gone):
    world.prepare()
    topic = f"{world.prefix}-{gone}"

    async def story() -> None:
        worker = world.start()
        await ready(worker)
        async with world.admin() as admin:
            await admin.delete_topics([topic])

        async def ended() -> bool:
            return worker.process.poll() is not None

        await eventually(ended, 120, worker.text)
        assert worker.process.returncode == 1
        assert f"No such topic: {topic}" in worker.text()
        assert "Traceback" not in worker.text()

    try:
        asyncio.run(story())
    finally:
        world.end()


@pytest.mark.parametrize("command", ["create", "check"])
def test_a_broker_that_does_not_answer(command):
    nowhere = f"127.0.0.1:{free_port()}"
    done = mailgap("topics", command, "--bootstrap-servers", nowhere)
    assert done.returncode == 1
    assert f"no Kafka answers at {nowhere}" in done.stderr.decode()
    assert b"--bootstrap-servers" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_worker_whose_broker_does_not_answer(world):
    nowhere = f"127.0.0.1:{free_port()}"
    code, said = _worker(world, "--bootstrap-servers", nowhere)
    assert code == 1
    assert f"no Kafka answers at {nowhere}" in said


@pytest.mark.parametrize("servers", ["nonsense", "127.0.0.1:notaport", "no.such.host.example:9092", ""])
def test_addresses_that_are_none(servers):
    done = mailgap("topics", "check", "--bootstrap-servers", servers)
    assert done.returncode in {1, 2}
    assert b"Traceback" not in done.stderr
    assert b"--bootstrap-servers" in done.stderr


def test_more_replicas_than_brokers(world):
    done = mailgap("topics", "create", *world.where(), "--replication", "3")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert f"topic {world.prefix}-".encode() in done.stderr
    assert b"3 replicas need as many brokers, and this Kafka has 1: say --replication 1" in done.stderr
