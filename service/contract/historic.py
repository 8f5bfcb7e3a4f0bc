"""The header of records that `mailgap backfill` wrote: history, which nobody is paged for (rule 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "__mailgap.historic"
RECORD: Final = b"record"
END: Final = b"end"
"""Of the last record of each partition, which is empty: up to its time the source has spoken, and no further."""


def is_historic(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether a backfill wrote the record."""
    return any(name == NAME for name, _ in headers)


def is_end(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether it is the last of its partition."""
    return (NAME, END) in list(headers)
