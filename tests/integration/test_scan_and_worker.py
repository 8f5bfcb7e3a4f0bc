"""`scan` on files and the worker on Kafka give the same verdicts for the same mails, record by record."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from service.simulation.fates import FATES
from tests.integration import sample as samples
from tests.integration.judged import broken_chains, differences, false_announcements, none, unequal
from tests.integration.world import OURS, World, ready, scan, settled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.sample import Sample

pytestmark = pytest.mark.kafka

MAILS, SECONDS = 1500, 45


@dataclass
class Run:
    """One sample, read by `scan`, by a worker, and by a second worker that hides addresses."""

    sample: Sample
    scanned: dict[str, dict[str, Any]]
    published: dict[str, list[dict[str, Any]]]
    gaps: dict[str, list[dict[str, Any]]]
    metrics: dict[str, list[tuple[dict[str, str], float]]]
    hidden: dict[str, list[Any]]
    hidden_documents: dict[str, list[dict[str, Any]]]

    @property
    def final(self) -> dict[str, dict[str, Any]]:
        """What a compacted reader sees."""
        return {key: revisions[-1] for key, revisions in self.published.items()}


@pytest.fixture(scope="module")
def run(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("scan-and-worker")
    policy = folder / "policy.yaml"
    policy.write_text(samples.POLICY)
    start = int(time.time() * 1000) - (SECONDS + samples.SETTLED + 5) * 1000
    sample = samples.make(20261, MAILS, start, SECONDS)
    stamp = f"{start:x}"
    raw, hidden = World(kafka, f"same-{stamp}", folder), World(kafka, f"hidden-{stamp}", folder)
    raw.prepare()
    hidden.create_ours()
    try:
        return asyncio.run(_both(sample, raw, hidden, policy))
    finally:
        raw.end()
        hidden.end()


async def _both(sample: Sample, raw: World, hidden: World, policy: Path) -> Run:
    await raw.produce(sample.records)
    scanned = scan(sample, raw.folder, policy)
    worker = raw.start("--policy", str(policy))
    other = hidden.start("--policy", str(policy), inputs=raw, addresses="pseudonymous")
    for world, each in ((raw, worker), (hidden, other)):
        await ready(each)
        await settled(world, [each], sample.end)
    published, gaps = await raw.documents(), await raw.documents("gaps")
    metrics = {name: worker.samples(name) for name in METRICS}
    records = {topic: await hidden.read(topic, committed=False) for topic in OURS}
    return Run(sample, scanned, published, gaps, metrics, records, await hidden.documents())


def test_the_sample_holds_every_fate(run):
    assert {mail.fate for mail in run.sample.mails} == FATES.keys() - {"unlogged"}


def test_scan_finds_what_really_happened(run):
    none(differences(run.sample, run.scanned.values()))


def test_the_worker_finds_what_really_happened(run):
    none(differences(run.sample, run.final.values()))


def test_both_say_the_same_record_by_record(run):
    none(unequal(run.scanned, run.final))


def test_revisions_rise_by_one(run):
    none(broken_chains(run.published, "mail_id"))


def test_every_gap_is_announced_once_and_ended_once(run):
    none(false_announcements(run.sample, run.gaps))


def test_the_records_and_the_gap_topic_agree(run):
    listed = {gap["gap_id"]: gap for document in run.final.values() for gap in document["gaps"]}
    assert listed.keys() == run.gaps.keys()
    for gap_id, gap in listed.items():
        last = run.gaps[gap_id][-1]
        assert gap == {field: last[field] for field in gap}


METRICS = (
    "mailgap_records_total",
    "mailgap_dead_letters_total",
    "mailgap_outcomes_total",
    "mailgap_gaps_opened_total",
    "mailgap_gaps_resolved_total",
    "mailgap_gaps_open",
    "mailgap_open_mails",
    "mailgap_rows",
    "mailgap_source_watermark_timestamp_seconds",
    "mailgap_shards_owned",
    "mailgap_commit_seconds_count",
    "mailgap_restore_seconds",
    "mailgap_lag_records",
    "mailgap_build_info",
)


def _sum(run: Run, name: str, *by: str) -> dict[Any, float]:
    found: Counter[Any] = Counter()
    for labels, value in run.metrics[name]:
        found[tuple(labels[label] for label in by)] += value
    return {key: value for key, value in found.items() if value}


def test_metrics_count_what_was_read(run):
    read = Counter(record.source for record in run.sample.records)
    assert _sum(run, "mailgap_records_total", "source") == {("smtp",): read["smtp"], ("ses",): read["ses"]}
    waiting = {topic for (topic,) in _sum(run, "mailgap_lag_records", "topic")}
    assert {topic for topic in waiting if not topic.endswith("-facts")} == set()  # statements never cease
    assert _sum(run, "mailgap_dead_letters_total") == {}


def test_metrics_count_outcomes_and_gaps(run):
    final = run.final.values()
    opened = Counter((gap["kind"], gap["cause"]) for document in final for gap in document["gaps"])
    assert _sum(run, "mailgap_gaps_opened_total", "kind", "cause") == opened
    resolved = Counter(gap["resolution"] for document in final for gap in document["gaps"] if gap["resolution"])
    assert {key: n for (key,), n in _sum(run, "mailgap_gaps_resolved_total", "resolution").items()} == resolved
    open_ = Counter(gap["kind"] for document in final for gap in document["gaps"] if not gap["resolution"])
    assert {key: n for (key,), n in _sum(run, "mailgap_gaps_open", "kind").items()} == open_
    still = {"pending", "deferred", "delayed"}
    recipients = [to for document in final for to in document["recipients"] if to["outcome"] not in still]
    assert sum(_sum(run, "mailgap_outcomes_total").values()) == len(recipients)


def test_metrics_know_the_worker(run):
    assert _sum(run, "mailgap_shards_owned") == {(): 4.0}
    for name in ("mailgap_rows", "mailgap_commit_seconds_count", "mailgap_build_info"):
        assert sum(value for _, value in run.metrics[name]) > 0, name
    spoken = run.metrics["mailgap_source_watermark_timestamp_seconds"]
    assert {labels["source"] for labels, _ in spoken} == {"smtp", "ses"}


def test_with_pseudonyms_no_address_leaves_ingest(run):
    """Not in the facts, the rows, the records or the gaps; not in keys, headers or free text."""
    locals_ = {address.rpartition("@")[0].encode() for address in run.sample.addresses}
    whole = re.compile(rb"to\d+\.\d+@\w+\.r\w+\.example|shop@[\w.]+\.example")
    assert all(whole.fullmatch(address.encode()) for address in run.sample.addresses)
    assert len(locals_) > MAILS / 2
    for topic in ("facts", "correlate-trails-changelog", "correlated", "gaps"):
        assert run.hidden[topic], topic
        for record in run.hidden[topic]:
            parts = [record.key or b"", record.value or b"", *[value for _, value in record.headers]]
            assert not whole.search(b"\n".join(parts)), (topic, record)


def test_pseudonyms_change_no_verdict(run):
    hidden = {key: revisions[-1] for key, revisions in run.hidden_documents.items()}
    assert hidden.keys() == run.final.keys()
    for key, document in hidden.items():
        assert _shape(document) == _shape(run.final[key])
        for recipient in document["recipients"]:
            assert re.fullmatch(r"p-[0-9a-f]{4}-[0-9a-f]{16}@\w+\.r\w+\.example", recipient["address"])


def _shape(document: dict[str, Any]) -> tuple[Any, ...]:
    outcomes = sorted((recipient["domain"], recipient["outcome"]) for recipient in document["recipients"])
    gaps = sorted((gap["kind"], gap["cause"], gap["deadline"], str(gap["resolution"])) for gap in document["gaps"])
    return outcomes, gaps, document["verdict"]["cause"], document["superseded_by"], document["stream"]
