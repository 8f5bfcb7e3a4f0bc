"""How documents are written: times as RFC 3339 text with milliseconds, records as JSON in a fixed order.

One instant and one record have exactly one text, since `ce_id` and the comparison of scan and worker hash and compare
bytes.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from service.facts import Instant

Timestamp: TypeAlias = Annotated[
    str, msgspec.Meta(extra_json_schema={"format": "date-time"}, examples=["2026-02-18T05:21:50.591Z"])
]
"""An instant in a document, as `timestamp` writes it."""

_DAY: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FIRST: Final = (date.min.toordinal() - _EPOCH_ORDINAL) * _DAY
_LAST: Final = (date.max.toordinal() - _EPOCH_ORDINAL + 1) * _DAY - 1

_ENCODER: Final = msgspec.json.Encoder()


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """The text of a second; a mail's facts share one or two, and so do the mails of a batch."""
    days, rest = divmod(seconds, 86_400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return f"{date.fromordinal(_EPOCH_ORDINAL + days).isoformat()}T{hour:02}:{minute:02}:{second:02}"


def timestamp(instant: Instant) -> str:
    """`2026-02-18T05:21:50.591Z`. Total: what lies outside the years 1 to 9999 is written as their end."""
    seconds, millis = divmod(min(max(instant, _FIRST), _LAST), 1000)
    return f"{_second(seconds)}.{millis:03}Z"


def instant_of(text: str) -> Instant:
    """The instant of an RFC 3339 text, cut to milliseconds. Raises `ValueError` where it is none or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def encode(record: msgspec.Struct) -> bytes:
    """The record's JSON, keys in the order of its fields: equal records give equal bytes."""
    return _ENCODER.encode(record)
