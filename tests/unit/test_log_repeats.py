"""What libraries repeat is told once, and then how often."""

from __future__ import annotations

import io
import json
import logging

import pytest

from service.log_repeats import EVERY, MOST_KINDS, RepeatsHandler
from service.logs import JsonFormatter


class Log:
    """A handler, and what it wrote."""

    def __init__(self):
        self.out = io.StringIO()
        self.handler = RepeatsHandler(self.out)
        self.handler.setFormatter(JsonFormatter())

    def say(self, at, message, *args, name="aiokafka.conn", level=logging.ERROR):
        record = logging.LogRecord(name, level, __file__, 1, message, args, None)
        record.created = at
        self.handler.handle(record)

    def written(self):
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


@pytest.fixture
def log():
    return Log()


def test_a_flood_is_two_lines(log):
    """Of 600 lines a second while a broker is away, one is written at once, and a minute later how many there were."""
    for number in range(6000):
        log.say(1000 + number / 600, "Unable connect to node with id %d: [Errno 111] ('127.0.0.1', %d)", 1, number)
    assert [line["message"] for line in log.written()] == [
        "Unable connect to node with id 1: [Errno 111] ('127.0.0.1', 0)"
    ]
    log.say(1000 + EVERY, "something else")
    _, repeated, other = log.written()
    assert repeated["message"].startswith("Unable connect to node with id 1: [Errno 111] ('127.0.0.1', 5999)")
    assert (repeated["event"], repeated["count"], repeated["logger"]) == ("repeated", 5999, "aiokafka.conn")
    assert other["message"] == "something else"


def test_after_its_minute_a_line_is_news_again(log):
    for at in (0, 1, EVERY, EVERY + 1, 2 * EVERY):
        log.say(at, "away")
    said = [(line["event"], line.get("count")) for line in log.written()]
    assert said == [("log", None), ("repeated", 1), ("log", None), ("repeated", 1), ("log", None)]


def test_what_is_untold_is_told_at_the_end(log):
    log.say(0, "away")
    log.say(1, "away")
    log.handler.close()
    assert [line.get("count") for line in log.written()] == [None, 1]


def test_lines_that_differ_in_more_than_numbers_and_names_are_all_written(log):
    log.say(0, "topic 'a' is away")
    log.say(0, "topic 'b' is away")
    log.say(0, "topic 'a' is back")
    log.say(0, "topic 'a' is away", level=logging.WARNING)
    log.say(0, "topic 'a' is away", name="aiokafka.client")
    assert len(log.written()) == 4


def test_what_mailgap_says_is_never_held_back(log):
    for _ in range(3):
        log.say(0, "gaps_opened", name="mailgap.worker", level=logging.INFO)
    assert len(log.written()) == 3


def test_a_library_that_never_says_the_same_twice_fills_no_memory(log):
    for number in range(10 * MOST_KINDS):
        log.say(0, "lost " + "x" * number)
    assert len(log.written()) == MOST_KINDS + 1
    log.handler.close()
    assert log.written()[-1]["count"] == 9 * MOST_KINDS - 1
