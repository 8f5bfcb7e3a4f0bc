"""Shards over dicts: what the worker does with a log of facts, without a broker.

Each shard has a `Correlator`; what one name tells another comes back as a facts record, as it does through the facts
topic. Everything that leaves is checked on the way: no failure, revisions that rise by one, gaps opened and ended once.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from service import facts_record, rows
from service.contract.condition import ConditionRecord
from service.contract.correlated import Correlated
from service.contract.gap import GapRecord
from service.contract.normal_form import normal_form
from service.correlate import Correlator
from service.documents import Documents
from service.facts_record import FactsRecord
from service.tally import open_gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.facts import Name, Source
    from service.policy import Policy

_CORRELATED = msgspec.json.Decoder(Correlated).decode
_GAP = msgspec.json.Decoder(GapRecord).decode
_CONDITION = msgspec.json.Decoder(ConditionRecord).decode
_MANY_ROUNDS = 20
FEW_ROWS = 100
"""Gauges are compared with every row; where there are many, that would take longer than the story."""
_FIRST_SECOND = re.compile(r"@\d{10}\b")


class Store(dict[bytes, bytes]):
    """Rows of one shard."""

    put = dict.__setitem__

    def remove(self, key: bytes) -> None:
        del self[key]


class World:
    """One run of a log."""

    def __init__(self, policy: Policy, sources: Sequence[Source], shards: int = 1) -> None:
        self.policy, self.sources, self.shards = policy, sources, shards
        self.stores = [Store() for _ in range(shards)]
        self.documents: dict[str, dict[str, Any]] = {}
        self.published: list[tuple[str, int]] = []
        self.gaps: list[GapRecord] = []
        self.conditions: list[ConditionRecord] = []
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.timings: list[tuple[tuple[str, ...], float, str]] = []
        self._states: dict[str, list[str]] = defaultdict(list)
        self.wake()

    def wake(self) -> None:
        """A worker starts on the rows that are there."""
        self.correlators = [
            Correlator(store, self.policy, Documents(), self.sources, self.shards, shard)
            for shard, store in enumerate(self.stores)
        ]
        for correlator in self.correlators:
            self._heed(correlator)

    def crash(self) -> None:
        """The worker dies between two transactions, and another takes over."""
        self.stores = [Store(store) for store in self.stores]
        self.wake()

    def take(self, records: Iterable[FactsRecord], *, abort: bool = False) -> None:
        """One batch. With `abort`, its transaction fails after the asks were sent, and it is done again."""
        waiting = self._routed([facts_record.unpack(facts_record.pack(record)) for record in records])
        for _ in range(_MANY_ROUNDS):
            messages: list[FactsRecord] = []
            for shard, batch in enumerate(waiting):
                if not batch:
                    continue
                if abort:
                    before = Store(self.stores[shard])
                    self.correlators[shard].take(batch)
                    messages += messages_of(self.correlators[shard].drain())
                    self.stores[shard] = before
                    self.correlators[shard] = Correlator(
                        before, self.policy, Documents(), self.sources, self.shards, shard
                    )
                self.correlators[shard].take(batch)
                messages += self._heed(self.correlators[shard])
            if not messages:
                return
            waiting = self._routed(messages)
        raise AssertionError("names go on telling each other things without end")

    def _routed(self, records: Sequence[FactsRecord]) -> list[list[FactsRecord]]:
        batches: list[list[FactsRecord]] = [[] for _ in range(self.shards)]
        for record in records:
            for shard, batch in enumerate(batches):
                mine = [(name, facts) for name, facts in record.fragments if self._shard(name) == shard]
                closed = [closing for closing in record.closings if self._shard(closing.name) == shard]
                if mine or closed or record.watermark is not None:
                    batch.append(FactsRecord(mine, record.watermark, closed))
        return batches

    def _shard(self, name: Name) -> int:
        return sum(name) % self.shards

    def _heed(self, correlator: Correlator) -> list[FactsRecord]:
        said = correlator.drain()
        assert said.failures == []
        self.counts += Counter({key: number for key, (number, _) in said.tally.sums().items()})
        self.timings += said.tally.timings
        if len(correlator.store) < FEW_ROWS:
            _gauges_are_right(correlator)
        for key, revision, value in said.correlated:
            document = json.loads(value)
            assert _CORRELATED(value).revision == revision
            if not document["partial"]:
                assert document["mail_id"] == key
                last = self.documents.get(key, {"revision": 0})["revision"]
                assert revision == last + 1, f"{key}: revision {revision} follows {last}"
            self.documents[key] = document
            self.published.append((key, revision))
        for key, revision, value in said.gaps:
            gap = _GAP(value)
            assert (gap.gap_id, gap.revision) == (key, revision)
            states = self._states[key]
            states.append(gap.state)
            assert states in (["opened"], ["opened", "resolved"], ["opened", "closed"]), f"{key}: {states}"
            assert revision == len(states)
            self.gaps.append(gap)
        for key, revision, value in said.conditions:
            condition = _CONDITION(value)
            assert (condition.condition_id, condition.revision) == (key, revision)
            states = self._states[key]
            states.append(condition.state)
            assert states == ["raised", "cleared"] * (revision // 2) + ["raised"] * (revision % 2), f"{key}: {states}"
            self.conditions.append(condition)
        return messages_of(said)

    def truth(self, *, loosely: bool = False) -> dict[str, Any]:
        """Every mail's final record in normal form.

        A submission's record without a gap is left out: whether it was ever published depends on whether a gap that
        never was had been announced. `loosely`: nor does it matter which of its lines came first, or whether a gap had
        been nobody's in particular before it was somebody's.
        """
        found = {}
        for key, document in self.documents.items():
            plain = normal_form(document)
            if loosely:
                plain["gaps"] = [gap for gap in plain["gaps"] if gap["resolution"] != "recipients_known"]
            if plain["ses_message_id"] is None and not plain["gaps"]:
                continue
            found[_stripped(key) if loosely else key] = _nameless(plain) if loosely else plain
        return found


def deadlines(correlator: Correlator) -> int:
    """Deadlines on the heaps; those of mails that are over by now included."""
    return sum(map(len, correlator._heaps.values()))


def _gauges_are_right(correlator: Correlator) -> None:
    """What the metrics say is open is what stands in the rows, so that the sum over all shards is always right."""
    kept = [rows.unpack(data) for name, data in correlator.store.items() if not name.startswith(b"\0")]
    open_gaps = {
        i: open_gap(g) for row in kept for book in row.books.values() for i, g in book.gaps.items() if not g.resolution
    }
    assert {i: gap[:3] for i, gap in correlator.ruling.open_gaps.items()} == {
        i: gap[:3] for i, gap in open_gaps.items()
    }
    assert correlator.open_names == sum(bool(row.due) for row in kept)


def messages_of(said: Any) -> list[FactsRecord]:
    return [FactsRecord([(message.name, [(message.fact, message.sighting)])]) for message in said.messages]


def _stripped(mail_id: str) -> str:
    return _FIRST_SECOND.sub("", mail_id)


def _nameless(document: dict[str, Any]) -> dict[str, Any]:
    """A submission's id has the second of the line that was first published (rule 8); its gaps' ids are made of it."""
    gaps = [{**gap, "gap_id": ""} for gap in document["gaps"]]
    found: dict[str, Any] = json.loads(_FIRST_SECOND.sub("", json.dumps({**document, "gaps": gaps})))
    return found
