"""The load generator: the same plan tells the same story, in order, whole, and without holding it all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from service.facts import Source
from service.policy import Attributes, parse_policy
from service.simulation import truth
from service.simulation.deadlines import PlanError, Policy, milliseconds, read_policy
from service.simulation.envelopes import ENVELOPES
from service.simulation.fates import FATES
from service.simulation.files import write
from service.simulation.plan import Plan
from service.simulation.servers import DIALECTS
from service.simulation.story import Story
from service.simulation.transport import stall_of

START = 1_790_000_000_000
POLICY = """\
defaults: {handoff: 6s, first_event: 5s, max_delivery: 1m30s, grace: 3s}
streams:
  - {name: codes, match: {sender_domain: codes.example}, handoff: 4s, max_delivery: 20s}
  - {name: news, match: {configuration_set: newsletter}, first_event: 2.5s}
  - {name: shops, match: {application: shop, region: eu-west-1}, max_delivery: 2h}
"""


def plan(**more):
    policy = read_policy(yaml.safe_load(POLICY))
    return Plan(**{"mails": 400, "rate": 40.0, "seed": 7, "start": START, "policy": policy, "mix": "even"} | more)


def told(made):
    mails = []
    story = Story(made, mails.append)
    return list(story.records()), mails, story


def test_the_same_plan_makes_the_same_records_and_another_seed_makes_others():
    once, again, other = told(plan())[:2], told(plan())[:2], told(plan(seed=8))[:2]
    assert once == again
    assert once[0] != other[0]
    assert plan().tag != plan(seed=8).tag
    assert plan().tag != plan(start=START + 1).tag


def test_records_come_in_order_and_every_fate_occurs():
    records, mails, story = told(plan(mails=3000, duplicates=0.1, reordered=0.1, lateness=900))
    assert records == sorted(records, key=lambda record: record.arrives)
    assert {mail.fate for mail in mails} == FATES.keys() - {"unlogged"}
    assert story.footer().mails == len(mails)
    assert story.footer().smtp_records + story.footer().ses_records == len(records)
    assert {record.host for record in records if record.source is Source.SMTP} == {
        f"h{n}-{plan().tag}" for n in range(1, 9)
    }


def test_unlogged_mails_are_gaps_where_the_policy_asks_for_them():
    asks = read_policy({"unlogged_send": True})
    mails = told(plan(policy=asks, mails=1000))[1]
    assert {gap.kind for mail in mails if mail.fate == "unlogged" for r in mail.records for gap in r.gaps} == {
        "unlogged_send"
    }


def test_all_is_said_and_due_before_the_end():
    records, mails, story = told(plan())
    end = story.footer().end
    assert max(mail.settled_at for mail in mails) == end
    assert max(record.arrives for record in records) < story.end
    assert all(gap.due <= mail.settled_at for mail in mails for record in mail.records for gap in record.gaps)


def test_no_more_lies_in_memory_than_what_is_on_its_way():
    """Of 20,000 mails, those of the last deadlines: a tenth."""
    most, story = 0, Story(plan(mails=20_000, rate=200.0, mix="usual"), lambda _: None)
    for _ in story.records():
        most = max(most, len(story._waiting))
    assert most < 4000


def test_a_stalled_source_says_nothing_and_then_all_of_it():
    records, _, _ = told(plan(stalls=(stall_of("ses:3s+2s"),)))
    times = [record.arrives - START for record in records if record.source is Source.SES]
    assert not [time for time in times if 3000 <= time < 5000]
    assert times.count(5000) > 20
    assert [record for record in records if record.source is Source.SMTP and 3000 <= record.arrives - START < 5000]


def test_lateness_duplicates_and_reordering():
    quiet = told(plan(duplicates=0.0))[0]
    assert all(record.at <= record.arrives < record.at + 1000 for record in quiet)
    noisy = told(plan(duplicates=0.5, lateness=1000, reordered=0.5))[0]
    assert len(noisy) > len(quiet) * 1.3
    assert max(record.arrives - record.at for record in noisy) < 3005
    by_host = [record.at for record in noisy if record.host.startswith("h1-")]
    assert by_host != sorted(by_host)


def test_a_skewed_clock_is_wrong_in_the_line_and_not_on_the_record():
    straight, skewed = told(plan(duplicates=0.0))[0], told(plan(duplicates=0.0, skew=4000))[0]
    lines = [(a, b) for a, b in zip(straight, skewed, strict=False) if a.source is Source.SMTP]
    assert Counter(record.at for record in straight).keys() & Counter(record.at for record in skewed).keys()
    assert [a for a, b in lines if a.value != b.value]


def test_the_two_readers_of_a_policy_agree():
    document = yaml.safe_load(POLICY)
    ours, theirs = read_policy(document), parse_policy(document)
    for domain in ("codes.example", "shop.example"):
        for name in ("newsletter", "main"):
            stream = ours.stream(domain, name, "eu-west-1")
            after = theirs.stream(Attributes(configuration_set=name, sender_domain=domain, region="eu-west-1"))
            before = theirs.stream(Attributes(sender_domain=domain))
            assert stream.handoff.handoff == before.deadlines.handoff
            for field in ("handoff", "first_event", "max_delivery", "own_max_delivery"):
                assert getattr(stream.delivery, field) == getattr(after.deadlines, field)
            assert stream.delivery.delivery(0, 50_000) == after.deadlines.delivery(0, 50_000)
    assert ours.grace == theirs.grace
    usual, default = read_policy({}), parse_policy({})
    assert usual == Policy()
    assert (usual.grace, usual.defaults.handoff, usual.defaults.max_delivery) == (
        default.grace,
        default.defaults.handoff,
        default.defaults.max_delivery,
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"defaults": {"handoff": "1s"}}, "handoff"),
        ({"defaults": {"handoff": "soon"}}, "'soon' is no duration"),
        ({"defaults": []}, "expected a mapping"),
        ([], "expected a mapping"),
    ],
)
def test_a_policy_that_nothing_can_be_simulated_with_is_refused(document, words):
    with pytest.raises(PlanError, match=words):
        read_policy(document)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"mails": 0}, "--mails: 0 does not do; give something from 1"),
        ({"lateness": 2000}, "no verdict is promised"),
        ({"mix": "nonsense=3"}, "is no fate"),
        ({"mix": "silent=much"}, "write a fate and its share"),
        ({"mix": "each_its_own=3", "recipients": 1}, "cannot occur"),
        ({"mix": "two_mails", "dialects": ("exim",)}, "cannot occur"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(more, words):
    with pytest.raises(PlanError, match=words):
        plan(**more)


@pytest.mark.parametrize("text", ["ses:30s", "kafka:1s+2s", "ses:1+2s", ""])
def test_a_stall_that_is_none(text):
    with pytest.raises(PlanError, match="stall"):
        stall_of(text)


def test_durations():
    assert [milliseconds(text, "x") for text in ("90s", "1h30m", "2.5s", "14h", "5d", "20ms")] == [
        90_000,
        5_400_000,
        2500,
        50_400_000,
        432_000_000,
        20,
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_can_be_alone(dialect):
    _, mails, _ = told(plan(dialects=(dialect,), envelopes=(next(iter(ENVELOPES)),)))
    assert len({mail.fate for mail in mails}) > 15


def test_a_truth_file_says_what_is_wrong_with_it(tmp_path):
    write(plan(mails=30), tmp_path)
    path = tmp_path / "truth.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert [type(line).__name__ for line in truth.read(path)] == ["Header", *["Mail"] * (len(lines) - 2), "Footer"]
    for content, words in (
        (b"".join(lines[:-1]), "was not finished"),
        (b"".join(lines[1:]), "begins with its header"),
        (b"defaults: {}\n", "no line of a truth file"),
        (b"", "was not finished"),
    ):
        path.write_bytes(content)
        with pytest.raises(truth.TruthError, match=words):
            list(truth.read(path))
    with pytest.raises(truth.TruthError, match="cannot be read"):
        list(truth.read(Path("/nowhere/truth.jsonl")))
