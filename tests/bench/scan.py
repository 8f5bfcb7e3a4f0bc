"""`python -m tests.bench.scan [--lines N]`: how fast `mailgap scan` reads, and how much memory it takes.

A Postfix log in four files alone, and with SES's events in four more; a quarter of the lines and all of them; with one
process and with one a core. The verdicts go to nowhere. A record a CPU second is what one core does; memory is that of
the largest process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.edges.crew import cores
from tests.bench.mails import BEGIN, EVERY, records

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES_A_MAIL: Final = 4.97
FILES: Final = 4
"""Of each source: the records are dealt to them in runs, as rotation does."""
MIB: Final = 1 << 20


def main() -> None:
    """Prints a line a run."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--lines", type=int, default=1_000_000, help="lines of the log (about; default: 1,000,000)")
    flags.add_argument("--runs", type=int, default=1, help="how often to do it all (default: 1)")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailgap-bench-") as folder:
        sizes = []
        for lines in (given.lines // 4, given.lines):
            where = Path(folder, str(lines))
            sizes.append((where, _write(round(lines / LINES_A_MAIL), where)))
        print(f"{'lines':>10} {'events':>8} {'processes':>9} {'s':>6} {'records/s':>10} {'a CPU s':>8} {'MiB':>5}")
        for _ in range(given.runs):
            for where, counts in sizes:
                for sources in (("smtp",), ("smtp", "ses")):
                    for jobs in (1, cores()):
                        _run(where, {source: counts[source] for source in sources}, jobs)


def _write(mails: int, folder: Path) -> dict[str, int]:
    counts = {"smtp": 0, "ses": 0}
    with ExitStack() as stack:
        files = {}
        for source in counts:
            (folder / source).mkdir(parents=True)
            files[source] = [stack.enter_context((folder / source / str(n)).open("wb")) for n in range(FILES)]
        for record in records(mails):
            which = min((record.at - BEGIN) * FILES // (mails * EVERY), FILES - 1)
            counts[record.source] += 1
            files[record.source][which].write(record.value + b"\n")
    return counts


def _run(folder: Path, counts: dict[str, int], jobs: int) -> None:
    paths: Sequence[str] = [word for source in counts for word in (f"--{source}", str(folder / source))]
    command = [sys.executable, "-m", "service.cli", "scan", *paths, "--format", "jsonl", "--jobs", str(jobs)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # the only call that says what this child and its own have used
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}")
    read, cpu = sum(counts.values()), usage.ru_utime + usage.ru_stime
    print(
        f"{counts['smtp']:>10,} {counts.get('ses', 0):>8,} {jobs:>9} {seconds:>6.1f} {read / seconds:>10,.0f}"
        f" {read / cpu:>8,.0f} {usage.ru_maxrss * 1024 // MIB:>5,}"
    )


if __name__ == "__main__":
    main()
