"""What tests of shippers ship, and what has come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.integration.world import Reader, World, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY: Final = "127.0.0.1:1"
"""Where no Kafka is."""

ID: Final = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
RELAY: Final = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
TO: Final = f"to=<ann@client.example>, relay={RELAY}, delay=1, delays=0/0/0/1"
REFUSED: Final = f"dsn=5.0.0, status=bounced (host {RELAY} said: 554 Message rejected: Email address is not verified."
MAIL: Final = (
    "postfix/qmgr[5]: 4F2A001: from=<shop@app.example>, size=800, nrcpt=1 (queue active)",
    f"postfix/smtp[7]: 4F2A001: {TO}, {REFUSED})",
    "postfix/qmgr[5]: 4F2A001: removed",
)
HOSTILE: Final = (
    *MAIL,
    f"postfix/smtp[7]: 4F2A002: {TO}, dsn=2.0.0, status=sent (250 Ok {ID})",
    "postfix/cleanup[8]: 4F2A003: warning: header Subject: caf\udce9 \udcff\udcfe; from=<shop@app.example>",
    f"postfix/smtp[7]: 4F2A004: {TO}, {REFUSED} {'3 KiB ' * 500})",
    f"postfix/smtp[7]: 4F2A005: {TO}, {REFUSED} {'78 KiB ' * 11_000})",
)
"""Lines as syslog(3) gets them, after their priority and stamp; what is no UTF-8 is escaped as by surrogateescape."""


async def arrived(world: World, count: int, otherwise: Callable[[], object]) -> list[Any]:
    """The records of the SMTP topic, once there are as many."""
    found: list[Any] = []

    async with Reader(world.kafka, world.smtp) as reader:

        async def enough() -> bool:
            found.extend(await reader.news())
            return len(found) >= count

        await eventually(enough, 60, lambda: (len(found), otherwise()))
    return found
