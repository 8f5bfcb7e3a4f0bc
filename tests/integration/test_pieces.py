"""A line in several records, and a worker that dies between them: nothing is lost, and nothing said too early."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition

from service.facts import Source
from service.simulation.transport import Record
from tests.integration.world import World, eventually, ready

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.kafka

QID = "4A1B2C3D4E"


def _line(now: int) -> tuple[str, str]:
    """A status line of Postfix, and the SES id in it."""
    ses_id = f"0100{now:012x}-11112222-3333-4444-5555-666677778888-000000"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now / 1000))
    relay = "email-smtp.us-east-1.amazonaws.com[192.0.2.10]:587"
    return (
        f"{stamp} mx1 postfix/smtp[7]: {QID}: to=<ann@client.example>, relay={relay}, delay=1, delays=0/0/0/1, "
        f"dsn=2.0.0, status=sent (250 Ok {ses_id})",
        ses_id,
    )


def _part(text: str, tag: str, at: int) -> Record:
    return Record(at, at, Source.SMTP, "mx-0", b"mx-0", f"2024-03-05T11:59:58.123456789Z stdout {tag} {text}".encode())


async def _send(world: World, *records: Record) -> TopicPartition:
    async with world.producer() as producer:
        sent = [await (await world.send(producer, record)) for record in records]
    return TopicPartition(sent[-1].topic, sent[-1].partition)


async def _committed(world: World, tp: TopicPartition) -> int:
    async with world.admin() as admin:
        offsets = await admin.list_consumer_group_offsets(f"{world.prefix}-ingest")
    return offsets[tp].offset if tp in offsets else -1


def _cut(now: int) -> tuple[Record, Record, str]:
    """A line in two, and the SES id in it."""
    line, ses_id = _line(now)
    return _part(line[:90], "P", now + 1), _part(line[90:], "F", now + 3), ses_id


def _delivery(now: int) -> tuple[Record, Record, str]:
    """The two lines of a delivery of qmail's, and the SES id in the second."""
    ses_id = f"0100{now:012x}-11112222-3333-4444-5555-666677778888-000000"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now / 1000))
    starts = f"{stamp} mx1 qmail: starting delivery 9: msg 3890 to remote ann@client.example"
    ends = f"{stamp} mx1 qmail: delivery 9: success: 192.0.2.1_accepted_message./Remote_host_said:_250_Ok_{ses_id}/"
    first, last = (
        Record(at, at, Source.SMTP, "mx-0", b"mx-0", text.encode()) for at, text in ((now + 1, starts), (now + 3, ends))
    )
    return first, last, ses_id


async def _story(world: World, pieces: Callable[[int], tuple[Record, Record, str]]) -> tuple[str, dict]:
    now = int(time.time() * 1000)
    whole, (first, last, ses_id) = _part("a line of another program", "F", now), pieces(now)
    tp = await _send(world, whole, first)
    worker = world.start()
    await ready(worker)

    async def acknowledged() -> bool:
        return await _committed(world, tp) == 1

    await eventually(acknowledged, 30, worker.text)
    await _send(world, Record(now + 2, now + 2, Source.SMTP, "mx-0", b"mx-0", b"a line of yet another program"))

    sent = time.time()

    async def the_other_source_has_spoken_on() -> bool:
        return worker.metric("mailgap_source_watermark_timestamp_seconds", source="ses") > sent + 2

    await eventually(the_other_source_has_spoken_on, 30, worker.text)
    assert worker.metric("mailgap_lag_records", topic=world.smtp) == 0
    assert worker.metric("mailgap_source_watermark_timestamp_seconds", source="smtp") <= now / 1000
    assert await _committed(world, tp) == 1
    worker.killed()

    await _send(world, last)
    other = world.start()
    await ready(other)

    async def told() -> bool:
        return ses_id in await world.documents()

    await eventually(told, 60, other.text)

    async def all_acknowledged() -> bool:
        return await _committed(world, tp) == 4

    await eventually(all_acknowledged, 30, other.text)
    assert await world.read("dead-letters") == []
    return ses_id, (await world.documents())[ses_id][-1]


@pytest.mark.parametrize(
    ("pieces", "queue_id"), [(_cut, QID), pytest.param(_delivery, "qmail:3890", marks=pytest.mark.slow)]
)
def test_a_worker_dies_between_two_parts_of_a_line(kafka, prefix, tmp_path, pieces, queue_id):
    world = World(kafka, prefix, tmp_path)
    world.prepare()
    try:
        ses_id, document = asyncio.run(_story(world, pieces))
    finally:
        world.end()
    assert document["ses_message_id"] == ses_id
    assert document["queue_ids"] == [f"mx1/{queue_id}"]
    assert [recipient["address"] for recipient in document["recipients"]] == ["ann@client.example"]
    assert json.dumps(document["trail"]).count(f"{world.smtp}/") > 0


async def _abandoned(world: World) -> None:
    now = int(time.time() * 1000) - 25_000
    line, ses_id = _line(now)
    tp = await _send(world, _part(line, "P", now))
    worker = world.start()
    await ready(worker)

    async def told() -> bool:
        return ses_id in await world.documents()

    async def acknowledged() -> bool:
        return await _committed(world, tp) == 1

    await eventually(told, 60, worker.text)
    await eventually(acknowledged, 30, worker.text)


def test_a_part_whose_rest_never_comes_is_read_as_it_is(kafka, prefix, tmp_path):
    """Thirty seconds after its record, and the source speaks on."""
    world = World(kafka, prefix, tmp_path)
    world.prepare()
    try:
        asyncio.run(_abandoned(world))
    finally:
        world.end()
