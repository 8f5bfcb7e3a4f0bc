"""`deploy/METRICS.md`: the page about all metrics, made from their catalogue by `python -m service.metrics_page`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from service import metrics_canary, metrics_feed, metrics_ses  # noqa: F401 each adds its part to the catalogue
from service.metrics import CATALOGUE

__all__ = ["CATALOGUE", "page"]

if TYPE_CHECKING:
    from service.metrics import Metric

_HEAD: Final = """\
# Metrics

Made from `service/metrics*.py` by `python -m service.metrics_page`; do not edit. Each command serves its own at
`/metrics`, with exemplars (the id of a mail) where OpenMetrics is asked for. Besides these there is what the process
itself uses (`process_resident_memory_bytes` and its like).

| metric and labels | type | what it counts | what it is for |
|---|---|---|---|"""


def page() -> str:
    """The page, in Markdown; by name, whichever module was loaded first."""
    by_name, lines = sorted(CATALOGUE, key=lambda metric: metric.name), [_HEAD]
    lines += [
        f"| {_shown(metric)} | {metric.kind} | {metric.help} {_bounds(metric)}| {metric.why} |" for metric in by_name
    ]
    return "\n".join([*lines, ""])


def _shown(metric: Metric) -> str:
    return f"`{metric.name}`" + (f" {{{', '.join(metric.labels)}}}" if metric.labels else "")


def _bounds(metric: Metric) -> str:
    return f"Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}. " if metric.buckets else ""


if __name__ == "__main__":
    sys.stdout.write(page())
