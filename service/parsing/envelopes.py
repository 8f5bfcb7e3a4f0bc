"""JSON documents in which shippers wrap a line of a log.

Decides which field of a document holds the text, the host, the program and the time, by the names that shippers give
them. Another shipper is another name in a table below. It must never look into the text: a header in there wins over
what is said here, and that is the caller's business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from service.parsing.instants import is_believable
from service.parsing.syslog import Stamp, decode, stamp_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The text that a shipper carried, and what it said about it. Unknown parts are empty."""

    text: str
    host: str
    program: str
    stamp: Stamp | None


# A dot is a level; a name that itself has dots is found too, since some shippers flatten.
TEXTS: Final = (
    "message",  # Vector, Filebeat, Logstash, Fluent Bit's syslog parser, rsyslog's templates
    "msg",  # rsyslog's own property name
    "log",  # Docker's json-file, Fluent Bit's tail input
    "MESSAGE",  # journald's export; an array of bytes where it is not UTF-8
    "short_message",  # GELF
    "event.original",  # Elastic, where a pipeline took the message apart
)
HOSTS: Final = (
    "hostname",  # rsyslog, Vector's syslog source
    "host",  # Fluent Bit, rsyslog, Logstash, GELF, Vector
    "_HOSTNAME",  # journald
    "host.hostname",  # Elastic: the host in the line, before the host of the agent
    "host.name",  # Filebeat, Logstash
    "fromhost",  # rsyslog
)
PROGRAMS: Final = (
    "syslogtag",  # rsyslog, with the process id; its programname ends at the first slash, so it comes last
    "SYSLOG_IDENTIFIER",  # journald
    "appname",  # Vector
    "app-name",  # rsyslog
    "app_name",
    "ident",  # Fluent Bit's syslog parser
    "process.name",  # Filebeat's system module
    "log.syslog.appname",  # Elastic
    "program",  # Logstash's grok patterns
    "programname",  # rsyslog
)
STAMPS: Final = (
    "timereported",  # rsyslog
    "timestamp",  # Vector, rsyslog, GELF
    "@timestamp",  # Filebeat, Logstash, Fluent Bit (seconds, as a float)
    "__REALTIME_TIMESTAMP",  # journald, in microseconds
    "time",  # Docker
    "date",  # Fluent Bit's other outputs
    "timegenerated",  # rsyslog
)

_PROGRAM: Final = re.compile(r"[^\s\[\]:]{1,128}").match
_LONGEST_HOST: Final = 255

# Seconds, milliseconds, microseconds or nanoseconds: for a time in our century the size says which.
_PER_MILLISECOND: Final = ((1e11, 1e-3), (1e14, 1.0), (1e17, 1e3), (1e20, 1e6))


def open_envelope(document: dict[str, Any], seen: Instant, zone: tzinfo | None = None) -> Envelope | None:
    """What a shipper wrapped in `document`; None where it holds no text, so that it cannot be a line of a log."""
    text = next(filter(None, map(_text, _values(document, TEXTS))), None)
    if text is None:
        return None
    return Envelope(
        text,
        next(filter(None, map(_host, _values(document, HOSTS))), ""),
        next(filter(None, map(_program, _values(document, PROGRAMS))), ""),
        next(filter(None, (_stamp(value, seen, zone) for value in _values(document, STAMPS))), None),
    )


def _values(document: dict[str, Any], paths: tuple[str, ...]) -> list[Any]:
    return [value for path in paths if (value := _at(document, path)) is not None]


def _at(document: dict[str, Any], path: str) -> Any:
    found = document.get(path)
    head, dot, rest = path.partition(".")
    if found is None and dot and isinstance(inner := document.get(head), dict):
        return _at(inner, rest)
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(type(byte) is int and 0 <= byte <= 0xFF for byte in value):  # noqa: PLR2004 -- a byte
        return decode(bytes(value))
    return None


def _host(value: Any) -> str | None:
    """A host is one word. (Logstash's and Filebeat's `host` may be an object; its parts have paths of their own.)"""
    if isinstance(value, str) and len(value) <= _LONGEST_HOST and len(value.split()) == 1:
        return value.strip()
    return None


def _program(value: Any) -> str | None:
    found = _PROGRAM(value) if isinstance(value, str) else None
    return found[0] if found else None


def _stamp(value: Any, seen: Instant, zone: tzinfo | None) -> Stamp | None:
    if isinstance(value, str):
        # 20 digits are more than nanoseconds need, and int() takes its time over many.
        if not (value.isascii() and value.isdigit() and len(value) <= 20):  # noqa: PLR2004
            return stamp_of(value, seen, zone)
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return next((_epoch(value / scale) for limit, scale in _PER_MILLISECOND if 0 <= value < limit), None)


def _epoch(milliseconds: float) -> Stamp | None:
    at = round(milliseconds)
    return Stamp(at, floating=False) if is_believable(at) else None
