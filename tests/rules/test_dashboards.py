"""The dashboards are files that Grafana can load, and name nothing that is not there."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from tests.rules.dashboards import BOARDS, QUERIES, legend_labels
from tests.rules.prometheus import ROOT, RULE_FILES, program
from tests.rules.promql import METRIC, complaints, labels_of

KINDS = {"row", "stat", "timeseries", "bargauge", "table"}


def _every(found):
    return pytest.mark.parametrize("query", found, ids=lambda q: f"{q.board}-{q.panel}-{q.legend}")


@_every(QUERIES)
def test_a_query_names_what_is_there(query):
    assert complaints(query.filled()) == []
    labels = set().union(*(labels_of(name) or () for name in METRIC.findall(query.expr)))
    assert legend_labels(query) <= labels
    grouped = re.match(r"(?:sort_desc\()?(?:sum|max|min|count) by \(([^)]*)\)", query.expr)
    if grouped:
        assert legend_labels(query) <= {word.strip() for word in grouped[1].split(",")}


@pytest.mark.prometheus
def test_every_query_is_valid(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": query.filled()} for number, query in enumerate(QUERIES)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [program("promtool"), "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(QUERIES)} rules found" in done.stdout


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_can_be_loaded_and_diffed(name):
    board, text = BOARDS[name], (ROOT / "deploy" / "grafana" / f"{name}.json").read_text()
    assert board["uid"] == name
    assert text == json.dumps(board, indent=2, ensure_ascii=False) + "\n", (
        "written as we write it, so that diffs are small"
    )
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    assert "${datasource}" in text
    assert not re.search(r'"uid": "(?!\$\{datasource\}|mailgap-)', text), "a data source of somebody's own"
    variables = {variable["name"] for variable in board["templating"]["list"]}
    named = {word for query in QUERIES if query.board == name for word in re.findall(r"\$(\w+)", query.expr)}
    assert named <= variables | {"__rate_interval", "__range"}


@pytest.mark.parametrize(
    ("name", "panel"),
    [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]],
    ids=lambda part: part if isinstance(part, str) else part["title"],
)
def test_a_panel_says_what_it_means(name, panel):
    assert panel["type"] in KINDS
    where = panel["gridPos"]
    assert where["x"] + where["w"] <= 24
    others = [other["gridPos"] for other in BOARDS[name]["panels"] if other is not panel]
    assert not any(_overlap(where, other) for other in others)
    if panel["type"] != "row":
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]


def _overlap(one, other):
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


def test_alerts_lead_to_boards_that_are_there():
    text = next(path for path in RULE_FILES if path.stem == "alerts").read_text()
    assert set(re.findall(r"dashboard: /d/(\S+)", text)) <= set(BOARDS)
