"""The worker's log: JSON for machines, lines for people, events named as the metrics are."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path

import pytest

from service import logs
from service.metrics_page import CATALOGUE
from service.tally import Tally

CODE = [*Path("service").rglob("*.py"), *Path("topologies").rglob("*.py")]


@pytest.fixture
def root():
    """The logging of the whole process, put back afterwards."""
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = before


class Terminal(io.StringIO):
    def isatty(self):
        return True


def _news() -> logs.News:
    news, tally = logs.News(), Tally()
    tally.add(("gaps_opened", "sent_no_ses_id", "silent", "otp"), "mx1/4A1B@1", 10_000)
    tally.add(("outcomes", "delivered", "otp", "gmail"))
    tally.add(("dead_letters", "not_text"))
    news.note(tally)
    return news


@pytest.mark.usefixtures("root")
def test_json():
    out = io.StringIO()
    logs.set_up("info", "auto", out)
    _news().tell()
    gaps, dead = map(json.loads, out.getvalue().splitlines())
    assert gaps.pop("time").endswith("+00:00")
    assert gaps == {
        "level": "info",
        "logger": "mailgap.worker",
        "event": "gaps_opened",
        "message": "gaps_opened",
        "count": 10_000,
        "kind": "sent_no_ses_id",
        "cause": "silent",
        "stream": "otp",
        "mail_id": "mx1/4A1B@1",
    }
    assert (dead["event"], dead["reason"], dead["count"]) == ("dead_letters", "not_text", 1)


@pytest.mark.usefixtures("root")
def test_text_on_a_terminal():
    out = Terminal()
    logs.set_up("info", "auto", out)
    _news().tell()
    said = "gaps_opened count=10000 kind=sent_no_ses_id cause=silent stream=otp mail_id=mx1/4A1B@1"
    assert out.getvalue().splitlines()[0].endswith(f" INFO mailgap.worker {said}")


@pytest.mark.usefixtures("root")
def test_an_exception_is_part_of_its_object():
    out = io.StringIO()
    logs.set_up("info", "json", out)
    try:
        int("no\nnumber")
    except ValueError:
        logging.getLogger("x").exception("it %s", "failed")
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["exception"].startswith("Traceback")


@pytest.mark.usefixtures("root")
def test_what_was_told_is_not_told_again():
    out, news = io.StringIO(), _news()
    logs.set_up("info", "json", out)
    news.tell()
    told = out.getvalue()
    news.tell()
    assert out.getvalue() == told


def test_events_are_named_as_the_metrics():
    stems = {metric.name.removeprefix("mailgap_").removesuffix("_total") for metric in CATALOGUE}
    assert set(logs.TOLD) <= stems
    named = {name for path in CODE for name in re.findall(r'fields\("(\w+)"|"event": "(\w+)"', path.read_text())}
    assert {one or other for one, other in named} <= stems | logs.LIFE
