"""What the sinks' documentation says they take, as JSON Schemas: names, required fields, lengths, closed words.

PagerDuty: Events API v2, "Send an event". Slack: "Incoming webhooks" and Block Kit's rich text block. Alertmanager:
`postableAlerts` in its `api/v2/openapi.yaml`. SNS: the Publish action.
"""

from __future__ import annotations

_TIME = {"type": "string", "format": "date-time"}
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}

_PAYLOAD = {
    "type": "object",
    "required": ["summary", "source", "severity"],
    "additionalProperties": False,
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
        "source": {"type": "string", "minLength": 1},
        "severity": {"enum": ["critical", "error", "warning", "info"]},
        "timestamp": _TIME,
        "component": {"type": "string"},
        "group": {"type": "string"},
        "class": {"type": "string"},
        "custom_details": {"type": "object"},
    },
}
PAGERDUTY = {
    "type": "object",
    "required": ["routing_key", "event_action"],
    "additionalProperties": False,
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "maxLength": 255},
        "client": {"type": "string"},
        "client_url": {"type": "string"},
        "payload": _PAYLOAD,
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["href"],
                "additionalProperties": False,
                "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": {"type": "string"}},
            },
        },
    },
    "allOf": [
        {
            "if": {"properties": {"event_action": {"const": "trigger"}}},
            "then": {"required": ["payload"]},
            "else": {"required": ["dedup_key"]},
        }
    ],
}

_STYLE = {"type": "object", "additionalProperties": {"type": "boolean"}}
_SECTION = {
    "type": "object",
    "required": ["type", "elements"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "rich_text_section"},
        "elements": {
            "type": "array",
            "minItems": 1,
            "items": {
                "oneOf": [
                    {
                        "required": ["type", "text"],
                        "additionalProperties": False,
                        "properties": {
                            "type": {"const": "text"},
                            "text": {"type": "string", "minLength": 1},
                            "style": _STYLE,
                        },
                    },
                    {
                        "required": ["type", "url"],
                        "additionalProperties": False,
                        "properties": {
                            "type": {"const": "link"},
                            "url": {"type": "string", "pattern": "^https?://"},
                            "text": {"type": "string"},
                            "style": _STYLE,
                        },
                    },
                ]
            },
        },
    },
}
_LIST = {
    "type": "object",
    "required": ["type", "style", "elements"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "rich_text_list"},
        "style": {"enum": ["bullet", "ordered"]},
        "elements": {"type": "array", "items": _SECTION},
    },
}
SLACK = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string", "maxLength": 40_000},
        "unfurl_links": {"type": "boolean"},
        "unfurl_media": {"type": "boolean"},
        "blocks": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["type", "elements"],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "rich_text"},
                    "elements": {"type": "array", "items": {"oneOf": [_SECTION, _LIST]}},
                },
            },
        },
    },
}

ALERTMANAGER = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["labels"],
        "additionalProperties": False,
        "properties": {
            "labels": {**_STRINGS, "required": ["alertname"]},
            "annotations": _STRINGS,
            "startsAt": _TIME,
            "endsAt": _TIME,
            "generatorURL": {"type": "string", "format": "uri"},
        },
    },
}

SNS = {
    "type": "object",
    "required": ["Message"],
    "additionalProperties": False,
    "properties": {
        "Subject": {"type": "string", "maxLength": 100, "pattern": r"^[A-Za-z0-9!-/:-@\[-`{-~][ -~]*$"},
        "Message": {"type": "string", "minLength": 1, "maxLength": 262_144},
        "MessageAttributes": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["DataType", "StringValue"],
                "additionalProperties": False,
                "properties": {"DataType": {"const": "String"}, "StringValue": {"type": "string", "minLength": 1}},
            },
        },
    },
}
