"""CloudEvents 1.0 headers for Kafka, binary mode: the value stays our own document.

`ce_id` follows from what is published, never from chance or a clock, so that a replay gives the same id and a consumer
can drop what it has seen by it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from service.contract.wire import timestamp

if TYPE_CHECKING:
    from service.facts import Instant

CORRELATED: Final = "mailgap.correlated.v1"
GAP: Final = "mailgap.gap.v1"
CONDITION: Final = "mailgap.condition.v1"

SOURCE: Final = "urn:mailgap:"
"""What an application's name (`--prefix`) is appended to."""

HEADERS: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type")


def headers(
    event_type: str, identity: str, revision: int, value: bytes, *, prefix: str, at: Instant | None = None
) -> list[tuple[str, bytes]]:
    """The headers of one document: `identity` is its mail or gap id, `at` an instant out of the log, if any."""
    source, kind = _constant(prefix, event_type)
    written = [_VERSION, ("ce_id", event_id(identity, revision, value).encode()), source, kind]
    if at is not None:
        written.append(("ce_time", timestamp(at).encode()))
    written.append(_CONTENT_TYPE)
    return written


@lru_cache
def _constant(prefix: str, event_type: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    return ("ce_source", (SOURCE + prefix).encode()), ("ce_type", event_type.encode())


_VERSION: Final = "ce_specversion", b"1.0"
_CONTENT_TYPE: Final = "content-type", b"application/json"


def event_id(identity: str, revision: int, value: bytes) -> str:
    """SHA-256 over mail or gap id, revision and content. No id holds a NUL, so no two inputs read alike."""
    return hashlib.sha256(b"\0".join((identity.encode(), b"%d" % revision, value))).hexdigest()
