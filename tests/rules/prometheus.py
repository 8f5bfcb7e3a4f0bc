"""Where Prometheus's programs are: unpacked by `.ci/unpack-prometheus`, or installed on the machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import need

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / ".local" / "prometheus" / "root"
"""Where `make prometheus` puts them; the Alertmanager there must be started from here."""
RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.yml"))
RULE_FILES = [path for path in RULES if path.stem in ("thresholds", "recording", "alerts")]


def program(name: str) -> str:
    """The path of `prometheus`, `promtool`, `prometheus-alertmanager` or `amtool`; without it the test is skipped."""
    here = UNPACKED / "usr" / "bin" / name
    found = str(here) if here.exists() else shutil.which(name)
    return found or need("prometheus", f"there is no {name}: make prometheus unpacks it")
