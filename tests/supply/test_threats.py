"""The table of SECURITY.md: what it says is shown by a test is shown by one that there is."""

from __future__ import annotations

import ast
import re

import pytest

from tests.rules.prometheus import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "SECURITY.md").read_text().partition("## What we ship")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| who | could")
]


def test_there_is_a_table():
    assert len(ROWS) > 10
    assert {len(row) for row in ROWS} == {4}


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]}: {row[1]}" for row in ROWS])
def test_every_threat_names_tests_that_there_are(row):
    named = re.findall(r"`([^`]+)`", row[3])
    assert named
    for path, _, test in (name.partition("::") for name in named):
        tree = ast.parse((ROOT / path).read_text())
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert path.startswith("tests/")
        assert test.startswith("test_")
        assert test in functions, f"{path} has no {test}"
