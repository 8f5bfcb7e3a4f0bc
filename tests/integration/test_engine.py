"""The engine against a real Kafka: what a kill, a pause and a stop may not change."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from tests.integration.world import MEMBERS

pytestmark = pytest.mark.kafka

PARTITIONS = 4
EVERY = 10
TOY = Path(__file__).with_name("toy.py")
ROOT = Path(__file__).parents[2]


class Toy:
    """One process of the toy topology."""

    def __init__(self, log, bootstrap, prefix, *roles, slow=0.0):
        self.log = log
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TOY_SLOW": str(slow)}
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(TOY), bootstrap, prefix, *roles], stdout=out, stderr=out, env=env
            )

    def said(self, pattern):
        return re.findall(pattern, self.log.read_text())

    def wait_until_said(self, pattern, at_least=0, within=40):
        """Until a line says a number that is large enough."""
        eventually(lambda: any(int(n) >= at_least for n in self.said(pattern)), within, self.log.read_text)

    def send(self, number):
        self.process.send_signal(number)

    def ends(self, within=15):
        return self.process.wait(within)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
async def world(kafka, tmp_path):
    """Topics of this test alone, and the toys that run on them."""
    made = World(kafka, f"toy-{uuid.uuid4().hex[:8]}", tmp_path)
    await made.create_topics()
    yield made
    for toy in made.toys:
        toy.kill()


class World:
    def __init__(self, kafka, prefix, folder):
        self.kafka = kafka
        self.prefix = prefix
        self.folder = folder
        self.toys = []

    async def create_topics(self):
        names = [f"{self.prefix}-{name}" for name in ("raw", "facts", "out", "asks")]
        compact = {"cleanup.policy": "compact"}
        topics = [NewTopic(name, PARTITIONS, 1) for name in names]
        topics.append(NewTopic(f"{self.prefix}-correlate-trails-changelog", PARTITIONS, 1, topic_configs=compact))
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        await admin.create_topics(topics)
        await admin.close()

    def start(self, *roles, slow=0.0):
        toy = Toy(self.folder / f"{len(self.toys)}.log", self.kafka, self.prefix, *roles, slow=slow)
        self.toys.append(toy)
        return toy

    async def produce(self, count, keys=500, topic="facts", *, transactional=False):
        """`count` records, dealt out to the keys in turn."""
        extra = {"transactional_id": f"{self.prefix}-test"} if transactional else {}
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, linger_ms=5, max_batch_size=1 << 18, **extra)
        await producer.start()
        for some in batched(range(count), 1000):
            if transactional:
                await producer.begin_transaction()
            sent = [
                await producer.send(f"{self.prefix}-{topic}", key=b"k%d" % (n % keys), value=b"x" * 50) for n in some
            ]
            await asyncio.gather(*sent)
            if transactional:
                await producer.commit_transaction()
        await producer.stop()

    async def delete_before(self, offsets, topic="raw"):
        """What retention does, at once."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        await admin.delete_records(
            {
                TopicPartition(f"{self.prefix}-{topic}", p): RecordsToDelete(before_offset=at)
                for p, at in offsets.items()
            }
        )
        await admin.close()

    async def members(self):
        """Who is in the group that counts."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        (answer,) = await admin.describe_consumer_groups([f"{self.prefix}-correlate"])
        await admin.close()
        return answer.groups[0][MEMBERS]

    async def ends(self, topic="raw"):
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, isolation_level="read_committed")
        await consumer.start()
        ends = await consumer.end_offsets([TopicPartition(f"{self.prefix}-{topic}", p) for p in range(PARTITIONS)])
        await consumer.stop()
        return {tp.partition: end for tp, end in ends.items()}

    async def outputs(self, topic="out"):
        """All that a reader of committed records sees."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, isolation_level="read_committed")
        await consumer.start()
        tps = [TopicPartition(f"{self.prefix}-{topic}", p) for p in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        seen = Counter()
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                seen.update((record.key, record.value) for record in records)
        await consumer.stop()
        return seen

    async def all_come(self, count, keys=500, within=40):
        """Wait for as many outputs as there must be, and hold each against what it must be."""
        expected = Counter(
            {(b"k%d" % k, b"%d" % n): 1 for k in range(keys) for n in range(EVERY, count // keys + 1, EVERY)}
        )
        until = time.monotonic() + within
        seen = await self.outputs()
        while seen.total() < expected.total() and time.monotonic() < until:
            await asyncio.sleep(0.2)
            seen = await self.outputs()
        assert seen == expected
        assert set(await self.outputs("asks")) >= set(expected)


def batched(items, size):
    return [items[at : at + size] for at in range(0, len(items), size)]


def eventually(true, within, otherwise):
    until = time.monotonic() + within
    while not true():
        assert time.monotonic() < until, otherwise()
        time.sleep(0.02)


async def test_outputs_come_exactly_once(world):
    await world.produce(20_000, transactional=True)
    world.start("count")
    await world.all_come(20_000)


async def test_kill_9_twice_in_the_middle_repeats_and_loses_nothing(world):
    await world.produce(30_000)
    for done in (8_000, 4_000):
        toy = world.start("count", slow=0.05)
        toy.wait_until_said(r"committed (\d+)", at_least=done)
        toy.send(signal.SIGKILL)
        toy.ends()
    last = world.start("count")
    await world.all_come(30_000)
    assert last.said(r"ready .* rows (\d+)") == ["500"]


async def test_sigterm_commits_and_leaves_the_group(world):
    await world.produce(20_000)
    toy = world.start("count", slow=0.05)
    toy.wait_until_said(r"committed (\d+)", at_least=2_000)
    toy.send(signal.SIGTERM)
    assert toy.ends(within=10) == 0, toy.log.read_text()
    assert await world.members() == [], "the session of one that left has not to be waited for"
    assert "Traceback" not in toy.log.read_text()
    before = max(int(n) for n in toy.said(r"committed (\d+)"))

    next_one = world.start("count")
    await world.all_come(20_000)
    assert max(int(n) for n in next_one.said(r"committed (\d+)")) == 20_000 - before


async def test_a_paused_worker_comes_back_and_is_refused(world):
    paused = world.start("count", slow=0.05)
    eventually(lambda: paused.said("ready"), 40, paused.log.read_text)
    other = world.start("count", slow=0.05)
    eventually(lambda: other.said(r"ready \[\d"), 40, other.log.read_text)
    eventually(lambda: len(paused.said("ready")) == 2, 40, paused.log.read_text)
    await world.produce(24_000)
    paused.wait_until_said(r"committed (\d+)", at_least=1_000)
    steps = len(paused.said("step"))
    eventually(lambda: len(paused.said("step")) > steps, 10, paused.log.read_text)
    paused.send(signal.SIGSTOP)  # in the middle of a step, and so of a transaction
    eventually(lambda: other.said(r"ready \[0, 1, 2, 3\]"), 60, other.log.read_text)
    paused.send(signal.SIGCONT)
    assert paused.ends() == 1
    assert len(paused.said("stopped: ")) == 1
    assert paused.said("stopped: ProducerFenced")
    await world.all_come(24_000)


async def test_a_shard_that_a_rebalance_leaves_where_it_is_keeps_its_state(world):
    """It is made anew all the same: what it counted before another joined, and left, goes on from there."""
    await world.produce(10_000)
    stays = world.start("count")
    stays.wait_until_said(r"committed (\d+)", at_least=10_000)
    comes = world.start("count")
    eventually(lambda: comes.said(r"ready \[\d"), 40, comes.log.read_text)
    eventually(lambda: len(stays.said("ready")) == 2, 40, stays.log.read_text)
    kept, given = (toy.said(r"ready \[(.*)\] rows (\d+)")[-1] for toy in (stays, comes))
    assert kept[0]
    assert int(kept[1]) + int(given[1]) == 500
    await world.produce(10_000)
    await world.all_come(20_000)
    comes.send(signal.SIGTERM)
    assert comes.ends() == 0
    eventually(lambda: stays.said(r"ready \[0, 1, 2, 3\] rows (\d+)")[1:] == ["500"], 40, stays.log.read_text)
    await world.produce(10_000)
    await world.all_come(30_000)


async def test_a_stale_member_s_late_fence_costs_one_restart_and_nothing_else(world):
    """One that was expelled in the middle of a rebalance may fence a shard that another has by now."""
    await world.produce(24_000)
    owner = world.start("count", slow=0.05)
    owner.wait_until_said(r"committed (\d+)", at_least=4_000)
    stale = AIOKafkaProducer(
        bootstrap_servers=world.kafka, transactional_id=f"{world.prefix}-correlate-trails-0", enable_idempotence=True
    )
    await stale.start()
    assert owner.ends() == 1
    assert owner.said("stopped: ProducerFenced")
    await stale.stop()
    next_one = world.start("count")
    await world.all_come(24_000)
    assert next_one.process.poll() is None


async def test_both_roles_in_one_process(world):
    await world.produce(20_000, topic="raw")
    toy = world.start("copy", "count")
    await world.all_come(20_000)
    toy.send(signal.SIGKILL)
    toy.ends()
    again = world.start("copy", "count")
    again.wait_until_said(r"ready .* rows (\d+)", at_least=500)
    again.send(signal.SIGTERM)
    assert again.ends(within=10) == 0
    await world.all_come(20_000)


async def test_the_end_lies_behind_the_last_commit_marker(world):
    """An input that is written in transactions never has a last record at its end."""
    await world.produce(2_000, topic="raw", transactional=True)
    end = sum((await world.ends()).values())
    assert end > 2_000
    toy = world.start("copy")
    toy.wait_until_said(r"copied (\d+)", at_least=2_000)
    toy.wait_until_said(rf"settled (\d+) of {end}", at_least=end)
    assert not toy.said("hole")


async def test_records_that_retention_took_are_a_hole_even_where_none_follow(world):
    await world.produce(2_000, topic="raw")
    toy = world.start("copy")
    toy.wait_until_said(r"copied (\d+)", at_least=2_000)
    toy.send(signal.SIGTERM)
    assert toy.ends() == 0
    before = await world.ends()
    await world.produce(2_000, topic="raw")
    after = await world.ends()
    await world.delete_before(after)
    again = world.start("copy")
    again.wait_until_said(rf"settled (\d+) of {sum(after.values())}", at_least=sum(after.values()))
    assert sorted(again.said(r"hole (\d+) to (\d+)")) == sorted((str(before[p]), str(after[p])) for p in after)
    await world.produce(1_000, topic="raw")
    again.wait_until_said(r"copied (\d+)", at_least=1_000)
