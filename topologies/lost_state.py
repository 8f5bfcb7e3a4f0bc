"""Whether state was lost: a shard without a row, though its group has read facts.

A shard's first commit writes rows beside the offset, and some of them stay for good. So an empty changelog and a
committed offset contradict each other: somebody has removed the topic, or made it anew. Going on would forget every
mail that was open and every gap that was announced, without a word.
"""

from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP

from topologies.engine.app import App
from topologies.engine.bounded import bounded
from topologies.engine.errors import EngineError
from topologies.engine.shard import Shard


async def refuse_lost_state(app: App, facts: str, changelog: str, shards: Mapping[int, Shard]) -> None:
    """Raises EngineError where a restored shard holds nothing and has been read before."""
    empty = [TopicPartition(facts, number) for number, shard in shards.items() if not shard.rows]
    if not empty:
        return
    async with bounded(app.engine.io_timeout, "Kafka did not say what was committed"):
        committed = await _committed(app, empty)
        begins = await app.consumer.earliest_offsets(*[TP(tp.topic, tp.partition) for tp in empty])
    for tp in empty:
        if committed[tp] > begins[TP(tp.topic, tp.partition)]:
            raise EngineError(
                f"{changelog}/{tp.partition} holds nothing, and {facts} was read up to offset {committed[tp]}: the"
                " state is lost, and with it what was open. Start anew with another --prefix, as the operator's guide"
                " says"
            )


async def _committed(app: App, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """-1 where nothing is."""
    admin = AIOKafkaAdminClient(**app.engine.clients())
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(app.conf.id, partitions=partitions)
    finally:
        await admin.close()
    return {tp: found[tp].offset for tp in partitions}
