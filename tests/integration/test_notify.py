"""`mailgap notify` on a real Kafka: who is told what, through storms, dead sinks, kill -9 and failovers."""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest
import yaml

from service.contract.enums import Condition
from service.facts import Cause
from tests.integration.world import World, eventually, mailgap, ready
from tests.receiver import Answer, Receiver
from tests.unit.notices import condition, gap

pytestmark = pytest.mark.kafka
KEY = "0123456789abcdef0123456789abcdef"
NOW = int(time.time() * 1000) - 3_600_000


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def desk(kafka, prefix, tmp_path):
    """Topics of ours, and nothing that writes to them but the test."""
    made = World(kafka, prefix, tmp_path, partitions=2)
    made.create_ours()
    yield made
    made.end()


def _sinks(desk, *sinks, wait="0s", update="1s"):
    path = desk.folder / "sinks.yaml"
    path.write_text(yaml.safe_dump({"pace": {"wait": wait, "update": update}, "sinks": list(sinks)}))
    return path


async def _say(desk, *records):
    async with desk.producer() as producer:
        sent = [await producer.send(f"{desk.prefix}-gaps", key=key.encode(), value=value) for key, value in records]
        await asyncio.gather(*sent)


async def _until(worker, true, within=30):
    async def so():
        assert worker.process.poll() is None, worker.text()
        return true()

    await eventually(so, within, lambda: worker.text()[-3000:])


HOOK = {"type": "webhook", "url_env": "HOOK"}


def test_a_storm_is_a_handful_of_notifications_and_history_is_none(desk, receiver):
    """Ten thousand gaps, an account that is refused under two hundred streams, and what was over before anybody looked:
    told in sums, updated, resolved."""
    refused = {"kind": Condition.ACCOUNT_REFUSED, "cause": Cause.ACCOUNT_PAUSED}

    def account(gaps, condition_):
        streams = [gap(f"a{n}", gaps, stream=f"s{n}", cause=Cause.ACCOUNT_PAUSED) for n in range(200)]
        return [condition("account", condition_, **refused), *streams]

    records = [*(gap(f"g{n}", at=NOW + n) for n in range(10_000)), *account("opened", "raised")]
    records += [gap("old", stream="backfill", historic=True), condition("c"), condition("c", "cleared")]
    records += [gap("over", stream="over"), gap("over", "resolved", stream="over")]

    async def story():
        await _say(desk, *records)
        notify = desk.notify(_sinks(desk, HOOK, update="15m"), HOOK=f"{receiver.url}/hook")
        await ready(notify)
        await _until(notify, lambda: len(receiver.to("/hook")) == 3)
        await _say(desk, *(gap(f"g{n}", "resolved") for n in range(10_000)), *account("resolved", "cleared"))
        await _until(notify, lambda: [each["state"] for each in receiver.to("/hook")[3:]] == ["resolved"] * 3)
        return notify

    notify = asyncio.run(story())
    told = receiver.to("/hook")
    alerts = {(each["stream"], each["source"], each["cause"]): each["alert_id"] for each in told}
    assert set(alerts) == {("otp", None, "silent"), (None, "smtp", "account_paused"), (None, None, "account_paused")}
    number = {("otp", None): 10_000, (None, "smtp"): 1, (None, None): 200}
    assert [each["number"] for each in told[:3]] == [number[each["stream"], each["source"]] for each in told[:3]]
    assert {each["alert_id"]: each["number"] for each in told[3:]} == dict.fromkeys(alerts.values(), 0)
    assert [len(each["examples"]) for each in told[:3] if each["source"] is None] == [5, 5]
    assert notify.metric("mailgap_notifications_total", sink="webhook", result="sent") == 6
    assert notify.metric("mailgap_notify_leads") == 1


def test_one_alert_that_is_refused_takes_no_other_along(desk, receiver):
    """Alertmanager is sent a hundred at once, and refuses them all for one: they are then sent one by one."""
    receiver.answers["/api/v2/alerts"] = [Answer(400), Answer(400)]

    async def story():
        await _say(desk, gap("a"), gap("b", stream="news"))
        notify = desk.notify(_sinks(desk, {"type": "alertmanager", "url": receiver.url}))
        await _until(notify, lambda: notify.metric("mailgap_notifications_total", result="sent") == 2)
        return notify

    notify = asyncio.run(story())
    sent = [[each["labels"]["stream"] for each in document] for document in receiver.to("/api/v2/alerts")]
    both, refused, taken, again = sent[:4]
    assert len(both) == 2
    assert refused + taken == both
    assert again == refused, "what was refused is tried again; what was taken is not"
    assert notify.metric("mailgap_notifications_total", result="refused") == 1


@pytest.mark.slow
def test_dead_slow_and_angry_sinks_hold_up_nobody_and_lose_no_resolve(desk, receiver):
    """One is down, one hangs, one refuses, one asks for time; the good one is told at once. Secrets stay secret."""
    for path, answer in (("/down", Answer(503)), ("/slow", Answer(delay=60)), ("/angry", Answer(403, body=b"s3cr3t"))):
        receiver.answer[path] = answer
    receiver.answers["/busy"] = [Answer(429, (("Retry-After", "3"),))]
    names = ("good", "down", "slow", "angry", "busy")
    sinks = [{"name": name, "type": "webhook", "url_env": name.upper()} for name in names]
    urls = {name.upper(): f"{receiver.url}/{name}" for name in names}
    urls["AUTH"] = "Bearer s3cr3t"
    sinks[3]["authorization_env"] = "AUTH"

    async def story():
        notify = desk.notify(_sinks(desk, *sinks), **urls)
        await ready(notify)
        await _say(desk, gap("a"))
        await _until(notify, lambda: receiver.to("/good"))
        await _until(notify, lambda: len(receiver.to("/busy")) == 2)
        await _until(notify, lambda: notify.metric("mailgap_notifications_refused", sink="angry") == 1)
        assert len(receiver.to("/angry")) == 3, "a refusal is not tried for ever"
        first, second = [request.at for request in receiver.requests if request.path == "/busy"]
        assert second - first >= 3, "Retry-After is honoured"
        await _say(desk, gap("a", "resolved"))
        await _until(notify, lambda: receiver.to("/good")[-1]["state"] == "resolved")
        assert all(each["state"] == "firing" for each in receiver.to("/down"))
        receiver.answer["/down"] = Answer()  # it is back: what it may have been told is resolved
        await _until(notify, lambda: receiver.to("/down")[-1]["state"] == "resolved")
        assert notify.metric("mailgap_notifications_total", sink="down", result="failed") > 0
        assert notify.metric("mailgap_notifications_waiting", sink="good") == 0
        await _until(notify, lambda: notify.metric("mailgap_notifications_waiting", sink="slow") == 1)
        notify.stopped()
        return notify

    notify = asyncio.run(story())
    _the_doctor_sees_it(desk, urls)
    said = notify.text()
    assert "angry takes no notifications: HTTP 403: ***" in said
    assert "s3cr3t" not in said
    assert receiver.url not in said


def _the_doctor_sees_it(desk, urls):
    asked = ["doctor", *desk.where(), "--sinks", desk.folder / "sinks.yaml", "--format", "jsonl"]
    blind, sees = mailgap(*asked), mailgap(*asked, **urls)
    assert b"the environment has no GOOD" in blind.stdout
    assert b"s3cr3t" not in sees.stdout
    found = {(each["part"], each["what"]): each for each in map(json.loads, sees.stdout.splitlines())}
    assert found["sinks", "good"]["state"] == "ok"
    assert found["notifications", "good"]["found"] == "knows all there is to know"
    assert "refuses 1 of them: HTTP 403" in found["notifications", "angry"]["found"]
    assert found["notifications", "angry"]["advice"].startswith("correct the sink's secret")
    assert found["notifications", "slow"]["found"].startswith("1 alerts wait")


def test_kill_9_between_sending_and_noting_it_down(desk, receiver):
    """The sink has the alert, and we died before we knew; then the gap ends while nobody runs."""
    receiver.answer["/hook"] = Answer(delay=60)
    sinks = _sinks(desk, HOOK)

    async def story():
        first = desk.notify(sinks, HOOK=f"{receiver.url}/hook")
        await ready(first)
        await _say(desk, gap("a"))
        await _until(first, lambda: receiver.to("/hook"))
        first.killed()
        await _say(desk, gap("a", "resolved"))
        receiver.answer["/hook"] = Answer()
        second = desk.notify(sinks, HOOK=f"{receiver.url}/hook")
        await _until(second, lambda: receiver.to("/hook")[-1]["state"] == "resolved", 45)
        second.stopped()
        sent = len(receiver.requests)
        third = desk.notify(sinks, HOOK=f"{receiver.url}/hook")  # nothing is left to say
        await _until(third, lambda: third.metric("mailgap_notify_leads") == 1, 45)
        await _say(desk, gap("b", stream="news"))
        await _until(third, lambda: len(receiver.requests) > sent)

    asyncio.run(story())
    told = [(each["stream"], each["state"]) for each in receiver.to("/hook")]
    assert told == [("otp", "firing"), ("otp", "resolved"), ("news", "firing")]
    assert len({each["alert_id"] for each in receiver.to("/hook")[:2]}) == 1


@pytest.mark.slow
def test_of_two_one_speaks_and_a_paused_one_never_again(desk, receiver):
    """Failover: SIGSTOP past the session. The other one takes over; who wakes up is fenced before it says anything."""
    sinks = _sinks(desk, HOOK)

    async def story():
        first = desk.notify(sinks, HOOK=f"{receiver.url}/hook")
        await _until(first, lambda: first.metric("mailgap_notify_leads") == 1, 45)
        await _say(desk, gap("a"))
        await _until(first, lambda: receiver.to("/hook"))
        second = desk.notify(sinks, HOOK=f"{receiver.url}/hook")
        await ready(second)
        leads = lambda: [worker.metric("mailgap_notify_leads") for worker in (first, second)]  # noqa: E731
        await _until(second, lambda: sum(leads()) == 1, 45)
        leader, other = (first, second) if leads()[0] else (second, first)
        leader.send(signal.SIGSTOP)
        await _say(desk, gap("a", "resolved"))
        await _until(other, lambda: receiver.to("/hook")[-1]["state"] == "resolved", 60)
        await _say(desk, gap("b", stream="news"))
        await _until(other, lambda: receiver.to("/hook")[-1]["stream"] == "news")
        leader.send(signal.SIGCONT)
        await _say(desk, gap("c", stream="sales"))
        await _until(other, lambda: [each for each in receiver.to("/hook") if each["stream"] == "sales"])

    asyncio.run(story())
    told = [(each["stream"], each["state"]) for each in receiver.to("/hook")]
    assert [each for each in told if each[0] == "otp"] == [("otp", "firing"), ("otp", "resolved")]
    assert told.count(("news", "firing")) == told.count(("sales", "firing")) == 1


def test_what_cannot_be_started_says_why(desk):
    none = mailgap("notify", *desk.where())
    assert (none.returncode, b"nobody to notify: give --sinks" in none.stderr) == (2, True)
    wrong = mailgap("notify", "--bootstrap-servers", "127.0.0.1:9", "--sinks", _sinks(desk, {"type": "fax"}))
    assert (wrong.returncode, b"type 'fax' is none of" in wrong.stderr) == (2, True)
    missing = World(desk.kafka, f"{desk.prefix}x", desk.folder)
    sinks = _sinks(desk, {"type": "alertmanager", "url": "http://127.0.0.1:9"})
    gone = mailgap("notify", *missing.where(), "--sinks", sinks, "--http-bind", "127.0.0.1:0")
    assert gone.returncode == 1
    said = json.loads(gone.stderr.splitlines()[-1])
    assert said["message"].endswith("-gaps is not there: make ours with `mailgap topics create`")
    assert "exception" not in said
