"""The forms in which a line of a log travels: what syslog daemons and shippers make of host, program, time and text.

RFC 3164 stamps are local time in whole seconds, without zone and year; the others say more.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.facts import Instant


class Said(NamedTuple):
    """A line: when by its host's clock, on which host in which zone (hours from UTC), by which program, and what."""

    at: Instant
    host: str
    zone: int
    program: str
    text: str

    @property
    def local(self) -> datetime:
        """The host's wall clock."""
        return datetime.fromtimestamp(self.at / 1000, timezone(timedelta(hours=self.zone)))


def iso(at: Instant) -> str:
    """`2026-11-24T09:00:00.000Z`."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rfc3164(said: Said) -> str:
    now = said.local
    return f"{now:%b} {now.day:2} {now:%H:%M:%S} {said.host} {said.program}[77]: {said.text}"


def _rfc5424(said: Said) -> str:
    return f"<22>1 {said.local.isoformat(timespec='milliseconds')} {said.host} {said.program} 77 - - {said.text}"


def _iso8601(said: Said) -> str:
    return f"{said.local.isoformat(timespec='microseconds')} {said.host} {said.program}[77]: {said.text}"


def _rsyslog(said: Said) -> dict[str, Any]:
    stamp = _rfc3164(said)[:15]
    tag = f"{said.program}[77]:"
    return {"msg": f" {said.text}", "hostname": said.host, "syslogtag": tag, "timereported": stamp}


def _vector(said: Said) -> dict[str, Any]:
    stamp = iso(said.at)
    return {"appname": said.program, "hostname": said.host, "message": said.text, "procid": 77, "timestamp": stamp}


def _fluent_bit(said: Said) -> dict[str, Any]:
    stamp = said.at / 1000
    return {
        "date": stamp, "pri": "22", "host": said.host, "ident": said.program, "pid": "77", "message": said.text
    }  # fmt: skip


def _filebeat(said: Said) -> dict[str, Any]:
    line = f"{said.local.isoformat(timespec='milliseconds')} {said.host} {said.program}[77]: {said.text}"
    return {"@timestamp": iso(said.at + 700), "message": line, "host": {"name": "collector"}, "log": {"offset": 1}}


def _journald(said: Said) -> dict[str, Any]:
    stamp, pid = str(said.at * 1000), "77"
    return {
        "__REALTIME_TIMESTAMP": stamp, "MESSAGE": said.text, "_HOSTNAME": said.host,
        "SYSLOG_IDENTIFIER": said.program, "_PID": pid,
    }  # fmt: skip


class Shipper(NamedTuple):
    """A form: how it is made, and to how many milliseconds its stamp is true."""

    form: Callable[[Said], str | dict[str, Any]]
    resolution: int = 1

    def wrap(self, said: Said) -> bytes:
        """The record's bytes."""
        value = self.form(said)
        return (value if isinstance(value, str) else json.dumps(value)).encode()


SHIPPERS: Final = {
    "rfc3164": Shipper(_rfc3164, 1000),
    "rfc5424": Shipper(_rfc5424),
    "iso8601": Shipper(_iso8601),
    "rsyslog": Shipper(_rsyslog, 1000),
    "vector": Shipper(_vector),
    "fluent-bit": Shipper(_fluent_bit),
    "filebeat": Shipper(_filebeat),
    "journald": Shipper(_journald),
}
