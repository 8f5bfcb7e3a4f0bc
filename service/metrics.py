"""Every metric that mailgap exports: name, type, labels, buckets, help, and what it is for. Those of `feed`, of the
canary and of SES's account stand in modules beside this one (`service.metrics_…`); nothing else makes one.

No label grows with traffic: no address, no id; recipient domains only as the biggest providers and `other`. The page
`deploy/METRICS.md` is made from this catalogue (`service.metrics_page`), and a test compares the two.

Counters rise after the commit of what they count, so that a worker that dies counts nothing twice. Gauges of what is
open are read from the shards that this worker owns at the moment of the scrape: their sum over all workers is right.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.tally import Tally

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
"""Memory, CPU and open files of the process (`process_*`), where the system tells."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the catalogue. `buckets` are a histogram's upper bounds, in seconds."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    why: str
    buckets: tuple[float, ...] = ()


CATALOGUE: Final[list[Metric]] = []
"""All of them, in the order in which they stand below."""


def counter(name: str, text: str, why: str, *labels: str) -> Counter:
    """One that only rises; it stands in the catalogue from now on."""
    CATALOGUE.append(Metric(name, "counter", labels, text, why))
    return Counter(name, text, labels, registry=REGISTRY)


def gauge(name: str, text: str, why: str, *labels: str) -> Gauge:
    """One that rises and falls; it stands in the catalogue from now on."""
    CATALOGUE.append(Metric(name, "gauge", labels, text, why))
    return Gauge(name, text, labels, registry=REGISTRY)


def histogram(name: str, text: str, why: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    """An entry of the catalogue."""
    CATALOGUE.append(Metric(name, "histogram", labels, text, why, buckets))
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


# -- the mails -------------------------------------------------------------------------------------------------------

SUBMISSIONS: Final = counter(
    "mailgap_submissions_total",
    "Mails handed over for SES of which it is decided whether they got an id: when all have one, or a gap opens.",
    "The denominator of the hand-off budget: a gap is counted here too, so the share of gaps is at most 1.",
    "stream",
)
ACCEPTED: Final = counter(
    "mailgap_accepted_total",
    "Recipients of mails that SES took, counted at SES's first event or when a gap opens.",
    "The denominator of the delivery budget: one gap a recipient, so recipients are counted and not mails.",
    "stream",
)
OUTCOMES: Final = counter(
    "mailgap_outcomes_total",
    "First final outcomes of recipients.",
    "Deliveries, bounces, suppressions and complaints as rates; none of them is a gap.",
    "outcome",
    "stream",
    "provider",
)
REFUSALS: Final = counter(
    "mailgap_refusals_total",
    "Attempts to hand a mail to SES that failed, for good or until a retry, by cause.",
    "An account that SES has paused shows at the first attempt, and goes on showing while retries fail.",
    "cause",
    "stream",
)
DELAYS: Final = counter(
    "mailgap_delays_total",
    "DeliveryDelay events, one a recipient.",
    "A provider that takes no more mail is seen by its delays hours before SES gives up.",
    "delay_type",
    "stream",
    "provider",
)
HANDOFF_SECONDS: Final = histogram(
    "mailgap_handoff_seconds",
    "From a mail's first log line to SES's id for its last recipient, both by the host's own clock.",
    "A queue that grows at the mail server, before any deadline passes.",
    "stream",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 21600, 86400),
)
DELIVERY_SECONDS: Final = histogram(
    "mailgap_delivery_seconds",
    "From SES's acceptance to the delivery, a recipient.",
    "How late mail arrives, by stream and by provider; 50400 is the longest that SES tries.",
    "stream",
    "provider",
    buckets=(1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 7200, 21600, 50400),
)
GAPS_OPENED: Final = counter(
    "mailgap_gaps_opened_total",
    "Gaps announced.",
    "The numerator of both budgets.",
    "kind",
    "cause",
    "stream",
)
GAPS_RESOLVED: Final = counter(
    "mailgap_gaps_resolved_total",
    "Gaps that ended, by how.",
    "Whether lost mail turns up again, and whether gaps were opened too early (`late_evidence`).",
    "kind",
    "resolution",
    "stream",
)
GAPS_OPEN: Final = gauge(
    "mailgap_gaps_open", "Gaps that are open now.", "How much mail is missing at this moment.", "kind", "stream"
)
PROVIDER_GAPS_OPEN: Final = gauge(
    "mailgap_provider_gaps_open",
    "Open gaps of recipients (`accepted_not_delivered`), by mailbox provider.",
    "Silence after SES took the mail that is one provider's.",
    "provider",
)
OLDEST_GAP: Final = gauge(
    "mailgap_oldest_gap_timestamp_seconds",
    "When the oldest gap that is open opened; absent where none is.",
    "A gap that nobody closes. Take the least over all workers.",
    "kind",
)
OPEN_MAILS: Final = gauge(
    "mailgap_open_mails",
    "Names (mails and submissions) that wait for a deadline.",
    "What the workers hold; it grows with the traffic and with max_delivery.",
)
HELD_MAILS: Final = gauge(
    "mailgap_held_mails",
    "Names whose judgement waits because this source has fallen silent for many at once.",
    "How much is not judged while a source is stalled.",
    "source",
)

# -- the sources -----------------------------------------------------------------------------------------------------

RECORDS: Final = counter(
    "mailgap_records_total",
    "Input records read, by what they were: facts, ignored (they say nothing about a mail) or dead_letter.",
    "Whether the inputs flow at all.",
    "source",
    "result",
)
DEAD_LETTERS: Final = counter(
    "mailgap_dead_letters_total",
    "Records that could not be used, by reason.",
    "A shipper that spoils lines; `internal_error` is a bug of ours.",
    "reason",
)
WATERMARK: Final = gauge(
    "mailgap_source_watermark_timestamp_seconds",
    "Up to when the source has provably spoken, by the shard that knows least; 0 until every partition was heard of.",
    "Its age is how late a gap is announced. Take the least over all workers.",
    "source",
)
LAST_RECORD: Final = gauge(
    "mailgap_source_last_record_timestamp_seconds",
    "When the newest record of the source was written; 0 where there never was one.",
    "A source that nobody writes to. Take the greatest over all workers.",
    "source",
)
SOURCE_STALLED: Final = gauge(
    "mailgap_source_stalled",
    "1 while the condition `source_stalled` holds for this source. Take the greatest over all workers.",
    "The feed is broken, not ten thousand mails.",
    "source",
)
LAG: Final = gauge(
    "mailgap_lag_records",
    "Records that wait to be read, of the partitions that this worker reads.",
    "Whether we keep up.",
    "topic",
    "partition",
)
PARTITION_PAUSED: Final = gauge(
    "mailgap_partition_paused",
    "1 while a partition of a backlog is not read: it is over 10 minutes ahead of another, or of what was said of it.",
    "Why the lag of one partition rests while the worker is busy with another's.",
    "topic",
    "partition",
)
TRANSPORT_DELAY: Final = gauge(
    "mailgap_transport_delay_seconds",
    "The longest way of an event into the topic, over the last 15 minutes; the watermark stays back by it.",
    "Tells a bridge or shipper with a backlog from a worker that lags.",
    "topic",
    "partition",
)
HOST_CLOCK_SKEW: Final = gauge(
    "mailgap_host_clock_skew_seconds",
    "A mail server's clock less SES's, by its latest accepted mail; at most 500 hosts.",
    "Stamps that cannot be believed, by people above all.",
    "host",
)
CONDITIONS: Final = gauge(
    "mailgap_conditions",
    "Conditions that hold now, by kind; each belongs to one shard.",
    "What concerns many mails at once and is said once, with its details on the gaps topic.",
    "condition",
)

# -- the workers -----------------------------------------------------------------------------------------------------

SHARDS_OWNED: Final = gauge(
    "mailgap_shards_owned",
    "Shards that this worker has restored and judges.",
    "Their sum is `mailgap_shards`, or mail is not judged.",
)
SHARDS: Final = gauge("mailgap_shards", "Shards that there are.", "See `mailgap_shards_owned`.")
ROWS: Final = gauge("mailgap_rows", "Rows in this worker's shards.", "What a restore has to read, and the memory.")
ROWS_DROPPED: Final = counter(
    "mailgap_rows_dropped_total", "Rows dropped with their window.", "Whether the state is kept small."
)
COMMIT_SECONDS: Final = histogram(
    "mailgap_commit_seconds",
    "How long a shard's transaction took to commit.",
    "A broker that is slow.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
RESTORE_SECONDS: Final = gauge(
    "mailgap_restore_seconds",
    "How long the last restore of the shards took.",
    "The time without judgement at a failover.",
)
RESTORES: Final = counter(
    "mailgap_restores_total", "Restores of the shards: one a rebalance.", "A group that rebalances again and again."
)
STARTED: Final = gauge(
    "mailgap_started_timestamp_seconds", "When this worker was started.", "A worker that restarts again and again."
)
GRACE: Final = gauge(
    "mailgap_grace_seconds", "The policy's grace.", "A watermark that is older than it makes gaps late."
)
BUILD: Final = Info("mailgap_build", "The release that runs.", registry=REGISTRY)
CATALOGUE.append(
    Metric("mailgap_build_info", "gauge", ("version",), "1, with the release that runs.", "Which workers are there.")
)

BRIDGE_RECEIVED: Final = counter(
    "mailgap_bridge_received_total", "Records received from the queue.", "Whether events come at all.", "queue"
)
BRIDGE_FORWARDED: Final = counter(
    "mailgap_bridge_forwarded_total", "Records that Kafka has acknowledged.", "Whether they get on to Kafka.", "queue"
)
BRIDGE_DELETED: Final = counter(
    "mailgap_bridge_deleted_total", "Records deleted from the queue.", "Those that are not come again.", "queue"
)
BRIDGE_DEAD_LETTERS: Final = counter(
    "mailgap_bridge_dead_letters_total", "Records refused, by reason.", "Forged or spoilt ones.", "queue", "reason"
)
BRIDGE_ERRORS: Final = counter(
    "mailgap_bridge_errors_total", "Failed calls (sqs, s3, certificate, kafka).", "What it waits for.", "queue", "call"
)
BRIDGE_IN_FLIGHT: Final = gauge(
    "mailgap_bridge_in_flight", "Records that are in work.", "Kafka that is slow, or a long object.", "queue"
)
BRIDGE_OLDEST_AGE: Final = gauge(
    "mailgap_bridge_oldest_age_seconds", "Age of the queue's oldest record.", "Watermarks stay back by it.", "queue"
)

# -- what others feed ------------------------------------------------------------------------------------------------

NOTIFICATIONS: Final = counter(
    "mailgap_notifications_total",
    "Notifications, by sink and result: sent, failed (tried again) or refused (HTTP 4xx).",
    "What could not be sent is seen here, since it cannot be told.",
    "sink",
    "result",
)
NOTIFICATIONS_WAITING: Final = gauge(
    "mailgap_notifications_waiting",
    "Alerts of whose beginning or end a sink does not know yet. Take the greatest over all processes.",
    "How much a sink that is down has missed; it is told once it is back.",
    "sink",
)
NOTIFICATIONS_REFUSED: Final = gauge(
    "mailgap_notifications_refused",
    "Of those that wait, what the sink has refused; not sent again before it changes or `notify` is restarted.",
    "A token or an address of a sink that is wrong: it mends itself for nobody.",
    "sink",
)
NOTIFY_LEADS: Final = gauge(
    "mailgap_notify_leads",
    "1 where this process of `mailgap notify` is the one that speaks.",
    "Of several one speaks; their sum is 1, but for a failover.",
)
TRACE_WRITTEN: Final = counter(
    "mailgap_trace_mails_written_total", "Mails that the trail store took, new or changed.", "Whether it follows."
)
TRACE_UNREADABLE: Final = counter(
    "mailgap_trace_unreadable_total",
    "Records of our own topics that the trace page could not read, and left out.",
    "A worker of a release that this one does not understand.",
)
TRACE_LAG: Final = gauge(
    "mailgap_trace_lag_records",
    "Records of the correlated and gaps topics that the trail store has not read yet.",
    "A page that does not know the latest.",
)
TRACE_MAILS: Final = gauge("mailgap_trace_store_mails", "Mails in the trail store.", "Whether retention is at work.")
TRACE_BYTES: Final = gauge(
    "mailgap_trace_store_bytes", "What the trail store takes on disk.", "A disk that fills; days of retention to spare."
)


def release() -> str:
    """The installed version."""
    try:
        return version("mailgap")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"


BUILD.info({"version": release()})
STARTED.set(time.time())

MOST_HOSTS: Final = 500
_LONGEST_EXAMPLE: Final = 100
_COUNTERS: Final[Mapping[str, Counter]] = {
    "accepted": ACCEPTED,
    "dead_letters": DEAD_LETTERS,
    "delays": DELAYS,
    "gaps_opened": GAPS_OPENED,
    "gaps_resolved": GAPS_RESOLVED,
    "outcomes": OUTCOMES,
    "records": RECORDS,
    "refusals": REFUSALS,
    "rows_dropped": ROWS_DROPPED,
    "submissions": SUBMISSIONS,
}
_HISTOGRAMS: Final[Mapping[str, Histogram]] = {
    "handoff_seconds": HANDOFF_SECONDS,
    "delivery_seconds": DELIVERY_SECONDS,
}
_hosts: Final[set[str]] = set()


def count(tally: Tally) -> None:
    """Adds what steps have counted, after their commit. Where a mail is known, its id goes along as the exemplar."""
    for key, (increment, mail) in tally.sums().items():
        counter = _COUNTERS[key[0]]
        (counter.labels(*key[1:]) if key[1:] else counter).inc(increment, exemplar(mail))
    for (name, *labels), seconds, mail in tally.timings:
        _HISTOGRAMS[name].labels(*labels).observe(seconds, exemplar(mail))


def exemplar(mail: str) -> dict[str, str] | None:
    """OpenMetrics allows 128 characters."""
    return {"mail_id": mail} if 0 < len(mail) <= _LONGEST_EXAMPLE else None


def skew(host: str, seconds: float) -> None:
    """Notes a host's clock; no more hosts than a scrape can carry."""
    if host in _hosts or len(_hosts) < MOST_HOSTS:
        _hosts.add(host)
        HOST_CLOCK_SKEW.labels(host).set(seconds)
