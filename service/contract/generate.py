"""Writes the published schemas from the structs: `python -m service.contract.generate`.

The files are committed, since consumers read them without running our code; a test fails when they are out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from service.contract import cloudevents, condition, correlated, dead_letter, gap, notification
from service.facts import Reason

FOLDER: Final = Path(__file__).parent / "schemas"

Schema = dict[str, Any]

_STRUCTS: Final[tuple[tuple[str, type[msgspec.Struct], str], ...]] = (
    ("correlated-1.schema.json", correlated.Correlated, "urn:mailgap:schema:correlated:1"),
    ("gap-1.schema.json", gap.GapRecord, "urn:mailgap:schema:gap:1"),
    ("notification-1.schema.json", notification.Notification, "urn:mailgap:schema:notification:1"),
    ("condition-1.schema.json", condition.ConditionRecord, "urn:mailgap:schema:condition:1"),
)


_SPARSE: Final = frozenset({correlated.Detail.__name__, correlated.TrailEntry.__name__})


def files() -> dict[str, str]:
    """Every published file by name."""
    schemas = {name: json.dumps(schema(of, urn), indent=2) + "\n" for name, of, urn in _STRUCTS}
    return schemas | {"asyncapi.yaml": yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120)}


def schema(of: type[msgspec.Struct], urn: str) -> Schema:
    """A struct's JSON Schema: enums closed, unknown keys allowed (we only ever add), what we always write required."""
    _, components = msgspec.json.schema_components((of,), ref_template="#/$defs/{name}")
    definitions = {name: _promise(name, definition) for name, definition in sorted(components.items())}
    root = definitions.pop(of.__name__)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": urn} | root | {"$defs": definitions}


def _promise(name: str, definition: Schema) -> Schema:
    """What the encoder does, said in the schema: keys with a default are written too, except where nothing was said."""
    if definition.get("type") != "object":
        return {"title": definition["title"], "description": definition["description"], "type": "string"} | definition
    properties = {key: _without_default(value) for key, value in definition["properties"].items()}
    required = definition.get("required", []) if name in _SPARSE else list(properties)
    return definition | {"properties": properties, "required": required, "additionalProperties": True}


def _without_default(value: Schema) -> Schema:
    """A default is how our code fills a key in, and nothing that a reader may assume."""
    value = {key: said for key, said in value.items() if key != "default"}
    match value:
        case {"enum": [only]}:
            return {"const": only}
        case _:
            return value


def asyncapi() -> Schema:
    """The topics that others read, as an AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "mailgap",
            "version": "1.0.0",
            "description": "What became of each mail handed to Amazon SES. Read with isolation.level=read_committed;"
            " skip documents whose `schema` you do not know, and keys that you do not know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "correlated": _channel("correlated", "Every change of a verdict. The latest record of a key is the truth."),
            "gaps": _channel("gaps", "A gap opened, resolved or closed; a condition raised or cleared.", "conditions"),
            "deadLetters": _channel(
                "dead-letters", "Input that could not be used, as it came. It holds raw addresses."
            ),
        },
        "operations": {
            f"send{name[0].upper()}{name[1:]}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
            for name in ("correlated", "gaps", "deadLetters")
        },
        "components": {
            "parameters": {"prefix": {"description": "The application's name (--prefix).", "default": "mailgap"}},
            "messages": {
                "correlated": _document("The mail_id.", "correlated-1.schema.json", cloudevents.CORRELATED),
                "gaps": _document("The gap_id.", "gap-1.schema.json", cloudevents.GAP),
                "conditions": _document("The condition_id.", "condition-1.schema.json", cloudevents.CONDITION),
                "dead-letters": _dead_letter(),
            },
        },
    }


def _channel(topic: str, description: str, *others: str) -> Schema:
    return {
        "address": "{prefix}-" + topic,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (topic, *others)},
        "parameters": {"prefix": {"$ref": "#/components/parameters/prefix"}},
    }


def _document(key: str, file: str, event_type: str) -> Schema:
    values = {name: {"type": "string"} for name in cloudevents.HEADERS}
    values["ce_specversion"] = {"type": "string", "const": "1.0"}
    values["ce_type"] = {"type": "string", "const": event_type}
    values["ce_time"] = {"type": "string", "format": "date-time"}
    values["ce_id"] = {"type": "string", "description": "SHA-256 over key, revision and content; the same in a replay."}
    return {
        "contentType": "application/json",
        "headers": {"type": "object", "properties": values, "required": [n for n in values if n != "ce_time"]},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{file}"},
        },
        "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
    }


def _dead_letter() -> Schema:
    values: Schema = {name: {"type": "string"} for name in dead_letter.HEADERS}
    values[dead_letter.PREFIX + "reason"] = {"type": "string", "enum": sorted(reason.value for reason in Reason)}
    values[dead_letter.PREFIX + "timestamp"] = {"type": "string", "description": "Of the record, in Unix milliseconds."}
    return {
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": values, "required": list(values)},
        "payload": {"type": "string", "format": "binary", "description": "The original bytes."},
        "bindings": {"kafka": {"key": {"type": "string", "description": "The original key."}}},
    }


def main() -> None:
    """Writes the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
