"""Every metric and every label that a rule or a page names is there; a name that is not is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.rules.prometheus import ROOT, RULE_FILES
from tests.rules.promql import METRIC, complaints, labels_of

EXPRESSIONS = {
    f"{rule.get('alert') or rule['record']}": rule["expr"]
    for path in RULE_FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
}
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "deploy").rglob("*.md"))]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_rule_names_what_is_there(name):
    assert complaints(EXPRESSIONS[name]) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_what_is_there(page: Path):
    names = {name for name in METRIC.findall(page.read_text()) if not name.endswith("_")}
    assert [name for name in sorted(names) if labels_of(name) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_query_on_a_page_names_labels_that_are_there(page: Path):
    text = page.read_text()
    queries = re.findall(r"^(?:promtool query instant \S+ '([^']+)'|\s+expr: (.+))$", text, re.MULTILINE)
    assert [said for query in queries for said in complaints("".join(query))] == []


def test_what_is_not_there_is_found():
    assert complaints("sum(rate(mailgap_gone_total[5m]))") == ["nobody exports mailgap_gone_total"]
    assert complaints('mailgap_gaps_open{provider="x"}') == ["mailgap_gaps_open has no label provider"]
    assert complaints("sum by (cause) (mailgap_gaps_open)") == ["nothing in it has a label cause"]
    assert complaints('mailgap:refusals:increase5m{cause="x", kind="y"}') == [
        "mailgap:refusals:increase5m has no label kind"
    ]


def test_thresholds_are_all_used_and_all_explained():
    text = (ROOT / "deploy/prometheus/thresholds.yml").read_text()
    names = re.findall(r"record: (\S+)", text)
    used = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    assert [name for name in names if name not in used] == []
