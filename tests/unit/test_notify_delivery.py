"""One attempt at one sink: what is sent, what each answer means, and what no error shows."""

from __future__ import annotations

import asyncio

import pytest

from service.contract.notification import Notification
from service.edges.notify import delivery as edge
from service.edges.notify.delivery import RefusedError, UnavailableError, delivery, pause_of
from service.notifications.ledger import Pace, Scope
from service.notifications.sinks import Sink, SinkType
from tests.receiver import Answer, Receiver
from tests.unit.notices import gap, notification

SAID = notification(gap("a"))
SECRET = "s3cr3t"


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


def _sink(kind, url, **more):
    return Sink(str(kind), kind, Pace(), Scope(), url=url, **more)


async def _deliver(sink, *said: Notification):
    way = delivery(sink)
    try:
        await way.deliver(said or (SAID,))
    finally:
        await way.close()


async def _probe(sink):
    way = delivery(sink)
    try:
        return await way.probe()
    finally:
        await way.close()


async def test_each_kind_is_sent_where_its_reader_looks(receiver):
    await _deliver(_sink(SinkType.ALERTMANAGER, f"{receiver.url}/am/"), SAID, notification(gap("b", stream="news")))
    await _deliver(_sink(SinkType.PAGERDUTY, f"{receiver.url}/v2/enqueue", key="k" * 32))
    await _deliver(_sink(SinkType.SLACK, f"{receiver.url}/{SECRET}"))
    await _deliver(_sink(SinkType.WEBHOOK, f"{receiver.url}/hook", authorization="Bearer t"))
    (alerts,) = receiver.to("/am/api/v2/alerts")
    assert [alert["labels"]["stream"] for alert in alerts] == ["otp", "news"], "one request for all"
    assert receiver.to("/v2/enqueue")[0]["routing_key"] == "k" * 32
    assert "otp" in receiver.to(f"/{SECRET}")[0]["text"]
    hook = receiver.requests[-1]
    assert hook.document["schema"] == "mailgap.notification/1"
    assert hook.headers["Authorization"] == "Bearer t"
    assert hook.headers["Idempotency-Key"].startswith(SAID.alert_id)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_taken(receiver, status):
    receiver.answer["/hook"] = Answer(status, body=b"")
    await _deliver(_sink(SinkType.WEBHOOK, f"{receiver.url}/hook"))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_not_now(receiver, status):
    receiver.answer["/hook"] = Answer(status, (("Retry-After", "7"),), b"busy")
    with pytest.raises(UnavailableError, match=f"HTTP {status}: busy") as said:
        await _deliver(_sink(SinkType.WEBHOOK, f"{receiver.url}/hook"))
    assert said.value.pause == 7


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
async def test_not_wanted(receiver, status):
    receiver.answer["/hook"] = Answer(status, body=b"no_service\r\n\x1b[2J")
    with pytest.raises(RefusedError, match=rf"HTTP {status}: no_service +\[2J"):
        await _deliver(_sink(SinkType.WEBHOOK, f"{receiver.url}/hook"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(receiver, status):
    """A secret must not travel to wherever an answer points."""
    receiver.answer["/hook"] = Answer(status, (("Location", f"{receiver.url}/elsewhere"),), b"")
    with pytest.raises(RefusedError, match=f"HTTP {status}"):
        await _deliver(_sink(SinkType.WEBHOOK, f"{receiver.url}/hook", authorization="Bearer t"))
    assert [request.path for request in receiver.requests] == ["/hook"]


async def test_an_answer_that_repeats_the_secret_shows_none(receiver):
    receiver.answer[f"/{SECRET}"] = Answer(404, body=f"no such hook: {receiver.url}/{SECRET}".encode())
    with pytest.raises(RefusedError) as said:
        await _deliver(_sink(SinkType.SLACK, f"{receiver.url}/{SECRET}"))
    assert str(said.value) == "HTTP 404: no such hook: ***"


async def test_a_slow_sink_has_its_bound(receiver, monkeypatch):
    monkeypatch.setattr(edge, "ATTEMPT_BOUND", 0.2)
    receiver.answer["/hook"] = Answer(delay=60)
    with pytest.raises(UnavailableError, match="no answer within"):
        await _deliver(_sink(SinkType.WEBHOOK, f"{receiver.url}/hook"))


@pytest.mark.parametrize("url", [f"http://127.0.0.1:9/{SECRET}", f"http://gone.invalid/{SECRET}"])
async def test_nobody_there(url):
    sink = _sink(SinkType.WEBHOOK, url)
    with pytest.raises(UnavailableError) as said:
        await _deliver(sink)
    assert str(said.value)
    assert SECRET not in str(said.value)
    assert await _probe(sink)


async def test_a_server_that_speaks_no_tls_or_no_http(receiver):
    with pytest.raises(UnavailableError):
        await _deliver(_sink(SinkType.WEBHOOK, receiver.url.replace("http:", "https:")))

    async def babble(_reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UnavailableError):
            await _deliver(_sink(SinkType.WEBHOOK, f"http://127.0.0.1:{port}/{SECRET}"))


async def test_a_probe_tells_nobody_anything(receiver):
    assert await _probe(_sink(SinkType.SLACK, f"{receiver.url}/{SECRET}")) == ""
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), ("0", 0), ("", 0), ("soon", 0), ("-5", 0), ("99999999999999999999", 3600),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30), ("Wed, 21 Oct 2020 07:28:00 GMT", 0), ("Wed, 99 Oct 2026", 0),
    ],
)  # fmt: skip
def test_how_long_a_sink_wants_to_be_left_alone(header, seconds):
    assert pause_of(header, 1792567680.0) == seconds
