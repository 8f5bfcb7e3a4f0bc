"""What `mailgap doctor` looks at of notifications: can each sink be reached, and what do the sinks not know yet?

No sink is sent anything. How the deliveries go is read from the journal of whoever runs `mailgap notify`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

from service.edges.doctor_finding import Finding, State
from service.edges.notify import journal
from service.edges.notify.delivery import delivery
from service.edges.topics import KafkaUnusableError
from service.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from service.edges.notify.journal import SinkStatus, Status
    from service.notifications.sinks import Sink
    from service.settings import Settings

BOUND: Final = 30.0
QUIET: Final = 180.0
"""Seconds without a word of `mailgap notify`, which writes one every minute."""

_MEND: Final = "look at the sink's own status, its address and the network between; what waits is sent once it answers"
_REFUSED: Final = "correct the sink's secret or address and start `mailgap notify` again: what it refused is sent then"


async def of_sinks(settings: Settings) -> list[Finding]:
    """Each sink of the file, and what `mailgap notify` says of it."""
    try:
        sinks = settings.sinks()
    except SettingsError:
        return []  # said among the settings
    if not sinks:
        return []
    reached = await asyncio.gather(*(_probe(sink) for sink in sinks))
    return [*reached, *await _of_journal(settings, sinks)]


async def _probe(sink: Sink) -> Finding:
    way = delivery(sink)
    try:
        wrong = await way.probe()
    finally:
        await way.close()
    if wrong:
        return Finding("sinks", sink.name, State.WRONG, f"{sink.host} cannot be reached: {wrong}", _MEND)
    return Finding("sinks", sink.name, State.OK, f"{sink.host} can be reached; nothing was sent")


async def _of_journal(settings: Settings, sinks: Sequence[Sink]) -> list[Finding]:
    try:
        async with asyncio.timeout(BOUND):
            _, status = await journal.read(settings)
    except (KafkaUnusableError, KafkaError, TimeoutError) as error:
        why = " ".join(str(error).split()) or "no answer"
        return [Finding("notifications", settings.topics.notified, State.WRONG, "cannot be read", why)]
    return list(_of_status(status, sinks, time.time()))


def _of_status(status: Status | None, sinks: Sequence[Sink], now: float) -> Iterator[Finding]:
    if status is None:
        yield Finding("notifications", "notify", State.WRONG, "nobody has run yet", "start `mailgap notify`")
        return
    ago = round(now - status.at / 1000)
    if ago > QUIET:
        yield Finding("notifications", "notify", State.WRONG, f"last spoke {ago} s ago", "start `mailgap notify`")
    else:
        yield Finding("notifications", "notify", State.OK, f"spoke {ago} s ago")
    for sink in sinks:
        known = status.sinks.get(sink.name)
        if known is None:
            advice = "start `mailgap notify` again with this file"
            yield Finding("notifications", sink.name, State.WRONG, "`mailgap notify` does not know it", advice)
        else:
            yield _of_sink(sink.name, known, now)


def _of_sink(name: str, known: SinkStatus, now: float) -> Finding:
    waits = f"{known.waiting} alerts wait"
    if known.set_aside:
        found = f"refuses {known.set_aside} of them: {known.error}"
        return Finding("notifications", name, State.WRONG, f"{waits}; it {found}", _REFUSED)
    if known.failing_since is not None:
        since = round(now - known.failing_since / 1000)
        return Finding("notifications", name, State.WRONG, f"{waits}; fails for {since} s: {known.error}", _MEND)
    return Finding("notifications", name, State.OK, waits if known.waiting else "knows all there is to know")
