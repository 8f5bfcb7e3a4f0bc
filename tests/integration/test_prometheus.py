"""The demo's worker under a real Prometheus and Alertmanager: every query works, and the right alerts come and go."""

from __future__ import annotations

import asyncio
import os
import re
import time
import urllib.parse
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from service.demo import ground
from service.demo.broker_servers import free_port
from service.demo.choices import arguments, pseudonym
from service.demo.files import Files
from service.demo.findings import compare
from service.demo.play import Play
from service.demo.sample import tell
from service.demo.worker_process import WorkerProcess
from service.facts import Source
from service.settings import load
from tests.integration.pictures import Line, draw
from tests.integration.prometheus import Alertmanager, Prometheus
from tests.rules.dashboards import BOARDS, QUERIES, Query
from tests.rules.prometheus import ROOT, RULE_FILES
from tests.rules.test_drift import EXPRESSIONS

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus, pytest.mark.timeout(300)]

RELAY = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
PAUSED = "554 Message rejected: Sending paused for this account."
MAILS = 600
NOTHING_IN_THE_DEMO = {
    "Notifications",  # nobody is notified
    *("Canary", "Canary, by leg", "Canaries in an hour"),  # nobody sends one
    *("May send", "Standing", "Quota of 24 hours that is used"),  # nobody asks AWS
    "The oldest is open for",  # may be empty once all have ended
    "Dead letters, 1 h",  # two, at the very beginning: before the first scrape there is no increase
}
ROUTES = """\
route: {receiver: tickets, group_by: [alertname, stream], group_wait: 0s, group_interval: 1s, routes: [
  {receiver: pager, matchers: [severity = "page"]}]}
receivers: [{name: pager}, {name: tickets}]
"""


@pytest.fixture
def settings(kafka, prefix, tmp_path):
    """The demo's, on the tests' broker."""
    key = tmp_path / "pseudonym.key"
    key.write_text("a key of the tests, 32 bytes long")
    flags = {
        "bootstrap_servers": kafka,
        "prefix": prefix,
        "smtp_topics": (f"{prefix}-app-smtp",),
        "ses_topics": (f"{prefix}-ses-events",),
        "policy_file": str(tmp_path / "files" / "policy.yaml"),
        "addresses": "pseudonymous",
        "pseudonym_key_file": str(key),
        "http_bind": f"127.0.0.1:{free_port()}",
        "partitions": "4",
        "session_timeout": "6s",
    }
    return load(flags, environ={})


def _perform(settings, files) -> None:
    """The demo, at the speed of life; what it finds must be right here too."""
    story = tell(7, MAILS, int(time.time() * 1000) + 700)
    inputs = {Source.SMTP: settings.smtp_topics[0], Source.SES: settings.ses_topics[0]}
    play = Play(settings.bootstrap_servers, inputs, settings.topics, story, files)
    shown = pseudonym(settings)
    asyncio.run(play.perform(shown, lambda *_: None))
    compared = compare(story, play.findings, shown)
    assert compared.equal, compared.differences


async def _refuse_the_account(settings) -> None:
    """Three mails, refused for what is no mail's fault."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    await producer.start()
    for number in range(3):
        queue_id, stamp = f"4FACE{number}", time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        for line in (
            f"{stamp} mx1 postfix/qmgr[7]: {queue_id}: from=<shop@app.example>, size=900, nrcpt=1 (queue active)",
            f"{stamp} mx1 postfix/smtp[8]: {queue_id}: to=<ann@post.example>, relay={RELAY}, delay=1, dsn=5.0.0,"
            f" status=bounced (host {RELAY} said: {PAUSED} (in reply to end of DATA command))",
        ):
            await producer.send_and_wait(settings.smtp_topics[0], line.encode(), key=b"mx1")
    await producer.stop()


def _until(true, otherwise, within: float = 60) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.1)


@pytest.mark.slow  # four minutes, most of them for alerts to fire and to resolve
def test_the_demo_under_prometheus(settings, tmp_path):
    asyncio.run(ground.prepare(settings))
    routes = tmp_path / "alertmanager.yml"
    routes.write_text(ROUTES)
    with ExitStack() as stack:
        files = Files.fresh(tmp_path / "files", stack)
        port = settings.http_bind[1]
        alertmanager = stack.enter_context(Alertmanager(tmp_path / "alertmanager", routes))
        prometheus = stack.enter_context(Prometheus(tmp_path / "prometheus", [port], alertmanager.port))
        _nothing_fails_where_there_is_nothing(prometheus)
        began = time.time()
        with WorkerProcess(arguments(settings), port, files.log) as worker:
            worker.await_ready()
            _until(lambda: "MailgapAbsent" not in prometheus.firing(), prometheus.firing)
            _perform(settings, files)
            _every_query_works(prometheus, began)
            _draw(prometheus, began)
            _an_exemplar_leads_to_a_mail(prometheus, began)
            _the_right_alerts_came(prometheus, alertmanager, began)
            _until(lambda: not _burning(prometheus), prometheus.firing, 120)
            _until(lambda: not _paged(alertmanager), alertmanager.groups)
            asyncio.run(_refuse_the_account(settings))
            _until(lambda: "MailgapAccountRefused" in prometheus.firing(), prometheus.firing)
            said = prometheus.firing()["MailgapAccountRefused"]
            assert said == "SES refuses the account (account_paused): 3 attempts of stream default failed in 5 min"
            _until(lambda: "MailgapAccountRefused" not in prometheus.firing(), prometheus.firing)
            assert prometheus.unhealthy() == []
        _until(lambda: "MailgapAbsent" in prometheus.firing(), prometheus.firing)
        _until(lambda: ("pager", "MailgapAbsent") in _paged(alertmanager), alertmanager.groups)


def _nothing_fails_where_there_is_nothing(prometheus) -> None:
    """An empty Prometheus: every query works and says nothing, and only the absence of everything is told."""
    for query in QUERIES:
        prometheus.query(query.filled())
    _until(lambda: set(prometheus.firing()) == {"MailgapAbsent"}, prometheus.firing)
    assert prometheus.unhealthy() == []


def _every_query_works(prometheus, began: float) -> None:
    empty = set()
    for query in QUERIES:
        series = prometheus.history(query.filled(rate="5s", span="40s").replace("[5m]", "[5s]"), began)
        values = [float(value) for one in series for _, value in one["values"]]
        if not any(value == value for value in values):  # noqa: PLR0124 - not a number
            empty.add(query.panel)
    assert empty <= NOTHING_IN_THE_DEMO
    for name, expr in EXPRESSIONS.items():
        assert prometheus.query(expr) is not None, name
    for page in (ROOT / "deploy" / "runbooks").glob("*.md"):
        for query in re.findall(r"^promtool query instant \S+ '([^']+)'$", page.read_text(), re.MULTILINE):
            assert prometheus.query(query) is not None, page


def _draw(prometheus, began: float) -> None:
    """Pictures of the dashboards, where somebody wants them."""
    folder = os.environ.get("MAILGAP_PICTURES")
    for name, board in BOARDS.items() if folder else ():

        def answer(expr: str, legend: str, name: str = name) -> list[Line]:
            asked = Query(name, "", expr, legend).filled(rate="5s", span="40s").replace("[5m]", "[5s]")
            found = [_line(one, legend) for one in prometheus.history(asked, began)]
            return [line for line in found if line.points]

        pictures = Path(folder or "")
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / f"{name}.svg").write_text(draw(board, answer))


def _line(series, legend: str) -> Line:
    labels = series["metric"]
    name = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)
    name = name or " ".join(value for key, value in labels.items() if key != "__name__")
    return Line(name, [(at, float(value)) for at, value in series["values"] if value not in ("NaN", "+Inf")])


def _an_exemplar_leads_to_a_mail(prometheus, began: float) -> None:
    query = urllib.parse.urlencode({"query": "mailgap_gaps_opened_total", "start": began, "end": time.time()})
    found = prometheus.get(f"/api/v1/query_exemplars?{query}")["data"]
    mails = {exemplar["labels"]["mail_id"] for series in found for exemplar in series["exemplars"]}
    assert any("/" in mail for mail in mails), "a submission"
    assert not any("@" in mail and "." in mail.partition("@")[2] for mail in mails), "an address"


def _burning(prometheus) -> set[str]:
    return {name for name in prometheus.firing() if "BurningFast" in name}


def _paged(alertmanager) -> set[tuple[str, str]]:
    return {(receiver, name) for receiver, _, names in alertmanager.groups() for name in names if receiver == "pager"}


def _the_right_alerts_came(prometheus, alertmanager, began: float) -> None:
    """Mails that got no id wake somebody; those that fell silent are few, and a ticket. Nothing else wakes anybody."""
    fired = prometheus.history('ALERTS{alertstate="firing"}', began)
    pages = {one["metric"]["alertname"] for one in fired if one["metric"]["severity"] == "page"}
    assert pages - {"MailgapAbsent"} == {"MailgapHandoffBudgetBurningFast"}
    assert "MailgapDeliveryBudgetBurningSlowly" in {one["metric"]["alertname"] for one in fired}
    assert {one["metric"].get("stream") for one in fired if "Handoff" in one["metric"]["alertname"]} == {"default"}
    groups = alertmanager.groups()
    told = [labels for receiver, labels, _ in groups if receiver == "pager"]
    assert {"alertname": "MailgapHandoffBudgetBurningFast", "stream": "default"} in told, groups


def test_the_time_lapse_leaves_no_duration_out():
    from tests.integration.prometheus import in_lapse  # noqa: PLC0415

    assert in_lapse("sum_over_time(x[1h]) offset 30m") == "sum_over_time(x[60000ms]) offset 30000ms"
    for path in RULE_FILES:
        assert path.parent == ROOT / "deploy" / "prometheus"
