"""Where Prometheus's programs are: unpacked by `.ci/unpack-prometheus`, or installed on the machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.conftest import need

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / ".local" / "prometheus" / "root"
"""Where `make prometheus` puts them; the Alertmanager there must be started from here."""
RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.yml"))
RULE_FILES = [path for path in RULES if path.stem in ("thresholds", "recording", "alerts")]


def program(name: str) -> str:
    """The path of `prometheus`, `promtool`, `prometheus-alertmanager` or `amtool`; without it the test is skipped.

    `MAILGAP_PROMETHEUS_BIN` is a folder with one of them, or several, of another version.
    """
    folders = [Path(os.environ.get("MAILGAP_PROMETHEUS_BIN") or UNPACKED / "usr/bin"), UNPACKED / "usr/bin"]
    here = next((folder / name for folder in folders if (folder / name).exists()), None)
    found = str(here) if here else shutil.which(name)
    return found or need("prometheus", f"there is no {name}: make prometheus unpacks it")
