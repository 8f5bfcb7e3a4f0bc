"""`python -m tests.bench.core [--mails N] [--before N] [--profile]`: what a record costs in the core, step by step.

The core of both roles over several partitions, without Kafka and Faust: lines and events to facts, facts to rows and
documents, and what rows tell each other. Batches are cut as the engine cuts them, so a mail falls across them. Prints
the CPU time of each step in microseconds for a record of input, how often a row of each kind was touched, and the
longest pauses; with `--before`, the same again once so many mails are remembered; with `--profile`, where the time goes
(cProfile, whose own cost makes small functions look dear).
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import time
from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from service import facts_record
from service.contract import cloudevents
from service.correlate import Correlator
from service.documents import Documents
from service.facts import Source
from service.facts_record import FactsRecord
from service.intake import Intake, packed
from service.parsing.smtp import DEFAULT
from service.policy import Policy
from service.privacy import Pseudonyms
from service.watermarks import Entry, Watermark
from tests.bench.mails import records
from tests.bench.soak import Input
from tests.stories.world import Store
from topologies.engine.partitions import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTITIONS: Final = 4
BATCH: Final = 1000
"""Records of one partition that are taken at once (`EngineSettings.batch_records`)."""
RECORDS: Final = 692
"""Of a hundred mails, less one: what is left over belongs to mails that are still under way."""

Inputs: TypeAlias = dict[tuple[Source, int], list[Input]]


def main() -> None:
    """Prints what it measured."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--mails", type=int, default=20_000, help="mails (default: 20,000)")
    flags.add_argument("--before", type=int, default=0, help="mails to remember before a second measurement")
    flags.add_argument("--profile", action="store_true", help="say where the time goes")
    flags.add_argument("--sort", default="tottime", help="of the profile: tottime (default) or cumtime")
    given = flags.parse_args()
    core, profile, pauses = Core(), cProfile.Profile(), Pauses()
    stretches = [given.mails, given.before, given.mails] if given.before else [given.mails]
    for mails, inputs in zip(stretches, _inputs(stretches), strict=True):
        core.begin()
        pauses.longest = 0.0
        if given.profile:
            profile.enable()
        core.run(inputs)
        profile.disable()
        if mails == given.mails:
            core.show()
            print(f"longest collection: {pauses.longest * 1000:.0f} ms\n")
    if given.profile:
        pstats.Stats(profile).sort_stats(given.sort).print_stats(60)


class Pauses:
    """How long the garbage collector held everything up at most."""

    def __init__(self) -> None:
        """It looks on from now on."""
        self.longest = self._began = 0.0
        gc.callbacks.append(self._look)

    def _look(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.longest = max(self.longest, time.perf_counter() - self._began)


def _inputs(stretches: list[int]) -> Iterator[Inputs]:
    """By partition, as Kafka would hold them; one stretch of so many mails after the other."""
    stream, offsets = records(sum(stretches)), Counter[tuple[Source, int]]()
    for mails in stretches:
        inputs: Inputs = defaultdict(list)
        for record in islice(stream, mails * RECORDS // 100):
            place = Source(record.source), partition_of(record.key, PARTITIONS)
            inputs[place].append(Input(record.source, place[1], offsets[place], record.at, record.key, record.value))
            offsets[place] += 1
        yield inputs


class Core:
    """Both roles over dicts."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        hide = Pseudonyms(b"0123456789abcdef0123456789abcdef")
        self.intakes = {source: Intake(source, DEFAULT, hide) for source in Source}
        self.stores = [Counted() for _ in range(PARTITIONS)]
        self.shards = [
            Correlator(store, Policy(), Documents(), tuple(Source), PARTITIONS, number)
            for number, store in enumerate(self.stores)
        ]
        self.facts: list[deque[bytes]] = [deque() for _ in range(PARTITIONS)]
        self.begin()

    def begin(self) -> None:
        """Counts from here."""
        self.cpu: dict[str, float] = defaultdict(float)
        self.counts: Counter[str] = Counter()
        self.longest = 0.0
        """Seconds of the longest step: for so long, nothing else is done."""
        self.known = Counter(_kinds(self.stores))
        for store in self.stores:
            store.puts.clear()

    def run(self, inputs: Inputs) -> None:
        """All that is there: one batch of each partition, what the shards make of it, and the next."""
        for first in range(0, max(map(len, inputs.values())), BATCH):
            for (source, partition), all_of_it in inputs.items():
                if batch := all_of_it[first : first + BATCH]:
                    self._ingest(source, partition, batch)
            self._correlate()
        while any(self.facts):
            self._correlate()

    def _ingest(self, source: Source, partition: int, batch: list[Input]) -> None:
        self.counts["records"] += len(batch)
        with self._timed("intake"):
            harvest = self.intakes[source].take(batch, batch[-1].timestamp)
        with self._timed("pack facts"):
            placed = list(harvest.records(lambda name: partition_of(name, PARTITIONS)))
        news = tuple(self.intakes[source].listener.take())
        at = batch[-1].timestamp
        statement = Watermark((Entry(source, source, partition, PARTITIONS, at, at, 0, at, (source,)),), news)
        value = facts_record.pack(FactsRecord([], statement))
        for where, facts in placed:
            self.facts[where].append(facts)
        for queue in self.facts:
            queue.append(value)

    def _correlate(self) -> None:
        for number, shard in enumerate(self.shards):
            with self._timed("unpack facts"):
                batch = [facts_record.unpack(value) for value in self.facts[number]]
            self.facts[number].clear()
            with self._timed("correlate"):
                shard.take(batch)
                said = shard.drain()
            self.counts["correlated"] += len(said.correlated)
            self.counts["gaps"] += len(said.gaps)
            self.counts["told"] += len(said.messages)
            with self._timed("headers"):
                for key, revision, value in said.correlated:
                    cloudevents.headers(cloudevents.CORRELATED, key, revision, value, prefix="mailgap")
            with self._timed("tell"):
                by_partition: dict[int, dict[bytes, list[object]]] = {}
                for message in said.messages:
                    names = by_partition.setdefault(partition_of(message.name, PARTITIONS), {})
                    names.setdefault(message.name, []).append((message.fact, message.sighting))
                for where, fragments in by_partition.items():
                    self.facts[where] += packed(list(fragments.items()))  # type: ignore[arg-type]

    def show(self) -> None:
        """What it took."""
        count = self.counts["records"]
        print(f"{count:,} records; CPU us a record:")
        for step, seconds in self.cpu.items():
            print(f"  {step:14} {seconds / count * 1e6:6.2f}")
        print(f"  {'all':14} {sum(self.cpu.values()) / count * 1e6:6.2f}")
        rows, puts = Counter(_kinds(self.stores)), sum((store.puts for store in self.stores), Counter())
        touched = ", ".join(
            f"{kind} {puts[kind] / max(n - self.known[kind], 1):.2f}" for kind, n in sorted(rows.items())
        )
        size = sum(len(key) + len(value) for store in self.stores for key, value in store.items())
        print(f"{rows.total():,} rows, {size / rows['Q:']:.0f} bytes a mail; writes a new row: {touched}")
        print(", ".join(f"{name} {self.counts[name]:,}" for name in ("correlated", "gaps", "told")))
        print(f"longest step: {self.longest * 1000:.0f} ms")

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began, since = time.process_time(), time.perf_counter()
        yield
        self.cpu[step] += time.process_time() - began
        self.longest = max(self.longest, time.perf_counter() - since)


def _kinds(stores: Iterable[Store]) -> Iterator[str]:
    return (name[:2].decode() for store in stores for name, _ in store.items() if name[:1] != b"\0")


class Counted(Store):
    """Counts how often rows were written."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: Counter[str] = Counter()

    def put(self, key: bytes, value: bytes) -> None:
        """Keeps the row."""
        self.puts[key[:2].decode(errors="replace")] += 1
        super().put(key, value)


if __name__ == "__main__":
    main()
