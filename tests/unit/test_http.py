"""Metrics and health over HTTP: what is well answers 200, what is not 503 with its reason."""

from __future__ import annotations

import json

import aiohttp
import pytest

from service.demo.broker_servers import free_port
from service.edges.http import HttpServer


@pytest.fixture
async def server():
    """A server, its address, and what it is to say of itself."""
    wrong: dict[str, dict[str, str]] = {"alive": {}, "ready": {}}
    bind = ("127.0.0.1", free_port())
    made = HttpServer(bind, lambda: wrong["alive"], lambda: wrong["ready"])
    await made.start()
    yield f"http://{bind[0]}:{bind[1]}", wrong, bind
    await made.stop()


async def _get(url: str, **headers: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_well_and_not_well(server):
    url, wrong, _ = server
    for path in ("/healthz", "/readyz"):
        status, _, body = await _get(url + path)
        assert (status, json.loads(body)) == (200, {"status": "ok", "reasons": {}})
    wrong["ready"] = {"mailgap-correlate": "is restoring its shards"}
    status, _, body = await _get(url + "/readyz")
    assert status == 503
    assert json.loads(body)["reasons"] == {"mailgap-correlate": "is restoring its shards"}
    assert (await _get(url + "/healthz"))[0] == 200
    wrong["alive"] = {"mailgap-ingest": "crashed"}
    assert (await _get(url + "/healthz"))[0] == 503


async def test_metrics_in_both_forms(server):
    url, _, _ = server
    status, form, body = await _get(url + "/metrics")
    assert (status, form.partition(";")[0]) == (200, "text/plain")
    assert "mailgap_build_info" in body
    _, form, body = await _get(url + "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert form.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


async def test_it_tells_nothing_else(server):
    url, _, _ = server
    for path in ("/", "/metrics/x", "/tables", "/healthz/.."):
        assert (await _get(url + path))[0] == 404


async def test_a_port_that_is_taken_says_what_to_do(server):
    _, _, bind = server
    second = HttpServer(bind, dict, dict)
    with pytest.raises(OSError, match=rf"127.0.0.1:{bind[1]}, address already in use: .*--http-bind"):
        await second.start()
    await second.stop()


async def test_what_is_read_off_the_shards_is_read_at_the_scrape():
    bind, asked = ("127.0.0.1", free_port()), []
    made = HttpServer(bind, dict, dict, lambda: asked.append(True))
    await made.start()
    await _get(f"http://{bind[0]}:{bind[1]}/metrics")
    await _get(f"http://{bind[0]}:{bind[1]}/healthz")
    await made.stop()
    assert asked == [True]
