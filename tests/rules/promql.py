"""Which metrics and labels a query names: enough of PromQL to hold dashboards, rules and docs to the catalogue.

Whether a query is valid is not judged here; promtool and Prometheus do that.
"""

from __future__ import annotations

import re

import yaml

from service.metrics_page import CATALOGUE
from tests.rules.prometheus import RULE_FILES

SCRAPED = frozenset({"job", "instance"})
"""What Prometheus adds to everything that it scrapes."""
PARTS = ("_bucket", "_sum", "_count", "_created")
METRIC = re.compile(r"\b(?:mailgap|process)(?:_[a-z0-9_]+|:[a-z_]+:[a-z0-9_]+)")
SELECTED = re.compile(rf"({METRIC.pattern})\{{([^}}]*)\}}")
GROUPED = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")

_LABELS = {metric.name: frozenset(metric.labels) for metric in CATALOGUE}
_RECORDED = {
    rule["record"]: rule["expr"]
    for path in RULE_FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}


def labels_of(name: str) -> frozenset[str] | None:
    """The labels that a series of this name can have; None for a metric that nobody exports or records."""
    if name.startswith("process_"):
        return SCRAPED
    if name in _RECORDED:
        return _kept(_RECORDED[name])
    for part in PARTS:
        base = name.removesuffix(part)
        for known in (base, f"{base}_total"):
            if name.endswith(part) and known in _LABELS:
                return _LABELS[known] | SCRAPED | ({"le"} if part == "_bucket" else set())
    return _LABELS[name] | SCRAPED if name in _LABELS else None


def _kept(expr: str) -> frozenset[str]:
    """What is left of the labels of all that the query names: those of its first `by`, if it has one."""
    grouped = re.match(r"\w+ by \(([^)]*)\)", expr.strip())
    if grouped:
        return frozenset(_words(grouped[1]))
    return frozenset().union(*(labels_of(name) or () for name in METRIC.findall(expr)))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def complaints(query: str) -> list[str]:
    """What the query names that is not there."""
    found, everything = [], set()
    for name in METRIC.findall(query):
        labels = labels_of(name)
        if labels is None:
            found.append(f"nobody exports {name}")
        everything |= labels or set()
    for name, inside in SELECTED.findall(query):
        matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
        found += [f"{name} has no label {label}" for label in sorted(matched - (labels_of(name) or set()))]
    for inside in GROUPED.findall(query):
        found += [f"nothing in it has a label {label}" for label in _words(inside) if label not in everything]
    return found
