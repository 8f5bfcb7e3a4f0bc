"""Which mail server has the mail of a Message-ID: said by ingest, so that it is known as soon as the line is read.

An application and its mail server may both log one mail. The application's statement, which names nothing but the
Message-ID, then need not be missed: the mail server answers for it. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.facts import Carried, Fact, Identified, Instant, Name, message_id_name
from service.lives import is_one_mail
from service.submission import zone

if TYPE_CHECKING:
    from collections.abc import Iterable


def carriers(facts: Iterable[tuple[Name, Fact]], seen: Instant) -> list[tuple[Name, Fact]]:
    """Under the Message-IDs that a record names: the submissions that a mail server has them as."""
    return [
        (message_id_name(fact.message_id), Carried(_utc(fact, seen), submission))
        for name, fact in facts
        if type(fact) is Identified and not is_one_mail(submission := name[2:].decode())
    ]


def _utc(fact: Identified, seen: Instant) -> Instant:
    return min(fact.at + zone(seen - fact.at) if fact.floating else fact.at, seen)
