"""What facts say of the feeds they came through: who has spoken up to which hand-off, and who is waited for.

A feed is one host's log, or SES's events of one region (or of all), or the Delivery events of one configuration set
(rule 15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.facts import (
    ACCOUNT_WIDE,
    Accepted,
    Deferred,
    Delivered,
    Described,
    Fact,
    Instant,
    Name,
    Queued,
    Refused,
    Sent,
    Sighting,
    Unconfirmed,
)
from service.judge_mail import delivery_feed
from service.parsing.addresses import domain
from service.parsing.ses_id import id_clock, region
from service.watermarks import ANY_SES, DOMAIN, REFUSED, FeedNews, news_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class Listener:
    """Adds up news of feeds until they are taken."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._counts: dict[str, tuple[Instant, set[Instant]]] = {}

    def hear(self, facts: Iterable[tuple[Name, Fact]], sighting: Sighting) -> None:
        """Takes in the facts of one record, as the parser gave them."""
        described: Described | None = None
        for name, fact in facts:
            if isinstance(fact, Described):
                described = fact
                accepted = _accepted(name, fact.at)
                self._spoke(f"ses:{_region(name, fact.region)}", accepted)
                self._spoke(ANY_SES, accepted)
            elif name[:2] == b"Q:":
                self._line(name, fact, sighting)
            elif name[:2] == b"S:":
                self._mail(name, fact, described)

    def take(self) -> tuple[FeedNews, ...]:
        """The news since the last call."""
        counts, self._counts = self._counts, {}
        return news_of(counts)

    def _line(self, name: Name, fact: Fact, sighting: Sighting) -> None:
        self._spoke("smtp:" + name[2:].partition(b"/")[0].decode(), sighting.seen)
        if isinstance(fact, Queued) and fact.sender:
            self._sends(domain(fact.sender), sighting.seen)
        elif isinstance(fact, Unconfirmed):
            self._waits(ANY_SES, sighting.seen)
        elif isinstance(fact, Deferred | Refused) and fact.cause in ACCOUNT_WIDE:
            self._spoke(f"{REFUSED}{fact.cause}/{fact.region}", sighting.seen)

    def _mail(self, name: Name, fact: Fact, described: Described | None) -> None:
        if isinstance(fact, Accepted):
            self._waits(f"ses:{_region(name, fact.region)}", _accepted(name, fact.at))
            self._waits(ANY_SES, _accepted(name, fact.at))
        elif described is not None and isinstance(fact, Sent | Delivered):
            where = _region(name, described.region)
            feed = delivery_feed(described.account, where, described.configuration_set)
            act = self._waits if isinstance(fact, Sent) else self._spoke
            act(feed, _accepted(name, described.at))

    def _spoke(self, feed: str, at: Instant) -> None:
        spoken, waiting = self._counts.get(feed, (0, set()))
        self._counts[feed] = (max(spoken, at), waiting)

    def _sends(self, sender_domain: str, at: Instant) -> None:
        feed = DOMAIN + sender_domain
        first, _ = self._counts.get(feed, (at, set()))
        self._counts[feed] = (min(first, at), set())

    def _waits(self, feed: str, at: Instant) -> None:
        _, waiting = self._counts.setdefault(feed, (0, set()))
        waiting.add(at)


def _region(name: Name, otherwise: str) -> str:
    return region(name[2:].decode()) or otherwise


def _accepted(name: Name, otherwise: Instant) -> Instant:
    clock = id_clock(name[2:].decode())
    return otherwise if clock is None else clock
