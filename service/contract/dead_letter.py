"""The headers of a dead letter: where the record came from, and why it could not be used.

The value and key are the original bytes, untouched, so that a repaired parser can read them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from service.facts import Instant, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "__mailgap.errors."


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record was read, its own timestamp, why and at which stage it failed, and which version said so."""

    topic: str
    partition: int
    offset: int
    timestamp: Instant
    reason: Reason
    stage: str
    version: str


HEADERS: Final = tuple(PREFIX + field for field in DeadLetter.__struct_fields__)
"""The names, in the order in which they are written."""


def headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """The headers to add to the original's own; every value is text."""
    return [(PREFIX + field, str(getattr(letter, field)).encode()) for field in DeadLetter.__struct_fields__]


def read(found: Iterable[tuple[str, bytes | None]]) -> DeadLetter | None:
    """What `headers` wrote (a record that died twice: the last time), or None where a header is missing or spoilt."""
    values = {
        name.removeprefix(PREFIX): (value or b"").decode(errors="replace")
        for name, value in found
        if name.startswith(PREFIX)
    }
    try:
        return msgspec.convert(values, DeadLetter, strict=False)
    except msgspec.ValidationError:
        return None
