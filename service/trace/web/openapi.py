"""The OpenAPI 3.1 document, made from the table of questions: `python -m service.trace.web.openapi` writes the file.

It is committed, since clients are made from it; a test fails when it is out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from service.trace.web.api import BASE, ENDPOINTS, Endpoint
from service.trace.web.problems import TYPE, Problem

FILE: Final = Path(__file__).parents[1] / "openapi.json"

Schema = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_PROBLEMS: Final = {
    "400": "The request cannot be understood, or asks for too much at once.",
    "401": "Nobody is signed in.",
    "403": "Raw addresses take the role `unmask`.",
    "404": "There is nothing here.",
    "405": "Only GET and HEAD.",
    "429": "Too many requests: wait as long as Retry-After says.",
    "503": "The store is away: ask again.",
}


def document() -> Schema:
    """All of it."""
    structs = [*(endpoint.returns for endpoint in ENDPOINTS), *(endpoint.parameters for endpoint in ENDPOINTS), Problem]
    _, components = msgspec.json.schema_components(structs, ref_template=_REF)
    asked = {endpoint.parameters.__name__ for endpoint in ENDPOINTS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mailgap trace",
            "version": "1.0.0",
            "description": "What became of each mail handed to Amazon SES. Times are RFC 3339, in UTC. Keys are only"
            " ever added.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": BASE}],
        "security": [{}, {"token": []}],
        "paths": {endpoint.path: {"get": _operation(endpoint, components)} for endpoint in ENDPOINTS},
        "components": {
            "schemas": {name: schema for name, schema in sorted(components.items()) if name not in asked},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, components: dict[str, Schema]) -> Schema:
    properties = components[endpoint.parameters.__name__]["properties"]
    parameters = [
        {"name": name, "in": "query", "required": False, **_described(schema)} for name, schema in properties.items()
    ]
    if "{mail_id}" in endpoint.path:
        parameters.insert(0, {"name": "mail_id", "in": "path", "required": True, **_MAIL_ID})
    found = {"application/json": {"schema": {"$ref": _REF.format(name=endpoint.returns.__name__)}}}
    headers = {
        "ETag": {"schema": {"type": "string"}, "description": "Send it as If-None-Match to hear only of changes."}
    }
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "The answer.", "headers": headers, "content": found},
            "304": {"description": "Nothing has changed."},
        }
        | {status: _problem(text) for status, text in _PROBLEMS.items()},
    }


_MAIL_ID: Final[Schema] = {
    "description": "The mail's id, percent-encoded: an SES message id, or that of a submission.",
    "schema": {"type": "string", "minLength": 1},
}


def _described(schema: Schema) -> Schema:
    """A parameter's description belongs to it, and not to its schema."""
    said = {"description": schema["description"]} if "description" in schema else {}
    return said | {"schema": {key: value for key, value in schema.items() if key != "description"}}


def _problem(text: str) -> Schema:
    return {"description": text, "content": {TYPE: {"schema": {"$ref": _REF.format(name=Problem.__name__)}}}}


def written() -> str:
    """The file's text."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Writes the file."""
    FILE.write_text(written(), encoding="utf-8")


if __name__ == "__main__":
    main()
