"""A log handler that tells what libraries repeat once, and then how often: one broker away made 600 lines a second.

What mailgap itself says is never held back: it adds up on its own.
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typing import TextIO

EVERY: Final = 60.0
"""Seconds for which a line's like are counted instead of written."""
MOST_KINDS: Final = 200
"""Kinds of lines that are told apart; beyond it, all of a logger's lines of one level count as alike."""
OURS: Final = "mailgap"

_VARIES: Final = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")
"""What differs between lines that say the same: offsets, ports, names."""


@dataclass(slots=True)
class _Held:
    """Lines of one kind that were not written, up to when; `last` is the newest of them."""

    until: float
    count: int = 0
    last: logging.LogRecord | None = None


class RepeatsHandler(logging.StreamHandler[Any]):
    """Writes to a stream. Time is that of the records, so it needs no clock and no thread."""

    def __init__(self, stream: TextIO) -> None:
        """Nothing has been said yet."""
        super().__init__(stream)
        self._held: dict[tuple[str, int, str], _Held] = {}
        self._due = math.inf

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, under the handler's lock."""
        if record.created >= self._due:
            self._tell(record.created)
        if record.name.partition(".")[0] != OURS and self._holds(record):
            return
        super().emit(record)

    def close(self) -> None:
        """Says what is still untold."""
        self.acquire()
        try:
            self._tell(math.inf)
        finally:
            self.release()
        super().close()

    def _holds(self, record: logging.LogRecord) -> bool:
        """Whether the like of it was written a moment ago; it is counted then."""
        kind = _VARIES.sub("#", record.getMessage())
        key = (record.name, record.levelno, kind)
        if key not in self._held and len(self._held) >= MOST_KINDS:
            key = (record.name, record.levelno, "")
        held = self._held.get(key)
        if held is None:
            self._held[key] = _Held(record.created + EVERY)
            self._due = min(self._due, record.created + EVERY)
            return False
        held.count += 1
        held.last = record
        return True

    def _tell(self, now: float) -> None:
        """How many of each kind were held back, where its time is over."""
        over = {key: held for key, held in self._held.items() if held.until <= now}
        for key, held in over.items():
            del self._held[key]
            if held.last is not None:
                super().emit(_summary(held.last, held.count))
        self._due = min((held.until for held in self._held.values()), default=math.inf)


def _summary(last: logging.LogRecord, count: int) -> logging.LogRecord:
    message = f"{last.getMessage()} (the latest of {count} like it that were not written)"
    record = logging.LogRecord(last.name, last.levelno, last.pathname, last.lineno, message, None, None)
    record.__dict__.update(event="repeated", fields={"count": count}, created=last.created, msecs=last.msecs)
    return record
