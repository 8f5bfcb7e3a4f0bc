"""Shards that read each their own partition of the facts topic, each as far as it is let, and that can be killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import facts_record
from service.correlate import Correlator
from service.documents import Documents
from tests.stories.world import Store, World, messages_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.facts import Name, Source
    from service.facts_record import FactsRecord
    from service.policy import Policy


class Queues(World):
    """A world in which no shard waits for another."""

    def __init__(self, policy: Policy, sources: Sequence[Source], shards: int) -> None:
        super().__init__(policy, sources, shards)
        self.topic: list[list[FactsRecord]] = [[] for _ in range(shards)]
        self.positions = [0] * shards

    def shard_of(self, name: Name) -> int:
        return self._shard(name)

    def publish(self, records: Iterable[FactsRecord]) -> None:
        """Onto the facts topic, each to its partitions."""
        packed = [facts_record.unpack(facts_record.pack(record)) for record in records]
        for shard, batch in enumerate(self._routed(packed)):
            self.topic[shard] += batch

    def run(self, *but: int) -> None:
        """All shards read and commit until there is nothing more, `but` these."""
        alive = [shard for shard in range(self.shards) if shard not in but]
        while behind := [shard for shard in alive if self.positions[shard] < len(self.topic[shard])]:
            for shard in behind:
                batch = self.topic[shard][self.positions[shard] :]
                self.positions[shard] += len(batch)
                self.correlators[shard].take(batch)
                self.publish(self._heed(self.correlators[shard]))

    def kill(self, shard: int) -> None:
        """In the middle of a transaction: what it asked is on the topic, what it wrote is not. Another takes over."""
        before = Store(self.stores[shard])
        self.correlators[shard].take(self.topic[shard][self.positions[shard] :])
        said = self.correlators[shard].drain()
        self.publish(messages_of(said))
        self.stores[shard] = before
        self.correlators[shard] = Correlator(before, self.policy, Documents(), self.sources, self.shards, shard)
