"""`python -m tests.bench.worker [--mails N] [--runs N]`: the worker's whole job on one core, and others beside it.

A real Kafka runs on one core and each contender, in turn, on another: `floor` (bare aiokafka, a dict), `naive` (Faust
as it comes) and `mailgap` (both roles in one process, every fact, both gaps, verdicts, exactly once). All read the same
topics: lines and events of interleaved mails. `BENCH_PEERS=folder` runs each program that lies there, too, on the same
topics, as `NAME BOOTSTRAP RECORDS MAILS`: it ends when it has joined so many mails, and says `… N records/s …`. Seconds
and CPU count from the first record read; ratios are of one run. Of mailgap it also says what its topics take of a disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.demo.broker import LocalKafka
from service.demo.broker_servers import free_port
from tests.bench.mails import EVERY, records

if TYPE_CHECKING:
    from collections.abc import Callable

PARTITIONS = 4
NAIVE_SHARE = 10
"""Faust as it comes gets so many times fewer mails, or nobody would wait for it."""
POLL = 0.2
PATIENCE = 600.0
RESOLVED = re.compile(rb'^mailgap_outcomes_total\{[^}]*outcome="(?:delivered|bounced)"[^}]*\} (\S+)$', re.MULTILINE)
ACCEPTED = re.compile(rb"status=sent \(250 Ok ([0-9a-f-]{60})\)$").search
RATE = re.compile(rb"([0-9.]+) (?:input )?records/s").search
READ = re.compile(rb'^mailgap_records_total\{[^}]*result="facts"[^}]*\} (\S+)$', re.MULTILINE)


class Load(NamedTuple):
    """What stands on the topics."""

    records: int
    resolved: int
    """Mails that were delivered or bounced."""
    joined: int
    """Those of which a line of the log names SES's id, too."""


class Measured(NamedTuple):
    """What a contender took."""

    records: int
    seconds: float
    cpu: float
    """Of a peer it is not known without its start: not a number."""


def main() -> None:
    """Prints a table a run, and medians."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--mails", type=int, default=50_000)
    flags.add_argument("--runs", type=int, default=1)
    given = flags.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])  # ours and Kafka's
    runs = [_run(given.mails, cores[-1]) for _ in range(given.runs)]
    if len(runs) > 1:
        _show({name: Measured(*map(median, zip(*(run[name] for run in runs), strict=True))) for name in runs[0]})


def _run(mails: int, core: int) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory(prefix="mailgap-bench-") as folder:
        for name, contender, share in (("floor", _floor, 1), ("naive", _naive, NAIVE_SHARE), ("mailgap", _mailgap, 1)):
            with LocalKafka(Path(folder, name), own=True) as kafka:
                load = asyncio.run(fill(kafka.bootstrap_servers, mails // share))
                found[name] = contender(kafka.bootstrap_servers, load, core, Path(folder))
                if name == "mailgap":
                    _disk(Path(folder, name, "data"), mails)
                    found |= _peers(kafka.bootstrap_servers, load, core)
    _show(found)
    return found


async def make_topics(bootstrap: str) -> None:
    """All inputs, and the outputs of those who do not make theirs."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    names = "smtp", "ses", "floor-out", "naive-facts", "naive-out", "ks-out"
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()


async def fill(bootstrap: str, mails: int, every: int = EVERY) -> Load:
    """Makes the topics, and writes so many mails, one every so many milliseconds until now."""
    await make_topics(bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=1 << 19)
    await producer.start()
    count = resolved = joined = 0
    named: set[bytes] = set()
    for record in records(mails, begin=int(time.time() * 1000) - mails * every - 2000, every=every):
        await producer.send(record.source, record.value, key=record.key, timestamp_ms=record.at)
        count += 1
        if accepted := ACCEPTED(record.value):
            named.add(accepted[1])
        elif record.value.startswith((b'{"eventType":"Delivery"', b'{"eventType":"Bounce"')):
            resolved += 1
            joined += record.key in named
    await producer.stop()
    return Load(count, resolved, joined)


def start(core: int, *command: object, **more: object) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, *map(str, command)], **more)  # type: ignore[call-overload]
    os.sched_setaffinity(process.pid, {core})  # before it has begun any thread
    return process


def _floor(bootstrap: str, load: Load, core: int, _: Path) -> Measured:
    return _said(start(core, "-m", "tests.bench.floor", bootstrap, load.records, stdout=subprocess.PIPE))


def _naive(bootstrap: str, load: Load, core: int, folder: Path) -> Measured:
    command = "-m", "tests.bench.naive", bootstrap, load.records, load.resolved
    with Path(folder, "naive.log").open("wb") as log:
        return _said(start(core, *command, stdout=subprocess.PIPE, stderr=log))


def _said(process: subprocess.Popen[bytes]) -> Measured:
    out, _ = process.communicate(timeout=PATIENCE)
    if process.returncode:
        sys.exit(f"a contender ended with {process.returncode}")
    said = re.search(rb"\{.*\}", out)  # Faust's spinner writes there, too
    if said is None:
        sys.exit("a contender has said nothing")
    return Measured(**json.loads(said[0]))


def _mailgap(bootstrap: str, load: Load, core: int, folder: Path) -> Measured:
    key, port = Path(folder, "key"), free_port()
    key.write_text("0123456789abcdef0123456789abcdef")
    ours = "--bootstrap-servers", bootstrap, "--smtp-topic", "smtp", "--ses-topic", "ses", "--pseudonym-key-file", key
    subprocess.run(
        [sys.executable, "-m", "service.cli", "topics", "create", *map(str, ours[:2]), "--partitions", str(PARTITIONS)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with Path(folder, "worker.log").open("wb") as log:
        worker = start(core, "-m", "service.cli", "worker", *ours, "--http-bind", f"127.0.0.1:{port}", stderr=log)
        try:
            wait_for(worker, port, READ, lambda read: read > 0)
            first, cpu = time.perf_counter(), _cpu(worker.pid)
            wait_for(worker, port, RESOLVED, lambda resolved: resolved >= load.resolved)
            return Measured(load.records, time.perf_counter() - first, _cpu(worker.pid) - cpu)
        finally:
            worker.terminate()
            worker.wait(60)


def wait_for(
    worker: subprocess.Popen[bytes], port: int, samples: re.Pattern[bytes], over: Callable[[float], bool]
) -> None:
    """Until what the worker counts is over that, or it is clear that it never will be: that ends this process."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and worker.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                body = answer.read()
        except OSError:
            body = b""
        if over(sum(map(float, samples.findall(body)))):
            return
        time.sleep(POLL)
    sys.exit(f"the worker has not done its work in {PATIENCE:.0f} s" if worker.poll() is None else "the worker ended")


def _cpu(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _disk(data: Path, mails: int) -> None:
    """What each topic takes of a replica's disk, before anything was compacted."""
    sizes: Counter[str] = Counter()
    for log in data.glob("*/*.log"):
        sizes[log.parent.name.rpartition("-")[0]] += log.stat().st_size
    taken = (f"{topic} {sizes[topic] / mails:,.0f}" for topic in sorted(sizes) if not topic.startswith("__"))
    print(f"bytes a mail: {', '.join(taken)}", flush=True)


def _peers(bootstrap: str, load: Load, core: int) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    folder = os.environ.get("BENCH_PEERS")
    for peer in sorted(Path(folder).iterdir()) if folder else ():
        command = [str(peer), bootstrap, str(load.records), str(load.joined)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        os.sched_setaffinity(process.pid, {core})
        out, _ = process.communicate(timeout=PATIENCE)
        said = RATE(out)
        if said is None:
            sys.exit(f"{peer.name} ended with {process.returncode} and said no rate: {out.decode(errors='replace')}")
        found[peer.name] = Measured(load.records, load.records / float(said[1]), math.nan)
    return found


def _show(found: dict[str, Measured]) -> None:
    floor = found["floor"]
    print(f"{'':13} {'records':>9} {'records/s':>10} {'CPU us/record':>14} {'of the floor':>13} {'by CPU':>7}")
    for name, one in found.items():
        by_time = one.records / one.seconds / (floor.records / floor.seconds)
        by_cpu = floor.cpu / floor.records / (one.cpu / one.records)
        print(
            f"{name:13} {one.records:>9,.0f} {one.records / one.seconds:>10,.0f} {one.cpu / one.records * 1e6:>14.1f}"
            f" {by_time:>13.2f} {by_cpu:>7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
