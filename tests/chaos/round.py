"""One round: a simulated load, faults at random times, and what `verify` and `scan` say of it afterwards."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from service.contract.normal_form import normal_form
from service.contract.wire import instant_of
from service.simulation.shippers import iso
from tests.chaos.faults import FAULTS, OF_BROKERS, possible
from tests.chaos.fleet import TOGETHER, Fleet
from tests.integration.world import ROOT, Reader, World, clean_environment, eventually, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.chaos.cluster import Brokers

BACK_AFTER = 12.0
"""Seconds that a broker takes to start, and clients to find it again: a busy machine's."""


class TooBusyError(Exception):
    """Kafka had a record later than the grace, so no verdict was promised: the round says nothing."""


@dataclass(frozen=True)
class Options:
    """What a round is made of. `outage`: how long a broker does not answer, in seconds. `patience`: how many times the
    grace of a machine with nothing else to do."""

    mails: int = 20_000
    rate: float = 150.0
    faults: tuple[str, ...] = possible(1)
    count: int = 25
    workers: int = 2
    partitions: int = 4
    outage: float = 20.0
    patience: float = 1.0

    @property
    def grace(self) -> float:
        """Longer than records can be late: while no broker takes them, they wait, and then come with their times."""
        broken = [name for name in self.faults if name in OF_BROKERS]
        quiet = 6.0 if not broken else BACK_AFTER + (self.outage if "broker-pause" in broken else 0)
        return quiet * self.patience

    @property
    def policy(self) -> str:
        """Deadlines of seconds."""
        return (
            f"defaults: {{handoff: 4s, first_event: 4s, max_delivery: 8s, grace: {self.grace:g}s}}\n"
            "streams:\n  - {name: one-time codes, match: {sender_domain: codes.example}, max_delivery: 6s}\n"
        )

    @property
    def seconds(self) -> float:
        """How long mails are sent."""
        return self.mails / self.rate


@dataclass
class Outcome:
    """A line of the scoreboard. `board` is verify's."""

    seed: int
    board: dict[str, Any]
    faults: Counter[str]
    died: Counter[int]
    slow_stops: list[float]
    tracebacks: int
    amiss: list[str] = field(default_factory=list)
    """Where `scan` of the same records says otherwise, or revisions do not rise by one."""
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        """All zeros."""
        bad = ("missed", "false", "repeated", "wrong")
        return not (any(self.board[name] for name in bad) or self.amiss or self.slow_stops)


async def play(options: Options, seed: int, brokers: Brokers, folder: Path, say: Callable[[str], None]) -> Outcome:
    """A round. The folder keeps logs, truth and scan for whoever wants to know more.

    Raises `TooBusyError` where the machine was too slow for the grace.
    """
    began = time.monotonic()
    rng = Random(seed)
    (folder / "policy.yaml").write_text(options.policy)
    prefix = f"chaos-{seed}-{int(time.time())}"
    world = World(brokers.bootstrap_servers, prefix, folder, options.partitions, brokers.replication)
    await asyncio.to_thread(world.prepare)
    fleet = Fleet(world, brokers, ("--policy", str(folder / "policy.yaml")), rng)
    async with fleet.watched():
        for _ in range(options.workers):
            fleet.join(TOGETHER)
        await fleet.all_ready()
        load = await _simulate(options, seed, folder, _to_kafka(world, folder))
        await _begun(load, folder / "truth.jsonl")
        met = await _trouble(fleet, options, say)
        try:
            await _ended(load, "simulate")
        except RuntimeError:
            _check_in_time(folder / "truth.jsonl", options.grace)
            raise
        say("all mails are sent, all faults are over")
        await fleet.all_ready()
        start, end = _span(folder / "truth.jsonl")
        await settled(world, fleet.with_shards(), end, within=300)
        board = await _verify(world, folder)
        found, broken = await _last(world)
    same = "--start", start, "--to", str(folder / "files")
    await _ended(await _simulate(options, seed, folder, same), "simulate --to")
    unlike = broken + _unlike(await _scan(folder, end), found)
    tracebacks = sum("Traceback" in worker.text() for worker in world.workers)
    seconds = time.monotonic() - began
    return Outcome(seed, board, met, fleet.died, fleet.slow_stops, tracebacks, unlike, seconds)


async def _trouble(fleet: Fleet, options: Options, say: Callable[[str], None]) -> Counter[str]:
    """One fault after the other, at random times while mails are sent."""
    rng, met = fleet.rng, Counter[str]()
    began = time.monotonic()
    names = [options.faults[number % len(options.faults)] for number in range(options.count)]
    rng.shuffle(names)
    times = sorted(rng.uniform(3, max(options.seconds, 4)) for _ in names)
    for at, name in zip(times, names, strict=True):
        await asyncio.sleep(max(at - (time.monotonic() - began), 0))
        say(f"{time.monotonic() - began:6.1f} s  {name}")
        await FAULTS[name](fleet, options.outage)
        met[name] += 1
    return met


def _to_kafka(world: World, folder: Path) -> tuple[str, ...]:
    topics = "--smtp-topic", world.smtp, "--ses-topic", world.ses
    return "--bootstrap-servers", world.kafka, *topics, "--truth", str(folder / "truth.jsonl")


async def _simulate(options: Options, seed: int, folder: Path, to: Iterable[str]) -> asyncio.subprocess.Process:
    load = "--mails", str(options.mails), "--rate", str(options.rate), "--seed", str(seed)
    more = "--mix", "even", "--lateness", "500ms", "--reorder", "0.02", "--duplicates", "0.03"
    policy = "--policy", str(folder / "policy.yaml")
    return await _command("simulate", *load, *more, *policy, *to)


async def _command(*arguments: str, out: int | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service.cli",
        *arguments,
        stdout=out or asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(),
        cwd=ROOT,
    )


async def _begun(load: asyncio.subprocess.Process, truth: Path) -> None:
    """Until the load is on its way."""

    def there() -> bool:
        return truth.exists() and truth.stat().st_size > 0

    async def has_header() -> bool:
        return load.returncode is not None or await asyncio.to_thread(there)

    await eventually(has_header, 60, lambda: "simulate does not begin")


async def _ended(process: asyncio.subprocess.Process, what: str, good: Iterable[int] = (0,)) -> bytes:
    out, err = await process.communicate()
    if process.returncode not in good:
        raise RuntimeError(f"{what} ended with {process.returncode}: {err.decode()[-2000:]}")
    return out


async def _verify(world: World, folder: Path) -> dict[str, Any]:
    where = *world.where(), "--addresses", "raw", "--truth", str(folder / "truth.jsonl")
    done = await _command("verify", *where, "--wait", "10s", "--format", "json")
    board: dict[str, Any] = json.loads(await _ended(done, "verify", (0, 3)))
    return board


async def _last(world: World) -> tuple[dict[bytes, bytes], list[str]]:
    """The last record of every mail, and where revisions do not rise by one."""
    last: dict[bytes, bytes] = {}
    revisions: Counter[bytes] = Counter()
    broken = []
    async with Reader(world.kafka, f"{world.prefix}-correlated") as reader:
        for record in await reader.news():
            last[record.key] = record.value
            revisions[record.key] += 1
            if (found := json.loads(record.value)["revision"]) != revisions[record.key]:
                broken.append(f"{record.key.decode()}: revision {found} is number {revisions[record.key]}")
    return last, broken


async def _scan(folder: Path, end: int) -> Path:
    path = folder / "scanned.jsonl"
    paths = "--smtp", str(folder / "files/smtp"), "--ses", str(folder / "files/ses")
    arguments = *paths, "--policy", str(folder / "policy.yaml"), "--as-of", iso(end), "--format", "jsonl"
    with path.open("wb") as out:
        await _ended(await _command("scan", *arguments, out=out.fileno()), "scan")
    return path


def _unlike(scanned: Path, found: dict[bytes, bytes]) -> list[str]:
    """Where `scan` of the same input says otherwise."""
    left, unlike = dict(found), []
    for line in scanned.read_bytes().splitlines():
        document = json.loads(line)
        key = document["mail_id"]
        value = left.pop(key.encode(), None)
        if value is None:
            unlike.append(f"{key}: only scan speaks of it")
            continue
        here, there = normal_form(document), normal_form(json.loads(value))
        unlike += [f"{key}.{name}: {here[name]} / {there[name]}" for name in here if here[name] != there[name]]
    return unlike + [f"{key.decode()}: only the worker speaks of it" for key in left]


def _check_in_time(truth: Path, grace: float) -> None:
    """`simulate` ends with 1 where a record came too late, and its footer says how late; without one, it broke."""
    *_, last = truth.read_bytes().splitlines()
    if (lag := json.loads(last).get("worst_lag_ms", 0) / 1000) > grace:
        raise TooBusyError(f"Kafka had a record {lag} s late, and the grace is {grace:g} s: give it more patience")


def _span(truth: Path) -> tuple[str, int]:
    """When the load began, as its header says it, and by when all is due."""
    first, *_, last = truth.read_bytes().splitlines()
    return json.loads(first)["start"], instant_of(json.loads(last)["end"])
