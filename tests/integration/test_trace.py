"""The trace page on a real Kafka: it follows a worker, goes on where a `kill -9` ended it, forgets what is erased."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import quote

import pytest

from service.contract.condition import ConditionRecord
from service.contract.enums import Condition, ConditionState
from service.contract.wire import encode, timestamp
from service.facts import Source
from tests.integration.world import Input, eventually, ready

LINE = (
    "{stamp} mx1 postfix/smtp[7]: {queue_id}: to=<{to}>, relay={relay}, delay=1, delays=0/0/0/1, dsn=5.0.0,"
    " status=bounced (host {relay} said: 554 Message rejected: Email address is not verified.)"
)
RELAY = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"


def refused(at, queue_id, to):
    sender = f"{timestamp(at)} mx1 postfix/qmgr[2]: {queue_id}: from=<shop@app.example>, size=1, nrcpt=1 (queue active)"
    line = LINE.format(stamp=timestamp(at), queue_id=queue_id, to=to, relay=RELAY)
    return [Input(at, "smtp", b"mx1", text.encode()) for text in (sender, line)]


def asked(page, path):
    status, body = page.get("/api/v1" + path)
    return json.loads(body) if status == 200 else {"items": [], "status": status}


async def found(page, name):
    """Waits until exactly one mail goes by that name, and gives it."""

    async def one():
        assert page.process.poll() is None, page.text()
        return len(asked(page, f"/mails?q={quote(name)}")["items"]) == 1

    await eventually(one, 60, page.text)
    return asked(page, f"/mails?q={quote(name)}")["items"][0]


@pytest.mark.kafka
def test_it_follows_a_worker_and_goes_on_where_it_ended(world, tmp_path):
    store = str(tmp_path / "trail.db")
    now = int(time.time() * 1000)

    async def story():
        await world.produce(refused(now, "4F2A001", "ann@client.example"))
        await ready(world.start(addresses="pseudonymous"))
        page = world.trace(store)
        await ready(page)
        first = await found(page, "ann@client.example")
        assert first["state"] == "gap"
        assert first["recipients"][0]["address"].startswith("p-")
        [gap] = asked(page, "/gaps")["items"]
        assert (gap["mail_id"], gap["cause"]) == (first["mail_id"], "unverified_identity")
        await _heard_of_the_logs(page)

        page.killed()
        await world.produce(refused(now, "4F2A002", "bob@client.example"))
        page = world.trace(store)
        second = await found(page, "bob@client.example")
        assert (await found(page, "4F2A001"))["mail_id"] == first["mail_id"]
        assert page.metric("mailgap_trace_mails_written_total") == 1, "only what was new"

        await _erase(world, second["mail_id"])
        await eventually(lambda: _gone(page, "bob@client.example"), 60, page.text)
        await _raise_condition(world, now)
        await eventually(lambda: _told(page), 60, page.text)
        assert page.metric("mailgap_trace_unreadable_total") == 1, "the text that is no record"
        assert page.stopped()[0] == 0, page.text()

    asyncio.run(story())


async def _heard_of_the_logs(page):
    async def heard():
        return any(each["source"] == "smtp" and each["up_to"] for each in asked(page, "/sources").get("sources", ()))

    await eventually(heard, 60, page.text)


async def _erase(world, mail_id):
    async with world.producer() as producer:
        await producer.send_and_wait(f"{world.prefix}-correlated", key=mail_id.encode(), value=None)
        await producer.send_and_wait(f"{world.prefix}-correlated", key=b"x", value=b"no record of ours")


async def _gone(page, name):
    return asked(page, f"/mails?q={quote(name)}") == {"items": [], "next": None}


async def _raise_condition(world, at):
    raised = ConditionRecord(
        condition_id="c1", state=ConditionState.RAISED, revision=1, condition=Condition.SOURCE_STALLED,
        source=Source.SES, about="ses:eu-west-1", since=timestamp(at), explanation="It is silent.", next_step="Look.",
        runbook_url="x",
    )  # fmt: skip
    async with world.producer() as producer:
        await producer.send_and_wait(f"{world.prefix}-gaps", key=b"c1", value=encode(raised))


async def _told(page):
    return [each["about"] for each in asked(page, "/sources").get("conditions", ())] == ["ses:eu-west-1"]


@pytest.mark.kafka
def test_without_topics_it_says_how_to_make_them(world, tmp_path):
    world.prefix += "-other"
    page = world.trace(str(tmp_path / "trail.db"))
    assert page.ends(60) == 1
    assert "mailgap topics create" in page.text()
    assert "Traceback" not in page.text()


def test_without_a_kafka_it_says_so(tmp_path):
    from tests.integration.world import World  # noqa: PLC0415

    world = World("127.0.0.1:1", "nothing", tmp_path)
    page = world.trace(str(tmp_path / "trail.db"))
    assert page.ends(60) == 1
    assert "no Kafka answers at 127.0.0.1:1" in page.text()
    assert "Traceback" not in page.text()
