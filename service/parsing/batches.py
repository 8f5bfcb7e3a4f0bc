"""Documents that carry several records at once: what cloud services and collectors push.

Decides which documents are batches and takes them apart, each record as a shipper would have sent it alone: a document
with the names that `envelopes` knows, or bytes. A batch may say of all its records what they do not say themselves
(labels, a host). It must never read the records; what holds none is an empty batch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from service.facts import Unparsable

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.parsing.packed import Unpacker

Batch: TypeAlias = list[dict[str, Any] | bytes | str | Unparsable]
"""What a batch holds: documents, bytes, text, and what could not be opened."""

_CONTROL: Final = "CONTROL_MESSAGE"  # CloudWatch Logs trying whether the destination can be reached
_LABEL: Final = re.compile(r'([a-zA-Z_][\w.]{0,255}+)="((?:[^"\\]|\\.)*+)"').findall
_PAIR: Final = 2


def records_in(document: dict[str, Any], unpacker: Unpacker) -> Batch | None:
    """The records in a batch; None where the document is none."""
    if _MARKS.isdisjoint(document):
        return None
    return next((found for open_ in _KINDS if (found := open_(document, unpacker)) is not None), None)


# -- Amazon ----------------------------------------------------------------------------------------------------------


def _cloudwatch(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """A subscription's batch: `{"messageType": "DATA_MESSAGE", "logStream": …, "logEvents": [{"message": …}]}`."""
    if document.get("messageType") == _CONTROL:
        return []
    events = document.get("logEvents")
    if not isinstance(events, list):
        return None
    about = {"logStream": document["logStream"]} if isinstance(document.get("logStream"), str) else {}
    return [about | event for event in events if isinstance(event, dict)]


def _awslogs(document: dict[str, Any], unpacker: Unpacker) -> Batch | None:
    """The same batch as a Lambda gets it: gzip in base64."""
    inner = document.get("awslogs")
    return [_bytes(inner.get("data"), unpacker)] if isinstance(inner, dict) else None


def _data_records(document: dict[str, Any], unpacker: Unpacker) -> Batch | None:
    """Firehose, in a transformation or at an HTTP endpoint (`records`), and Kinesis in a Lambda (`Records`)."""
    for key in ("records", "Records"):
        entries = document.get(key)
        if isinstance(entries, list) and entries and all(isinstance(_data(entry), str) for entry in entries):
            return [_bytes(_data(entry), unpacker) for entry in entries]
    alone = _data(document)
    if isinstance(alone, str) and _LOOKS_PACKED(alone) and _SPOKEN.isdisjoint(document):
        return [_bytes(alone, unpacker)]
    return None


def _data(entry: Any) -> Any:
    inner = entry.get("kinesis", entry) if isinstance(entry, dict) else None
    return next((inner[key] for key in _DATA if key in inner), None) if isinstance(inner, dict) else None


_DATA: Final = ("data", "Data", "data_base64")
# gzip; `{"`, `{ `, `{` and a line break; `[{`; a byte order mark; `<1` to `<9`. Not every word that could be base64 is.
_LOOKS_PACKED: Final = re.compile(r"H4sI|ey[IAJo0]|ew[o0]|W3s|77u/|PD[E-Y]").match
_SPOKEN: Final = frozenset({"message", "msg", "log", "MESSAGE", "short_message"})
"""Whoever has text of its own is no mere wrapping of its data."""


def _bytes(data: Any, unpacker: Unpacker) -> bytes | str | Unparsable:
    found = unpacker.decoded(data) if isinstance(data, str) else None
    if found is None:
        return data if isinstance(data, str) else b""
    return found


# -- documents in documents -----------------------------------------------------------------------------------------


def _connect(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """Kafka Connect's JSON converter: `{"schema": …, "payload": …}`."""
    payload = document.get("payload")
    if document.keys() != {"schema", "payload"} or not isinstance(payload, dict | str):
        return None
    return [payload]


def _fluentd(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """`{"tag": …, "time": …, "record": {…}}`; the tag is Fluentd's own word, and no program's."""
    record = document.get("record")
    if not isinstance(record, dict) or "tag" not in document or not _SPOKEN.isdisjoint(document):
        return None
    return [{"time": document.get("time"), **record}]


def _google(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """Google Cloud Logging: what was said is the payload, and where it was said the resource."""
    payload = document.get("jsonPayload")
    if not isinstance(payload, dict):
        return None
    resource = document.get("resource")
    labels = resource.get("labels") if isinstance(resource, dict) else None
    about = {"timestamp": document.get("timestamp")}
    if isinstance(labels, dict):
        about |= {"hostname": labels.get("pod_name", labels.get("instance_id"))}
    return [about | payload]


def _telegraf(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """`{"name": "syslog", "tags": {…}, "fields": {"message": …}, "timestamp": …}`."""
    fields, tags = document.get("fields"), document.get("tags")
    if not isinstance(fields, dict) or not isinstance(tags, dict) or not _SPOKEN.isdisjoint(document):
        return None
    return [{**tags, "timestamp": document.get("timestamp"), **fields}]


def _azure(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """`{"records": [{"time": …, "SyslogMessage": …}]}`, where the latter may stand among `properties`."""
    records = [record for record in _list(document.get("records")) if isinstance(record, dict)]
    inner = [
        record | record["properties"] if isinstance(record.get("properties"), dict) else record for record in records
    ]
    return inner if any("SyslogMessage" in record for record in inner) else None


# -- Loki ------------------------------------------------------------------------------------------------------------


def _loki(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """What is pushed, `{"streams": [{"stream": {…}, "values": [["<ns>", "<line>"]]}]}`, and what a query answers."""
    streams = document.get("streams")
    if streams is None:
        data = document.get("data")
        streams = data.get("result") if isinstance(data, dict) and data.get("resultType") == "streams" else None
    if not isinstance(streams, list):
        return None
    return [record for stream in streams if isinstance(stream, dict) for record in _loki_stream(stream)]


def _loki_stream(stream: dict[str, Any]) -> list[dict[str, Any] | bytes | str | Unparsable]:
    labels = stream.get("stream", stream.get("labels"))
    # The older form writes labels as text: {job="mail", host="mx1"}.
    about = labels if isinstance(labels, dict) else dict(_LABEL(labels)) if isinstance(labels, str) else {}
    found: Batch = []
    for value in _list(stream.get("values")):
        if isinstance(value, list) and len(value) >= _PAIR:
            more = value[_PAIR] if len(value) > _PAIR and isinstance(value[_PAIR], dict) else {}
            found.append({**about, **more, "message": value[1], "timestamp": value[0]})
    for entry in _list(stream.get("entries")):
        if isinstance(entry, dict):
            found.append({**about, "message": entry.get("line"), "timestamp": entry.get("ts", entry.get("timestamp"))})
    return found


# -- OpenTelemetry ---------------------------------------------------------------------------------------------------


def _otlp(document: dict[str, Any], _: Unpacker) -> Batch | None:
    """OTLP in JSON: resources, in them scopes, in them log records."""
    resources = document.get("resourceLogs", document.get("resource_logs"))
    if not isinstance(resources, list):
        return None
    return [record for resource in resources if isinstance(resource, dict) for record in _otlp_resource(resource)]


def _otlp_resource(resource: dict[str, Any]) -> list[dict[str, Any] | bytes | str | Unparsable]:
    described = resource.get("resource")
    about = _attributes(described.get("attributes")) if isinstance(described, dict) else {}
    scopes = _list(resource.get("scopeLogs", resource.get("scope_logs", resource.get("instrumentationLibraryLogs"))))
    return [
        about | _otlp_record(record)
        for scope in scopes
        if isinstance(scope, dict)
        for record in _list(scope.get("logRecords", scope.get("log_records")))
        if isinstance(record, dict)
    ]


def _otlp_record(record: dict[str, Any]) -> dict[str, Any]:
    body = _any_value(record.get("body"), 0)
    said = body if isinstance(body, dict) else {"message": body}
    at = record.get("timeUnixNano") or record.get("time_unix_nano") or record.get("observedTimeUnixNano")
    found = {**_attributes(record.get("attributes")), **said}
    return {**found, "timestamp": at} if at and at != "0" else found


def _attributes(pairs: Any) -> dict[str, Any]:
    return {
        pair["key"]: _any_value(pair.get("value"), 0)
        for pair in _list(pairs)
        if isinstance(pair, dict) and isinstance(pair.get("key"), str)
    }


_DEEPEST: Final = 4


def _any_value(value: Any, depth: int) -> Any:
    """`{"stringValue": "x"}` is `x`; lists and maps are opened a few levels deep."""
    if not isinstance(value, dict) or depth > _DEEPEST:
        return value if isinstance(value, str) else None
    for key, inner in value.items():
        match key:
            case "kvlistValue" if isinstance(inner, dict):
                return _pairs(inner.get("values"), depth)
            case "arrayValue" if isinstance(inner, dict):
                return [_any_value(each, depth + 1) for each in _list(inner.get("values"))]
            case "stringValue" | "intValue" | "doubleValue" | "boolValue":
                return inner
    return None


def _pairs(pairs: Any, depth: int) -> dict[str, Any]:
    return {
        pair["key"]: _any_value(pair.get("value"), depth + 1)
        for pair in _list(pairs)
        if isinstance(pair, dict) and isinstance(pair.get("key"), str)
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_KINDS: Final[tuple[Callable[[dict[str, Any], Unpacker], Batch | None], ...]] = (
    _cloudwatch,
    _awslogs,
    _data_records,
    _loki,
    _otlp,
    _connect,
    _fluentd,
    _google,
    _telegraf,
    _azure,
)
_MARKS: Final = frozenset(
    {"messageType", "logEvents", "awslogs", "records", "Records", "kinesis", *_DATA}
    | {"streams", "resourceLogs", "resource_logs", "payload", "record", "jsonPayload", "fields"}
)
