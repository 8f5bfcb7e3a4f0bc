"""Topics as they must be against topics as they are."""

from __future__ import annotations

import pytest

from service.edges import topic_checks as checks
from service.edges.topic_checks import Found
from service.edges.topics import wanted
from service.facts import HOUR
from service.policy import Policy
from service.settings import load

OURS = {topic.name.removeprefix("mailgap-"): topic for topic in wanted(load({"partitions": "8"}, {}))}
GOOD = {"cleanup.policy": "delete", "retention.ms": str(7 * 24 * HOUR), "message.timestamp.type": "LogAppendTime"}


@pytest.mark.parametrize("name", OURS)
def test_what_is_as_it_must_be_is_not_spoken_of(name):
    topic = OURS[name]
    assert not [*checks.shape(topic, Found(8, 3), 3), *checks.config(topic, topic.config)]
    forever = {key: "-1" if key == "retention.ms" else value for key, value in topic.config.items()}
    assert not list(checks.config(topic, forever))


@pytest.mark.parametrize(
    ("name", "found", "sentence"),
    [
        ("facts", Found(6, 1), "mailgap-facts has 6 partitions, and --partitions says 8: the number cannot change"),
        ("facts", Found(12, 1), "say --partitions 12, or start anew with another --prefix"),
        ("correlate-trails-changelog", Found(7, 1), "the number cannot change"),
        ("gaps", Found(3, 1), "`kafka-topics --alter --topic mailgap-gaps --partitions 8`"),
    ],
)
def test_other_partitions(name, found, sentence):
    (said,) = checks.shape(OURS[name], found, 1)
    assert sentence in said


def test_what_has_more_partitions_than_shards_may_keep_them():
    assert not list(checks.shape(OURS["gaps"], Found(12, 1), 1))


def test_fewer_replicas():
    (said,) = checks.shape(OURS["correlated"], Found(8, 1), 3)
    assert "mailgap-correlated has 1 replicas, and --replication says 3" in said


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("correlate-trails-changelog", "cleanup.policy", "compact,delete"),
        ("facts", "cleanup.policy", "compact"),
        ("facts", "retention.ms", "3600000"),
        ("correlated", "max.message.bytes", "1048588"),
        ("dead-letters", "max.message.bytes", "8388608"),
    ],
)
def test_another_configuration(name, key, value):
    topic = OURS[name]
    (said,) = checks.config(topic, {**topic.config, key: value})
    assert said.startswith(f"mailgap-{name}: {key} is '{value}' and must be '{topic.config[key]}': `kafka-configs")


def test_a_good_input_needs_no_word():
    assert not [*checks.input_problems("in", GOOD, Policy()), *checks.input_advice("in", GOOD)]
    assert not list(checks.input_problems("in", {**GOOD, "retention.ms": "-1"}, Policy()))


@pytest.mark.parametrize("cleanup", ["compact", "compact,delete"])
def test_a_compacted_input_is_refused(cleanup):
    (said,) = checks.input_problems("in", {**GOOD, "cleanup.policy": cleanup}, Policy())
    assert f"input topic in: cleanup.policy is '{cleanup}'" in said
    assert "--add-config cleanup.policy=delete" in said


@pytest.mark.parametrize("policy", ["compact,delete", "delete,compact"])
@pytest.mark.parametrize(("retention", "well"), [(f"{90 * 24 * HOUR}", True), ("-1", True), ("3600000", False)])
def test_verdicts_and_gaps_may_be_forgotten_after_a_time_and_nothing_else_may(policy, retention, well):
    forgetting = {"cleanup.policy": policy, "retention.ms": retention}
    for name in ("correlated", "gaps"):
        said = list(checks.config(OURS[name], OURS[name].config | forgetting))
        assert said == [] if well else "a gap may be open for" in said[0]
    for name in ("correlate-trails-changelog", "notified", "facts", "dead-letters"):
        assert any("cleanup.policy" in each for each in checks.config(OURS[name], OURS[name].config | forgetting))


def test_raw_lines_and_facts_are_gone_after_a_week():
    week = {"cleanup.policy": "delete", "retention.ms": str(7 * 24 * HOUR)}
    for name in ("dead-letters", "facts"):
        assert week.items() <= OURS[name].config.items()


def test_an_input_that_forgets_sooner_than_we_wait_is_refused():
    (said,) = checks.input_problems("in", {**GOOD, "retention.ms": str(2 * HOUR)}, Policy())
    assert "retention.ms is 7200000 (2 h), and a mail is waited for up to 14 h" in said
    assert f"--add-config retention.ms={Policy().longest + Policy().grace}" in said


def test_records_that_are_dated_by_whoever_wrote_them_are_advised_against():
    (said,) = checks.input_advice("in", {**GOOD, "message.timestamp.type": "CreateTime"})
    assert "--add-config message.timestamp.type=LogAppendTime" in said
