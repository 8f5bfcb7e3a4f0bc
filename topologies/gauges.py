"""Gauges of what a worker holds, read from the shards that it owns at the moment of the scrape.

A shard counts for the worker that has restored it and for no other, so the sum over all workers is right after every
rebalance and restart; a shard that nobody has yet is missing from `mailgap_shards_owned` too.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from faust.types import TP

from service import metrics
from service.contract.enums import Condition, GapKind
from service.correlate import Correlator
from service.facts import Source
from service.tally import OpenGap
from topologies.engine.table import ShardedTable


def gauge(table: ShardedTable, sources: Sequence[Source]) -> None:
    """Sets all of them."""
    mine = [shard for shard in table.shards.values() if shard.local is not None] if table.ready else []
    correlators: list[Correlator] = [shard.local.correlator for shard in mine]
    metrics.SHARDS.set(table.app.engine.partitions)
    metrics.SHARDS_OWNED.set(len(mine))
    metrics.ROWS.set(sum(len(shard.rows) for shard in mine))
    metrics.OPEN_MAILS.set(sum(correlator.open_names for correlator in correlators))
    _gaps([gap for correlator in correlators for gap in correlator.ruling.open_gaps.values()])
    held = Counter(source for correlator in correlators for source in correlator.ruling.held.values())
    known = [known for c in correlators for known in c.conditions.known.values() if known.raised]
    conditions = Counter(each.condition for each in known)
    for condition in Condition:
        metrics.CONDITIONS.labels(condition).set(conditions[condition])
    stalled = {each.source for each in known if each.condition is Condition.SOURCE_STALLED}
    for source in sources:
        metrics.HELD_MAILS.labels(source).set(held[source])
        metrics.SOURCE_STALLED.labels(source).set(source in stalled)
        _spoken(source, correlators)


def _spoken(source: Source, correlators: Iterable[Correlator]) -> None:
    spoken = [correlator.spoken(source) for correlator in correlators]
    if not spoken:  # what we knew is not ours to say any more
        for metric in (metrics.WATERMARK, metrics.LAST_RECORD):
            metric.clear()
        return
    metrics.WATERMARK.labels(source).set(min(spoken) / 1000)
    metrics.LAST_RECORD.labels(source).set(max(c.last_record(source) for c in correlators) / 1000)


def lag(ends: Mapping[TP, tuple[int, int]]) -> None:
    """What waits of each partition, by position and end."""
    for tp, (at, end) in ends.items():
        metrics.LAG.labels(tp.topic, str(tp.partition)).set(max(end - at, 0))


def paused(ours: Iterable[TP], pausing: Container[TP]) -> None:
    """Which of our partitions are not read for now."""
    for tp in ours:
        metrics.PARTITION_PAUSED.labels(tp.topic, str(tp.partition)).set(tp in pausing)


def no_lag(*topics: str) -> None:
    """We read nothing of these any more; whoever does says what waits."""
    for metric in (metrics.LAG, metrics.TRANSPORT_DELAY, metrics.PARTITION_PAUSED):
        for labels in [sample.labels for family in metric.collect() for sample in family.samples]:
            if labels["topic"] in topics:
                metric.remove(labels["topic"], labels["partition"])


_streams: set[tuple[str, str]] = set()
"""Of which a gap was ever open here: they are shown at 0 when none is, so that a graph comes down."""


def _gaps(gaps: list[OpenGap]) -> None:
    by_stream = Counter((str(gap.kind), gap.stream) for gap in gaps)
    _streams.update(by_stream)
    for labels in _streams:
        metrics.GAPS_OPEN.labels(*labels).set(by_stream[labels])
    metrics.PROVIDER_GAPS_OPEN.clear()
    for provider, number in Counter(gap.provider for gap in gaps if gap.kind is GapKind.ACCEPTED_NOT_DELIVERED).items():
        metrics.PROVIDER_GAPS_OPEN.labels(provider).set(number)
    metrics.OLDEST_GAP.clear()
    for kind in {gap.kind for gap in gaps}:
        oldest = min(gap.opened_at for gap in gaps if gap.kind is kind)
        metrics.OLDEST_GAP.labels(kind).set(oldest / 1000)
