"""Sends a spool in the order of its records' time, and then says in each partition up to when its source has spoken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from service.contract import historic
from service.edges.outlet import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.backfill.spool import Spool
    from service.edges.outlet import Outlet
    from service.facts import Source

BEGUN = "begun"
DONE = "done"


class TooLargeError(Exception):
    """Kafka does not take a record; the text says which."""


async def send(
    spool: Spool,
    outlet: Outlet,
    topics: Mapping[Source, str],
    partitions: Mapping[str, int],
    tell: Callable[[int], None],
) -> None:
    """Goes on where it was. `tell` hears how many were sent more. Raises `TooLargeError`, and what aiokafka raises."""
    spool.say(BEGUN, "yes")
    while True:
        records, position = await asyncio.to_thread(spool.chunk)
        if not records:
            break
        headers = [(historic.NAME, historic.RECORD)]
        await _sent(outlet, [Outgoing(topics[k.source], k.key, k.value, k.at, headers) for k in records])
        await asyncio.to_thread(spool.sent, position)
        tell(len(records))
    if not spool.said(DONE):
        for source, at in spool.ends().items():
            topic, headers = topics[source], [(historic.NAME, historic.END)]
            last = [Outgoing(topic, None, b"", at, headers, number) for number in range(partitions[topic])]
            await _sent(outlet, last)
        spool.say(DONE, "yes")


async def _sent(outlet: Outlet, records: list[Outgoing]) -> None:
    for refused in await outlet.send_in_order(records):
        raise TooLargeError(f"a record of {len(refused.value)} bytes is larger than topic {refused.topic} takes")
