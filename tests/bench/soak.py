"""`python -m tests.bench.soak [--mails N]`: whether memory stays flat once the window is full.

Millions of mails through the core of one shard (ingest and correlate, without Kafka), with deadlines so short that rows
begin to go after some ten thousand mails. Prints how many rows there are and how much memory the process has.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from service import facts_record
from service.correlate import Correlator
from service.documents import Documents
from service.facts import SECOND, Source
from service.facts_record import FactsRecord
from service.intake import Intake
from service.parsing.smtp import DEFAULT
from service.policy import Deadlines, Policy
from service.watermarks import Entry, Watermark
from tests.bench.mails import EVERY, Record, records
from tests.stories.world import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIB: Final = 1 << 20
BATCH: Final = 2000
"""Records of a source that are taken at once, and between two statements."""
POLICY: Final = Policy(
    defaults=Deadlines(10 * SECOND, 10 * SECOND, 20 * SECOND, own_max_delivery=True),
    grace=2 * SECOND,
    keep=10 * SECOND,
    queue_lifetime=60 * SECOND,
    window=10 * SECOND,
)


class Input(NamedTuple):
    """A record as ingest takes it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def main() -> None:
    """Prints a line after each tenth of the mails."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--mails", type=int, default=2_000_000, help="mails (default: 2,000,000)")
    mails = flags.parse_args().mails
    shard, began, first, shown = Shard(), time.perf_counter(), 0, 0
    print("    mails       rows  state MiB  process MiB  gaps opened  rows dropped")
    for batch in batches(records(mails)):
        first = first or batch[0].at
        shard.take(batch)
        tenth = min((batch[-1].at - first) // EVERY, mails) * 10 // mails
        if tenth > shown:
            shown = tenth
            print(f"{mails * tenth // 10:>9,}  {shard.line()}", flush=True)
    print(f"{shard.records:,} records in {time.perf_counter() - began:.0f} s")


class Shard:
    """One shard over a dict, fed by two inputs of one partition each."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.intakes = {source: Intake(source, DEFAULT, None) for source in Source}
        self.store = Store()
        self.correlator = Correlator(self.store, POLICY, Documents(), tuple(Source))
        self.counts: Counter[str] = Counter()
        self.records = 0

    def take(self, batch: list[Record]) -> None:
        """Both sources' records of one stretch of time, and the statement that they have spoken until its end."""
        now = batch[-1].at
        facts: list[FactsRecord] = []
        for source, intake in self.intakes.items():
            inputs = [
                Input(source, 0, self.records + number, record.at, record.key, record.value)
                for number, record in enumerate(batch)
                if record.source == source
            ]
            harvest = intake.take(inputs, now)
            facts += [facts_record.unpack(value) for _, value in harvest.records(lambda _: 0)]
        entries = [Entry(source, source, 0, 1, now, now, 0, now, (source,)) for source in Source]
        news = tuple(item for intake in self.intakes.values() for item in intake.listener.take())
        facts.append(FactsRecord([], Watermark(tuple(entries), news)))
        self.records += len(batch)
        while facts:
            self.correlator.take(facts)
            said = self.correlator.drain()
            for key, (number, _) in said.tally.sums().items():
                self.counts[key[0]] += number
            facts = [FactsRecord([(message.name, [(message.fact, message.sighting)])]) for message in said.messages]

    def line(self) -> str:
        """What there is by now."""
        state = sum(len(key) + len(value) for key, value in self.store.items()) / MIB
        opened, dropped = self.counts["gaps_opened"], self.counts["rows_dropped"]
        return f"{len(self.store):>9,}  {state:>9.1f}  {resident() / MIB:>11.0f}  {opened:>11,}  {dropped:>12,}"


def batches(stream: Iterable[Record]) -> Iterator[list[Record]]:
    """Stretches of the stream."""
    batch: list[Record] = []
    for record in stream:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()
