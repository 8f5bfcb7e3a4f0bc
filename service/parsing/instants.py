"""Time stamps as SES writes them, read to the millisecond.

Decides what a stamp without a zone means (UTC, since AWS writes nothing else) and which years are believable. It must
never guess at a stamp that it cannot read: the caller knows what to fall back on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from service.facts import Instant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EARLIEST: Final = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LATEST: Final = (datetime(2101, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND - 1

_SHORTEST: Final = len("20161019T232052Z")  # shorter is a date or a year, and says no instant
_LONGEST: Final = 64


def instant(text: str) -> Instant | None:
    """The instant of an ISO 8601 stamp; None where it cannot be read or lies outside the years 2000 to 2100."""
    if not _SHORTEST <= len(text) <= _LONGEST:
        return None
    moment = _read(text) or _loosely(text)
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    found = (moment - _EPOCH) // _MILLISECOND
    return found if _EARLIEST <= found <= _LATEST else None


def is_believable(at: Instant) -> bool:
    """Within the years 2000 to 2100, so that every date and every sum of durations can be made of it."""
    return _EARLIEST <= at <= _LATEST


def _read(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _loosely(text: str) -> datetime | None:
    """With space around it or before the zone: AWS's own guide shows `2018-10-08T14:05:45 +0000`."""
    day_and_time, _, zone = text.strip().rpartition(" ")
    return _read(day_and_time + ("Z" if zone in {"UTC", "GMT"} else zone))
