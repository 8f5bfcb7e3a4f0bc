"""The headers of a record that came over a bridge: where it was, and how far behind its queue is (rule 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "__mailgap.bridge."
QUEUE: Final = PREFIX + "queue"
RECORD_ID: Final = PREFIX + "record_id"
SENT_AT: Final = PREFIX + "sent_at"
RECEIVES: Final = PREFIX + "receives"
OLDEST_AGE: Final = PREFIX + "oldest_age_ms"
OBJECT: Final = PREFIX + "object"
ATTRIBUTE: Final = PREFIX + "attribute."
"""Before the name of an attribute that the sender gave."""

LONGEST: Final = 14 * 24 * 3600 * 1000
"""Milliseconds for which SQS keeps a record at most."""


def oldest_age(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """Milliseconds by which the record's queue was behind; 0 where no bridge says so."""
    for name, value in headers:
        if name == OLDEST_AGE and value is not None and value.isdigit() and len(value) <= _DIGITS:
            return min(int(value), LONGEST)
    return 0


_DIGITS: Final = 15
