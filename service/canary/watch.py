"""Which canary mails are under way, which have arrived, and which are missing. Pure: told of the time by its caller.

A mail that is missing is still waited for: one that comes after all says that the way works again.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.canary.flight import Expected, Flight, Standing, speaks_of, standing
from service.contract.correlated import Correlated

if TYPE_CHECKING:
    from service.facts import Instant

MOST: Final = 500
"""Mails that are waited for; the oldest is given up for the next."""

_decode: Final = msgspec.json.Decoder(Correlated).decode


class Result(StrEnum):
    """What was said of a flight, once each."""

    ARRIVED = "arrived"
    LATE = "late"
    MISSING = "missing"


class News(NamedTuple):
    """Something that has just become known of a flight."""

    flight: Flight
    result: Result
    standing: Standing


class _Waiting:
    """A flight and the latest records of its mail."""

    def __init__(self, flight: Flight) -> None:
        self.flight, self.missing = flight, False
        self.documents: dict[str, Correlated] = {}
        self.marks = tuple(name.encode() for name in flight.names)

    def standing(self, expected: Expected, now: Instant) -> Standing:
        return standing(self.flight, self.documents.values(), expected, now)


class Watch:
    """Over the flights of one canary."""

    def __init__(self, expected: Expected, patience: int) -> None:
        """`patience` in milliseconds: when a mail is missing."""
        self._expected, self._patience = expected, patience
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    def sent(self, flight: Flight) -> None:
        """A mail is under way."""
        self._waiting[flight.message_id] = _Waiting(flight)
        while len(self._waiting) > MOST:
            self._waiting.popitem(last=False)

    def read(self, value: bytes | None, now: Instant) -> News | None:
        """A record of the correlated topic. Most are of other mails, and are not even decoded."""
        if value is None:
            return None
        about = [each for each in self._waiting.values() if any(mark in value for mark in each.marks)]
        if not about:
            return None
        document = _decode(value)
        for each in about:
            if speaks_of(each.flight, document):
                each.documents[document.mail_id] = document
                return self._landed(each, now)
        return None

    def _landed(self, each: _Waiting, now: Instant) -> News | None:
        found = each.standing(self._expected, now)
        if found.broken:
            return None
        del self._waiting[each.flight.message_id]
        return News(each.flight, Result.LATE if each.missing else Result.ARRIVED, found)

    def missing(self, now: Instant) -> list[News]:
        """Those whose time is over, each once."""
        over = [
            each for each in self._waiting.values() if not each.missing and now - each.flight.sent_at >= self._patience
        ]
        for each in over:
            each.missing = True
        return [News(each.flight, Result.MISSING, each.standing(self._expected, now)) for each in over]
