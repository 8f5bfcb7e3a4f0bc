"""JSON documents in which shippers wrap a line of a log.

Decides which field of a document holds the text, the host, the program and the time, by the names that shippers give
them. Another shipper is another name in a table below; names that a template made up (`syslog_host`, `HostName`) are
found by their letters alone. It must never look into the text: a header in there wins over what is said here, and that
is the caller's business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from service.parsing.instants import is_believable
from service.parsing.syslog import Stamp, decode, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from service.facts import Instant

_T = TypeVar("_T")


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The text that a shipper carried, and what it said about it. Unknown parts are empty.

    `parsed`: a syslog daemon took the header off, so all of the text is what `program` said, also what looks like
    another's header.
    """

    text: str
    host: str
    program: str
    stamp: Stamp | None
    parsed: bool = False


# A dot is a level; a name that itself has dots is found too, since some shippers flatten.
TEXTS: Final = (
    "message",  # Vector, Filebeat, Logstash, Fluent Bit's syslog parser, rsyslog's templates
    "msg",  # rsyslog's own property name
    "log",  # Docker's json-file, Fluent Bit's tail input
    "MESSAGE",  # journald's export, an array of bytes where it is not UTF-8; syslog-ng
    "short_message",  # GELF
    "event.original",  # Elastic, where a pipeline took the message apart
    "textPayload",  # Google Cloud Logging
    "@m",  # Serilog, with the message written out
    "@mt",
)
HOSTS: Final = (
    "hostname",  # rsyslog, Vector's syslog source
    "host",  # Fluent Bit, rsyslog, Logstash, GELF, Vector
    "HOST",  # syslog-ng
    "_HOSTNAME",  # journald
    "kubernetes.pod_name",  # Fluent Bit, Vector: a queue is a pod's, and a node has many pods
    "kubernetes.pod.name",  # Filebeat
    "k8s.pod.name",  # OpenTelemetry
    "pod",  # Promtail
    "host.hostname",  # Elastic: the host in the line, before the host of the agent
    "host.name",  # Filebeat, Logstash
    "fromhost",  # rsyslog
    "instance",  # Loki
    "logStream",  # CloudWatch Logs
)
PROGRAMS: Final = (
    "syslogtag",  # rsyslog, with the process id; its programname ends at the first slash, so it comes last
    "SYSLOG_IDENTIFIER",  # journald
    "appname",  # Vector
    "app-name",  # rsyslog
    "app_name",
    "ident",  # Fluent Bit's syslog parser
    "process.program",  # Filebeat's syslog input
    "process.name",  # Filebeat's system module
    "log.syslog.appname",  # Elastic
    "syslog.identifier",  # Filebeat's journald input
    "program",  # Logstash's grok patterns
    "PROGRAM",  # syslog-ng
    "programname",  # rsyslog
)
STAMPS: Final = (
    "timereported",  # rsyslog
    "timestamp",  # Vector, rsyslog, GELF
    "@timestamp",  # Filebeat, Logstash, Fluent Bit (seconds, as a float)
    "ISODATE",  # syslog-ng
    "_SOURCE_REALTIME_TIMESTAMP",  # journald, in microseconds
    "__REALTIME_TIMESTAMP",
    "time",  # Docker
    "date",  # Fluent Bit's other outputs
    "timegenerated",  # rsyslog
    "DATE",  # syslog-ng
    "UNIXTIME",
    "asctime",  # Python
    "timeMillis",  # log4j
    "instant.epochSecond",
    "timestampSeconds",
    "@t",  # Serilog
)

# By their letters and digits alone, for names that people gave: `syslog_host`, `@source_host`, `RawMsg`, `_ident`.
PLAIN_TEXTS: Final = (
    *("message", "msg", "syslogmessage", "syslogmsg", "rawmsg", "rawmessage", "log", "shortmessage", "fullmessage"),
    *("line", "event"),  # Loki's client; Splunk's collector
)
PLAIN_HOSTS: Final = (
    *("hostname", "host", "sysloghostname", "sysloghost", "sourcehost", "logsource", "server", "node", "nodename"),
    *("podname", "fromhost", "fromhostip"),
)
PLAIN_PROGRAMS: Final = (
    *("syslogtag", "syslogprogram", "syslogidentifier", "syslogappname", "appname", "ident", "program", "tag"),
    *("applicationname", "programname", "sourcename", "processname"),  # GELF, Graylog; NXLog; Azure
)
PLAIN_STAMPS: Final = (
    *("timereported", "syslogtimestamp", "timestamp", "isodate", "eventtime", "datetime", "time", "date", "ts"),
    *("unixtime", "timegenerated", "timemillis", "timestampseconds", "asctime"),
)

_PROGRAM: Final = re.compile(r"[^\s\[\]:]{1,128}").match
_LONGEST_HOST: Final = 255

# Seconds, milliseconds, microseconds or nanoseconds: for a time in our century the size says which.
_PER_MILLISECOND: Final = ((1e11, 1e-3), (1e14, 1.0), (1e17, 1e3), (1e20, 1e6))


def open_envelope(document: dict[str, Any], seen: Instant, zone: tzinfo | None = None) -> Envelope | None:
    """What a shipper wrapped in `document`; None where it holds no text, so that it cannot be a line of a log."""
    plain = _Plain(document)
    text = _first(_text, document, TEXTS, plain, PLAIN_TEXTS)
    if text is None:
        return None
    return Envelope(
        text,
        _first(_host, document, HOSTS, plain, PLAIN_HOSTS) or _host_of_graylog(document),
        _first(_program, document, PROGRAMS, plain, PLAIN_PROGRAMS) or _labelled(document),
        _first(lambda value: _stamp(value, seen, zone), document, STAMPS, plain, PLAIN_STAMPS),
        _is_parsed(document, text),
    )


def _is_parsed(document: dict[str, Any], text: str) -> bool:
    """Whether the document itself shows it. A file's whole line may well be carried under a tag (`imfile`, Docker)."""
    # rsyslog's %msg% begins with the space after the tag that it took off.
    if text.startswith(" ") and not _TAGS_OF_RSYSLOG.isdisjoint(document):
        return True
    if any(names <= document.keys() for names in _PARSED):
        return True
    return "CONTAINER_NAME" not in document and any(document.get(name) in values for name, values in _PARSERS)


_TAGS_OF_RSYSLOG: Final = frozenset({"syslogtag", "programname", "app-name"})
_PARSERS: Final = (
    ("inputname", ("imuxsock", "imjournal", "imudp", "imtcp", "imptcp", "imrelp", "imklog")),  # rsyslog
    ("_TRANSPORT", ("syslog", "journal", "kernel", "audit")),  # journald
    ("source_type", ("syslog",)),  # Vector
)
_PARSED: Final = ({"PROGRAM", "MESSAGE"}, {"ident", "pri"})  # syslog-ng; Fluent Bit's syslog parser


def _host_of_graylog(document: dict[str, Any]) -> str:
    """Elsewhere `source` is a file, a stream or an address."""
    if "application_name" not in document and not any(name.startswith("gl2_") for name in document):
        return ""
    return _host(document.get("source")) or ""


def _labelled(document: dict[str, Any]) -> str:
    """A label of Loki's that names a mail server; any other application's says only where it runs."""
    found = next((name for key in ("app", "application") if (name := _program(document.get(key)))), "")
    return found if _MAIL_SERVER(found) else ""


_MAIL_SERVER: Final = re.compile(
    r"(?:[\w.-]+/)+(?:smtp|lmtp|smtpd|qmgr|cleanup|error|bounce|local|pickup|pipe|virtual|retry|postsuper)"
    r"|postfix|exim\d?|sendmail|sm-mta|msmtp|haraka|nullmailer(?:-send)?|qmail(?:-send)?"
).fullmatch


class _Plain:
    """A document under the plain form of its names, which is made only where it is asked for."""

    __slots__ = ("_document", "_names")

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._names: dict[str, Any] | None = None

    def get(self, name: str) -> Any:
        if self._names is None:
            self._names = {}
            for key, value in self._document.items():
                if len(key) <= _LONGEST_NAME:
                    self._names.setdefault(key.lower().translate(_DECORATION), value)
        return self._names.get(name)


_LONGEST_NAME: Final = 64
_DECORATION: Final = str.maketrans("", "", "-_@.$! ")


def _first(
    read: Callable[[Any], _T | None],
    document: dict[str, Any],
    paths: tuple[str, ...],
    plain: _Plain,
    names: tuple[str, ...],
) -> _T | None:
    """The first value, by name and then by the name's plain form, of which `read` can make something."""
    for value in _values(document, paths):
        if found := read(value):
            return found
    return next((found for name in names if (found := read(plain.get(name)))), None)


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
    if not isinstance(value, str) or len(value) > _LONGEST_HOST or len(value.split()) != 1:
        return None
    return value.strip().rpartition("/")[2]  # a stream of CloudWatch's: its own name comes last


def _program(value: Any) -> str | None:
    found = _PROGRAM(value) if isinstance(value, str) else None
    return found[0] if found else None


def _stamp(value: Any, seen: Instant, zone: tzinfo | None) -> Stamp | None:
    if isinstance(value, str):
        # 20 digits are more than nanoseconds need, and int() takes its time over many.
        number = _NUMBER(value)
        if number is None:
            return stamp_of(value, seen, zone)
        value = int(value) if number[1] is None else float(value)
    if isinstance(value, dict):  # GELF and Mongo's exports, protobuf in JSON
        value = value.get("$date", value.get("seconds"))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return next((_epoch(value / scale) for limit, scale in _PER_MILLISECOND if 0 <= value < limit), None)


_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,12})?\Z").match


def _epoch(milliseconds: float) -> Stamp | None:
    at = round(milliseconds)
    return Stamp(at, floating=False) if is_believable(at) else None
