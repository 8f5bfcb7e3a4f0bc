"""The SES message id, `<region: 4 hex><accepted at: 12 hex, Unix ms>-<uuid>-<6 digits>`.

Decides when the clock and the region that an id carries may be used. AWS documents neither, so both are hints that
hold only for the strict form, and an id that lacks it must never be turned away: anonymised ids join like any other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from service.facts import HOUR
from service.parsing.instants import is_believable

if TYPE_CHECKING:
    from service.facts import Instant

_STRICT: Final = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{6}").fullmatch
_CLOCK: Final = slice(4, 16)

_DAY: Final = 24 * HOUR
_YEAR: Final = 366 * _DAY
# 2010-01-01T00:00:00Z. SES opened in 2011; a clock before that is not a clock.
_BEFORE_SES: Final = 1_262_304_000_000

# Measured on ids whose Message-ID domain names the region (FACTS section 2). Ids before about 2016 begin with 0000.
_REGIONS: Final = {
    "0000": "us-east-1",
    "0100": "us-east-1",
    "0101": "us-west-2",
    "0102": "eu-west-1",
    "0103": "sa-east-1",
    "0106": "ap-northeast-1",
    "0107": "eu-central-1",
    "0108": "ap-southeast-2",
    "0109": "ap-south-1",
    "010b": "eu-west-2",
    "010c": "ap-northeast-2",
    "010d": "ca-central-1",
    "010e": "ap-southeast-1",
    "010f": "us-east-2",
    "0110": "eu-north-1",
    "0111": "us-west-1",
    "0113": "eu-west-3",
}


def accepted_at(ses_id: str, fallback: Instant, now: Instant) -> Instant:
    """When SES accepted the mail: by the id's clock where that lies within the year before `now`, else `fallback`."""
    clock = id_clock(ses_id)
    if clock is None or not now - _YEAR <= clock <= now + _DAY:
        return fallback
    return clock


def id_clock(ses_id: str) -> Instant | None:
    """What the id's clock says, however long ago; None without the strict form or outside SES's life."""
    return _read(ses_id)[0]


def region(ses_id: str) -> str:
    """The region that the id's first four digits stand for; empty where unknown. Only a hint: relay and ARN know."""
    return _read(ses_id)[1]


@lru_cache(maxsize=4096)
def _read(ses_id: str) -> tuple[Instant | None, str]:
    """The id's clock and region. Cached: a mail's id is asked for once a fact and several times a judgement."""
    if not _STRICT(ses_id):
        return None, ""
    clock = int(ses_id[_CLOCK], 16)
    believed = clock if clock >= _BEFORE_SES and is_believable(clock) else None
    return believed, _REGIONS.get(ses_id[:4], "")
