"""What an agent is handed: a stretch of one partition, and Faust's envelope around it."""

from dataclasses import dataclass
from typing import Any

from faust.types.tuples import ConsumerMessage


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition, as aiokafka's `ConsumerRecord`.

    It begins where the Batch before it ended, so that every offset is accounted for.
    """

    first: int
    """Where it begins: the `after` of the Batch before it. The first record may lie beyond, behind control markers."""
    after: int
    """The offset that follows: committed once the Batch is dealt with. May lie beyond the last record's."""
    records: list[Any]
    hole: bool = False
    """The broker removed what lay from `first` up to `after` before we read it (retention). There are no records."""


class BatchMessage(ConsumerMessage):  # type: ignore[misc]  # Faust ships no types
    """Faust's envelope. To acknowledge it (`event.ack()`) is to acknowledge the whole Batch."""

    __slots__ = ("after",)

    def on_final_ack(self, consumer: Any) -> bool:
        """Called by Faust when the last agent that got the Batch is done with it."""
        return bool(consumer.ack_range(self.tp, self.after, self.generation_id))


def enclose(tp: Any, batch: Batch, generation: int) -> BatchMessage:
    """The envelope of a Batch that was fetched in this generation of the group."""
    last = batch.records[-1] if batch.records else None
    stamp = (last.timestamp or 0) / 1000 if last else 0.0
    kind = last.timestamp_type if last else 0
    message = BatchMessage(
        tp.topic, tp.partition, batch.after - 1, stamp, kind, None, None, None, None, 0, 0, tp, generation_id=generation
    )
    message.after = batch.after
    return message
