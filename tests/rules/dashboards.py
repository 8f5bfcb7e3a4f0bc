"""The dashboards as Grafana would ask Prometheus: every panel's queries, with the variables filled in."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from tests.rules.prometheus import ROOT

BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "deploy" / "grafana").glob("*.json"))}
_FILLED = {"$__rate_interval": "{rate}", "$__range": "{range}", "$stream": ".*", "$provider": ".*"}


class Query(NamedTuple):
    """One query of one panel."""

    board: str
    panel: str
    expr: str
    legend: str

    def filled(self, rate: str = "5m", span: str = "6h") -> str:
        """With Grafana's variables filled in: all streams, all providers."""
        expr = self.expr
        for variable, value in _FILLED.items():
            expr = expr.replace(variable, value.format(rate=rate, range=span))
        assert "$" not in expr, f"{self}: an unknown variable"
        return expr


QUERIES = [
    Query(name, panel["title"], target["expr"], target["legendFormat"])
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel.get("targets", ())
]


def legend_labels(query: Query) -> set[str]:
    """The labels that the legend shows."""
    return set(re.findall(r"\{\{(\w+)\}\}", query.legend))
