"""`python -m tests.bench.backlog [--mails N] [--days D]`: memory of a worker that finds a million records.

A real Kafka, and one worker with both roles. The records are of so many days, and rows are kept for 14 hours and little
more: what grows beyond the rows that are kept, or beyond those of 14 hours, grows with the backlog.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.demo.broker import LocalKafka
from service.demo.broker_servers import free_port
from service.policy import DAY
from tests.bench.worker import PARTITIONS, Load, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY: Final = (
    "defaults: {handoff: 10s, first_event: 10s, max_delivery: 20s, grace: 2s, keep: 10s, queue_lifetime: 60s,"
    " window: 10s}\n"
)
STEPS: Final = 10
PATIENCE: Final = 1800.0
MIB: Final = 1 << 20
_READ: Final = re.compile(r'^mailgap_records_total\{[^}]*result="facts"[^}]*\} (\S+)$', re.MULTILINE)
_ROWS: Final = re.compile(r"^mailgap_rows (\S+)$", re.MULTILINE)


def main() -> None:
    """Prints a line after each tenth of the records."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--mails", type=int, default=150_000, help="mails, of about seven records (default: 150,000)")
    flags.add_argument("--days", type=float, default=7.0, help="over which they were sent (default: 7)")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailgap-bench-") as folder, LocalKafka(Path(folder), own=True) as kafka:
        load = asyncio.run(fill(kafka.bootstrap_servers, given.mails, round(given.days * DAY / given.mails)))
        print(f"{load.records:,} records wait\n  records read      rows  process MiB", flush=True)
        for read, rows, used in _samples(kafka.bootstrap_servers, load, Path(folder)):
            print(f"{read:>14,} {rows:>9,} {used // MIB:>12,}", flush=True)


def _samples(bootstrap: str, load: Load, folder: Path) -> Iterator[tuple[int, int, int]]:
    key, policy, port = folder / "key", folder / "policy.yaml", free_port()
    key.write_text("0123456789abcdef0123456789abcdef")
    policy.write_text(POLICY)
    mailgap = sys.executable, "-m", "service.cli"
    where = "--bootstrap-servers", bootstrap
    subprocess.run(
        [*mailgap, "topics", "create", *where, "--partitions", str(PARTITIONS)], check=True, stdout=sys.stderr
    )
    inputs = "--smtp-topic", "smtp", "--ses-topic", "ses", "--policy", policy, "--pseudonym-key-file", key
    worker = subprocess.Popen(
        [*mailgap, "worker", *where, *map(str, inputs), "--http-bind", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL
    )
    try:
        yield from _watched(worker, f"http://127.0.0.1:{port}/metrics", load.records)
    finally:
        worker.terminate()
        worker.wait(60)


def _watched(worker: subprocess.Popen[bytes], metrics: str, records: int) -> Iterator[tuple[int, int, int]]:
    until, shown = time.monotonic() + PATIENCE, 0
    while shown < STEPS:
        if worker.poll() is not None or time.monotonic() > until:
            sys.exit("the worker ended" if worker.poll() is not None else f"not caught up in {PATIENCE:.0f} s")
        time.sleep(0.5)
        try:
            with urllib.request.urlopen(metrics, timeout=30) as answer:
                said = answer.read().decode()
        except OSError:
            continue  # it is starting, or busy
        read = int(sum(map(float, _READ.findall(said))))
        if (step := read * STEPS // records) > shown:
            shown = step
            yield read, int(sum(map(float, _ROWS.findall(said)))), _resident(worker.pid)


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
