"""What a shard reads between two commits is taken in together, and nothing of it after the commit that covers it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import msgspec

from service import facts_record
from service.contract.correlated import Correlated
from service.facts import Accepted, Delivered, Described, Sent, Sighting, ses_name
from service.facts_record import FactsRecord
from service.policy import Policy
from service.settings import load
from topologies import correlate
from topologies.engine.batch import Batch
from topologies.engine.settings import EngineSettings
from topologies.engine.shard import Shard

SETTINGS = load({"smtp_topics": ("app-smtp",), "ses_topics": ("ses-events",)}, {})
ENGINE = EngineSettings(bootstrap_servers="nowhere:9092")
AT = 1_795_000_000_000
ID = f"0100{AT:012x}-00000001-0000-4000-8000-000000000001-000000"
WHO = ("ann@example.com",)
BY_SES = [
    Described(AT, "orders@shop.example", WHO, "1", "us-east-1", "", "", "1@shop.example", ()),
    Sent(AT),
    Delivered(AT + 700, WHO, "250 ok"),
]
LINE = Accepted(AT, False, WHO, ID, "mx1/4F2A", "us-east-1")


class Taken:
    """A sender that Kafka answers at once."""

    def __init__(self) -> None:
        self.records: list[object] = []

    async def send(self, records):
        self.records += records


def shard_of(number: int = 0) -> Shard:
    shard = Shard(number, group="app", name="trails", changelog=SETTINGS.topics.changelog, settings=ENGINE)
    shard.local = correlate.Judge(shard, SETTINGS, ENGINE, Policy())
    return shard


def batch(first: int, *facts: object) -> Batch:
    """One record a fact, all of one mail."""
    values = [facts_record.pack(FactsRecord([(ses_name(ID), [(fact, Sighting(AT, "ses/0/1"))])])) for fact in facts]
    records = [SimpleNamespace(value=value, offset=first + n, timestamp=AT) for n, value in enumerate(values)]
    return Batch(first, first + len(records), records)


def documents(shard: Shard) -> list[Correlated]:
    return [
        msgspec.json.decode(record.value, type=Correlated)
        for record in shard._outputs
        if record.topic == SETTINGS.topics.correlated
    ]


def commit(shard: Shard) -> list[object]:
    """What comes before a commit, and what it asked of others."""
    sender = Taken()
    asyncio.run(correlate._before_commit(SETTINGS, ENGINE.partitions, sender)(shard))
    return sender.records


def test_a_mail_of_which_several_batches_speak_is_published_once_a_commit():
    shard = shard_of()
    for first, fact in enumerate([*BY_SES, LINE]):
        correlate.step(SETTINGS, ENGINE.partitions, shard, batch(first, fact))
    assert not documents(shard)
    assert not [key for key in shard.rows if key[:1] != b"\0"]
    assert commit(shard) == []
    (said,) = documents(shard)
    assert (said.revision, len(said.trail)) == (1, 3)
    assert ses_name(ID) in shard.rows
    commit(shard)
    assert len(documents(shard)) == 1  # and it is taken in once


def test_what_is_read_after_a_commit_belongs_to_the_next():
    shard = shard_of()
    for first, fact in enumerate(BY_SES):
        correlate.step(SETTINGS, ENGINE.partitions, shard, batch(first, fact))
        commit(shard)
    assert [said.revision for said in documents(shard)] == [1, 2, 3]


def test_no_more_is_held_than_the_event_loop_may_be_held_for(monkeypatch):
    monkeypatch.setattr(correlate, "TOGETHER", 2)
    shard = shard_of()
    correlate.step(SETTINGS, ENGINE.partitions, shard, batch(0, BY_SES[0]))
    assert not documents(shard)
    correlate.step(SETTINGS, ENGINE.partitions, shard, batch(1, BY_SES[1]))
    assert len(documents(shard)) == 1
    assert not shard.local.waiting.records


def test_what_came_before_a_hole_is_taken_in_before_it_is_told_of():
    shard = shard_of()
    order: list[str] = []
    judge = shard.local.correlator
    take, lose = judge.take, judge.lose
    judge.take = lambda records: (order.append(f"take {len(records)}"), take(records))
    judge.lose = lambda *where: (order.append("lose"), lose(*where))
    correlate.step(SETTINGS, ENGINE.partitions, shard, batch(0, *BY_SES))
    correlate.step(SETTINGS, ENGINE.partitions, shard, Batch(3, 9, [], hole=True))
    correlate.step(SETTINGS, ENGINE.partitions, shard, batch(9, LINE))
    commit(shard)
    assert order == ["take 3", "lose", "take 1"]
