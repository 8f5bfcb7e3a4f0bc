"""DynamoDB's typed JSON, in which event recorders keep SES's events: `{"eventType": {"S": "Bounce"}}`.

Decides what is such JSON. It must never take plain JSON for it: every value has exactly one of the types' names.
"""

from __future__ import annotations

from typing import Any, Final

_DEEPEST: Final = 12
_AS_THEY_ARE: Final = frozenset({"S", "N", "BOOL", "SS", "NS", "B", "BS"})
_TYPES: Final = _AS_THEY_ARE | {"M", "L", "NULL"}


def image_of(record: dict[str, Any]) -> dict[str, Any] | None:
    """The new state of the item in a stream's record; empty where it was deleted. None: it is no such record.

    `{"eventName": "INSERT", "dynamodb": {"NewImage": {…}}}`, and as Kinesis or EventBridge pipes hand it on.
    """
    change = record.get("dynamodb")
    if not isinstance(change, dict) or not isinstance(record.get("eventName"), str):
        return None
    image = change.get("NewImage")
    return image if isinstance(image, dict) else {}


def plain(item: dict[str, Any]) -> dict[str, Any] | None:
    """The item in plain JSON; None where it is not typed."""
    if not item or not all(map(_is_typed, item.values())):
        return None
    return {name: _value(value, 0) for name, value in item.items()}


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and not _TYPES.isdisjoint(value)


def _value(value: Any, depth: int) -> Any:
    if not _is_typed(value) or depth > _DEEPEST:
        return None
    ((kind, inner),) = value.items()
    if kind == "M":
        return {name: _value(each, depth + 1) for name, each in inner.items()} if isinstance(inner, dict) else None
    if kind == "L":
        return [_value(each, depth + 1) for each in inner] if isinstance(inner, list) else None
    return inner if kind in _AS_THEY_ARE else None
