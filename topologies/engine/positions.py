"""How far each partition has come, in four offsets that never overtake each other.

- passed: where the client reads on. Nothing but control markers lies between it and
- handed over: the end of the last Batch that an agent was given;
- finished: the end of the last Batch that an agent is done with;
- acknowledged: what Faust may commit. Shards do not use it: they commit for themselves.

All are forgotten at every rebalance, and begun again from what is committed.
"""

from collections.abc import Iterable, Mapping

from faust.types import TP


class Positions:
    """The offsets of the partitions that are ours in this generation."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing is ours until `begin`."""
        self.started: dict[TP, int] = {}
        self.passed: dict[TP, int] = {}
        self.handed: dict[TP, int] = {}
        self.finished: dict[TP, int] = {}
        self.acked: dict[TP, int] = {}

    def begin(self, starts: Mapping[TP, int]) -> None:
        """These are ours, from these offsets on."""
        self.forget()
        for each in (self.started, self.passed, self.handed, self.finished):
            each.update(starts)

    def hand_over(self, tp: TP, after: int) -> None:
        """A Batch up to `after` went to an agent."""
        self.handed[tp] = self.passed[tp] = after

    def finish(self, tp: TP, after: int) -> None:
        """An agent is done with everything below `after`."""
        if tp in self.finished:
            self.finished[tp] = max(after, self.finished[tp])

    def ack(self, tp: TP, upto: int) -> bool:
        """Everything below `upto` may be committed; False where the partition is not ours."""
        if tp not in self.handed:
            return False
        self.acked[tp] = max(upto, self.acked.get(tp, 0))
        return True

    def settled(self, tp: TP) -> int | None:
        """Up to where everything is dealt with; None where the partition is not ours.

        Where nothing is under way, that is where the client reads on: the log's end lies behind the last marker,
        not behind the last record. Else it is what the agents have finished.
        """
        finished = self.finished.get(tp)
        return self.passed[tp] if finished is not None and finished == self.handed[tp] else finished

    def ours(self, tps: Iterable[TP]) -> list[TP]:
        """Those of the partitions that are ours."""
        return [tp for tp in tps if tp in self.handed]
