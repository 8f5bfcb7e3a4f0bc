"""Dead letters can be listed, shown and sent again; a wrong topic is not drained into them; lost input is said."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from aiokafka.admin import RecordsToDelete

from tests.integration import sample as samples
from tests.integration.world import Input, Reader, World, eventually, mailgap, ready, settled

RELAY = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
GOOD = (
    "2026-11-24T08:00:00.000Z mx1 postfix/smtp[7]: 4F2A001: to=<ann@client.example>, relay={relay}, delay=1,"
    " delays=0/0/0/1, dsn=5.0.0, status=bounced (host {relay} said: 554 Message rejected: Email address is not"
    " verified.)"
)
CUT = b"Nov 24 08:00:00 mx1 postfix/smtp[7]: 4F2A001: to=<a@b.example>, status=sent ("


def _letters(world: World, *arguments: str) -> list[dict[str, str]]:
    done = mailgap("dead-letters", "list", *world.where(), "--format", "jsonl", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.kafka
def test_letters_are_listed_shown_and_sent_again(world):
    at = int(time.time() * 1000)

    async def dead(number: int) -> None:
        async def there() -> bool:
            return len(await world.read("dead-letters", committed=False)) >= number

        await eventually(there, 60, world.workers[-1].text)

    async def story() -> None:
        await world.produce([Input(at, "smtp", b"mx1", CUT), Input(at, "ses", b"x", b'{"eventType": "Send", "mail')])
        await ready(world.start())
        await dead(2)

    asyncio.run(story())
    listed = _letters(world)
    assert {letter["reason"] for letter in listed} == {"unparsable_mail_line", "bad_json"}
    (cut,) = _letters(world, "--reason", "unparsable_mail_line")
    assert mailgap("dead-letters", "show", cut["letter"], *world.where()).stdout == CUT
    assert b"2 records would" in mailgap("dead-letters", "replay", "--all", "--dry-run", *world.where()).stdout
    for number in (3, 4):
        done = mailgap("dead-letters", "replay", "--reason", "unparsable_mail_line", *world.where())
        assert done.stdout == b"1 records were sent again\n", done
        asyncio.run(dead(number))
    again = _letters(world, "--reason", "unparsable_mail_line")
    assert {letter["record"] for letter in again} == {cut["record"]}, "it remembers where it came from at first"
    assert len(again) == 3


@pytest.mark.kafka
def test_what_can_be_read_now_is_read_and_twice_is_once(world):
    """A letter that an older release could not read: here, a good line among the letters."""
    at = int(time.time() * 1000)
    line = GOOD.format(relay=RELAY).encode()
    ours = {
        "topic": world.smtp, "partition": "1", "offset": "77", "timestamp": str(at), "reason": "unparsable_mail_line",
        "stage": "ingest", "version": "0.0.1",
    }  # fmt: skip

    async def bury() -> None:
        headers = [("trace", b"7"), *((f"__mailgap.errors.{k}", v.encode()) for k, v in ours.items())]
        async with world.producer() as producer:
            await producer.send_and_wait(f"{world.prefix}-dead-letters", line, key=b"mx1", headers=headers)

    async def judged() -> None:
        async def there() -> bool:
            return bool(await world.documents("gaps"))

        await ready(world.start("--policy", str(policy)))
        await eventually(there, 60, world.workers[-1].text)

    policy = world.folder / "policy.yaml"
    policy.write_text(samples.POLICY)
    asyncio.run(bury())
    for _ in range(2):
        assert mailgap("dead-letters", "replay", "--all", *world.where()).returncode == 0
    asyncio.run(judged())
    gaps = asyncio.run(world.documents("gaps"))
    assert [[gap["cause"] for gap in said] for said in gaps.values()] == [["unverified_identity"]]


@pytest.mark.kafka
def test_a_wrong_topic_is_not_drained_into_the_dead_letters(world):
    at = int(time.time() * 1000)
    records = [Input(at, "ses", b"k%d" % n, b'{"order": %d, "paid": true}' % n) for n in range(1500)]
    asyncio.run(world.produce(records))
    worker = world.start()
    assert worker.ends(60) == 1
    assert "cannot be read (not_an_ses_event): is this the right topic?" in worker.text()
    assert asyncio.run(world.read("dead-letters", committed=False)) == []
    assert "Traceback" not in worker.text()


@pytest.mark.kafka
def test_events_that_retention_removed_unread_make_no_gap(world):
    """The mail that was accepted before the hole is held; the one after it is judged."""
    start = int(time.time() * 1000)
    policy = world.folder / "policy.yaml"
    policy.write_text(samples.POLICY)

    def accepted(number: int, at: int) -> Input:
        name = f"0102{at:012x}-76b6ee63-ad84-420f-8c29-{number:012x}-000000"
        return Input(
            at, "smtp", b"mx1",
            f"{samples.iso(at)} mx1 postfix/smtp[7]: 4F2A00{number}: to=<u{number}@client.example>,"
            f" relay={RELAY}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok {name})".encode(),
        )  # fmt: skip

    def other(at: int) -> Input:
        return Input(at, "ses", b"one-key", b'{"Type": "UnsubscribeConfirmation", "MessageId": "1"}')

    async def remove_all() -> None:
        async with Reader(world.kafka, world.ses) as reader:
            ends = await reader.ends()
        async with world.admin() as admin:
            await admin.delete_records({tp: RecordsToDelete(before_offset=end) for tp, end in ends.items()})

    async def first() -> None:
        await world.produce([other(start)])
        worker = world.start("--policy", str(policy))
        await ready(worker)
        await settled(world, [worker], start)
        worker.stopped()

    async def then() -> None:
        now = int(time.time() * 1000)
        await world.produce([accepted(1, now), *(other(now + number) for number in range(10))])
        await remove_all()
        await world.produce([other(now + 1_000), accepted(2, now + 2_000)])
        worker = world.start("--policy", str(policy))
        await ready(worker)
        await settled(world, [worker], now + 12_000)

    asyncio.run(first())
    asyncio.run(then())
    records = [json.loads(record.value) for record in asyncio.run(world.read("gaps"))]
    gaps = [r["recipient"] for r in records if r["schema"] == "mailgap.gap/1"]
    conditions = [(r["condition"], r["state"]) for r in records if r["schema"] == "mailgap.condition/1"]
    assert gaps == ["u2@client.example"]
    assert ("evidence_lost", "raised") in conditions
