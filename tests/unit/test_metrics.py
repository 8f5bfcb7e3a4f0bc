"""The catalogue of metrics: it is what is exported, its page says the same, and no label grows with traffic."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service import metrics
from service.metrics_page import page
from service.tally import Tally

PAGE = Path(__file__).parents[2] / "deploy" / "METRICS.md"
CLOSED = {
    "source", "result", "reason", "outcome", "stream", "provider", "kind", "cause", "resolution", "topic",
    "partition", "version", "host", "delay_type", "condition", "sink", "call", "canary", "queue", "log", "leg",
    "region", "status",
}  # fmt: skip


def test_the_page_is_made_from_the_catalogue():
    assert PAGE.read_text() == page(), "run: python -m service.metrics_page > deploy/METRICS.md"


def test_the_catalogue_is_what_is_exported():
    exported = {family.name for family in metrics.REGISTRY.collect() if not family.name.startswith("process_")}
    assert {metric.name.removesuffix("_total").removesuffix("_info") for metric in metrics.CATALOGUE} == exported


@pytest.mark.parametrize("metric", metrics.CATALOGUE, ids=lambda metric: metric.name)
def test_an_entry(metric):
    """A name with our prefix and its unit, a help and a reason in sentences, labels of a closed list."""
    assert re.fullmatch(r"mailgap_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert metric.why.endswith(".")
    assert set(metric.labels) <= CLOSED
    assert list(metric.buckets) == sorted(metric.buckets)


def test_what_is_counted_is_exported_with_the_mail_as_exemplar():
    tally, mail = Tally(), "0100019a-one-mail"
    tally.add(("gaps_opened", "sent_no_ses_id", "silent", "test-exemplar"), mail, 3)
    tally.add(("rows_dropped",))
    tally.add(("submissions", "test-exemplar"), "x" * 200)
    tally.time(("delivery_seconds", "test-exemplar", "gmail"), 90_000, mail)
    metrics.count(tally)
    samples = [
        sample
        for family in text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode())
        for sample in family.samples
        if sample.labels.get("stream") == "test-exemplar"
    ]
    (gaps,) = [sample for sample in samples if sample.name == "mailgap_gaps_opened_total"]
    assert (gaps.value, gaps.exemplar.labels) == (3, {"mail_id": mail})
    (submissions,) = [sample for sample in samples if sample.name == "mailgap_submissions_total"]
    assert (submissions.value, submissions.exemplar) == (1, None)
    (bucket,) = [s for s in samples if s.name == "mailgap_delivery_seconds_bucket" and s.exemplar]
    assert (bucket.labels["le"], bucket.exemplar.labels) == ("120.0", {"mail_id": mail})


def test_hosts_are_bounded():
    for number in range(metrics.MOST_HOSTS + 50):
        metrics.skew(f"host-{number}", 1.0)
    metrics.skew("host-0", 2.5)
    samples = [sample for family in metrics.HOST_CLOCK_SKEW.collect() for sample in family.samples]
    assert len(samples) == metrics.MOST_HOSTS
    assert {sample.value for sample in samples if sample.labels["host"] == "host-0"} == {2.5}
