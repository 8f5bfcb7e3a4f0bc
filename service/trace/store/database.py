"""What the store asks of a database, and what both of ours answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

Row = tuple[Any, ...]


class StoreError(Exception):
    """The store cannot be used; the text says why and the way out."""


class TooBroadError(Exception):
    """A question took longer than `PATIENCE`: it must be asked more narrowly."""


PATIENCE = 5.0
"""Seconds that one question may take."""


class Database(Protocol):
    """SQL with `?` for parameters. Reads may come from any thread, writes from one at a time."""

    @property
    def segments(self) -> Sequence[str]:
        """The tables of names, the newest last; a name may stand in any of them."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows that answer. Raises `TooBroadError`."""

    def transaction(self) -> AbstractContextManager[None]:
        """All writes within are kept, or none is; of several processes only one is within at a time."""

    def write(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """One statement within a transaction, and what it returns."""

    def write_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement, many times, within a transaction."""

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, object]:
        """A condition that the column has one of these values, and its parameter."""

    def next_segment(self, mails: int) -> str:
        """The table for the names of the mails up to this number; a new one where the last is full."""

    def drop_segments(self, before: int) -> None:
        """Removes, within a transaction, names of mails of before that instant, as far as that is cheap."""

    def bytes_used(self) -> int:
        """How much it takes on disk."""

    def close(self) -> None:
        """Ends all connections."""
