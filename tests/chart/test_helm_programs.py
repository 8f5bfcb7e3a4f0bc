"""Helm as people have it, versions 3 and 4: each renders, lints and refuses what the library does.

`make helm` builds both with Go; `MAILGAP_HELM` names others, with `:` between them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CASES, CHART, ROOT, Rendered, merged

pytestmark = pytest.mark.helm

KUBERNETES = "1.33.0"
"""A Helm that Go has built knows of no newer cluster than 1.20."""


def _programs() -> list[str]:
    given = os.environ.get("MAILGAP_HELM")
    if given:
        return given.split(":")
    built = [str(path) for path in sorted((ROOT / ".local/helm").glob("*/helm"))]
    return built or [found for found in [shutil.which("helm")] if found]


@pytest.fixture(
    params=_programs() or [pytest.param("", marks=pytest.mark.skip(reason="no helm: make helm builds two"))]
)
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _helm(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


def _values(folder: Path, case: str) -> Path:
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(CASES[case]))
    return path


@pytest.mark.parametrize("case", CASES)
def test_it_renders_and_lints_as_the_library_does(program: str, case: str, tmp_path: Path):
    values = _values(tmp_path, case)
    linted = _helm(program, "lint", "--strict", CHART, "-f", values)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    release = "gap", CHART, "--namespace", "mail", "--kube-version", KUBERNETES
    made = _helm(program, "template", *release, "-f", values)
    assert made.returncode == 0, made.stderr
    found = {_name(each): each for each in yaml.safe_load_all(made.stdout) if each}
    assert found == {_name(each): each for each in Rendered(CASES[case]).documents}


def _name(document: dict) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def test_it_refuses_what_the_schema_and_the_checks_refuse(program: str, tmp_path: Path):
    for more, said in (
        ({"worker": {"replica": 3}}, "replica"),
        ({"kafka": {"bootstrapServers": []}}, "name your brokers"),
    ):
        path = tmp_path / "wrong.yaml"
        path.write_text(yaml.safe_dump(merged(CASES["minimal"], more)))
        done = _helm(program, "template", "gap", CHART, "--kube-version", KUBERNETES, "-f", path)
        assert done.returncode == 1
        assert said in done.stderr


def test_a_package_of_it_renders_the_same(program: str, tmp_path: Path):
    """The package holds files where the chart holds links."""
    packed = _helm(program, "package", CHART, "--destination", tmp_path)
    assert packed.returncode == 0, packed.stderr
    (archive,) = tmp_path.glob("mailgap-*.tgz")
    values = _values(tmp_path, "everything")
    texts = [
        _helm(program, "template", "gap", chart, "--kube-version", KUBERNETES, "-f", values).stdout
        for chart in (CHART, archive)
    ]
    assert texts[0] == texts[1] != ""
