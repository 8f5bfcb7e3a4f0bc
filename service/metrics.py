"""Every metric that mailgap exports: name, type, labels, buckets, help. Nothing else makes one.

No label grows with traffic: no address, no id; recipient domains only as the biggest providers and `other`.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY: Final = CollectorRegistry()

RECORDS: Final = Counter(
    "mailgap_records_total",
    "Input records read, by what they were: facts, ignored (they say nothing about a mail) or dead_letter.",
    ("source", "result"),
    registry=REGISTRY,
)
DEAD_LETTERS: Final = Counter(
    "mailgap_dead_letters_total", "Records that could not be used, by reason.", ("reason",), registry=REGISTRY
)
OUTCOMES: Final = Counter(
    "mailgap_outcomes_total",
    "First final outcomes of recipients.",
    ("outcome", "stream", "provider"),
    registry=REGISTRY,
)
GAPS_OPENED: Final = Counter(
    "mailgap_gaps_opened_total", "Gaps announced.", ("kind", "cause", "stream"), registry=REGISTRY
)
GAPS_RESOLVED: Final = Counter(
    "mailgap_gaps_resolved_total",
    "Gaps that ended, by how.",
    ("kind", "resolution", "stream"),
    registry=REGISTRY,
)
GAPS_OPEN: Final = Gauge(
    "mailgap_gaps_open",
    "Gaps open in this worker's shards; the sum over workers is right.",
    ("kind", "stream"),
    registry=REGISTRY,
)
OPEN_MAILS: Final = Gauge(
    "mailgap_open_mails", "Names in this worker's shards that wait for a deadline.", registry=REGISTRY
)
ROWS: Final = Gauge("mailgap_rows", "Rows in this worker's shards.", registry=REGISTRY)
ROWS_DROPPED: Final = Counter("mailgap_rows_dropped_total", "Rows dropped with their window.", registry=REGISTRY)
WATERMARK: Final = Gauge(
    "mailgap_source_watermark_timestamp_seconds",
    "Up to when the source has provably spoken, by the shard that knows least.",
    ("source",),
    registry=REGISTRY,
)
SHARDS_OWNED: Final = Gauge("mailgap_shards_owned", "Shards that this worker owns.", registry=REGISTRY)
COMMIT_SECONDS: Final = Histogram(
    "mailgap_commit_seconds",
    "How long a shard's transaction took to commit.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    registry=REGISTRY,
)
RESTORE_SECONDS: Final = Gauge(
    "mailgap_restore_seconds", "How long the last restore of the shards took.", registry=REGISTRY
)
LAG: Final = Gauge("mailgap_lag_records", "Records that wait to be read.", ("topic", "partition"), registry=REGISTRY)
BUILD: Final = Info("mailgap_build", "The release that runs.", registry=REGISTRY)


def release() -> str:
    """The installed version."""
    try:
        return version("mailgap")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"


BUILD.info({"version": release()})

_BY_NAME: Final[Mapping[str, Counter]] = {
    "outcomes": OUTCOMES,
    "gaps_opened": GAPS_OPENED,
    "gaps_resolved": GAPS_RESOLVED,
    "rows_dropped": ROWS_DROPPED,
}


def count(increments: Mapping[tuple[str, ...], int]) -> None:
    """Adds what a step counted (see `service.correlate.Outputs`), after its commit."""
    for (name, *labels), increment in increments.items():
        metric = _BY_NAME[name]
        (metric.labels(*labels) if labels else metric).inc(increment)
