"""`python -m tests.bench.scan [--lines N]`: how fast `mailgap scan` reads, and how much memory it takes.

One process on a Postfix log alone, and on the log with SES's events; the verdicts go to nowhere.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.mails import records

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES_A_MAIL = 4.97
MIB = 1 << 20


def main() -> None:
    """Prints a line a run."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--lines", type=int, default=1_000_000, help="lines of the log (about; default: 1,000,000)")
    lines = flags.parse_args().lines
    with tempfile.TemporaryDirectory(prefix="mailgap-bench-") as folder:
        log, events = Path(folder, "mail.log"), Path(folder, "ses.jsonl")
        counts = _write(round(lines / LINES_A_MAIL), log, events)
        print(f"{counts['smtp']:,} lines ({log.stat().st_size // MIB:,} MiB), {counts['ses']:,} events")
        for paths in (("--smtp", log), ("--smtp", log, "--ses", events)):
            _run(paths, counts["smtp"] + (counts["ses"] if events in paths else 0))


def _write(mails: int, log: Path, events: Path) -> dict[str, int]:
    counts = {"smtp": 0, "ses": 0}
    with log.open("wb") as smtp, events.open("wb") as ses:
        for record in records(mails):
            counts[record.source] += 1
            (smtp if record.source == "smtp" else ses).write(record.value + b"\n")
    return counts


def _run(paths: Sequence[str | Path], count: int) -> None:
    command = [sys.executable, "-m", "service.cli", "scan", *map(str, paths), "--format", "jsonl"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # the only call that says what this very child has used
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}")
    speed, peak = count / seconds, usage.ru_maxrss * 1024 // MIB
    print(
        f"scan {' '.join(map(str, paths[::2]))}: {seconds:.1f} s, {speed:,.0f} records a second, {peak:,} MiB at most"
    )


if __name__ == "__main__":
    main()
