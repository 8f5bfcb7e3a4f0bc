"""What facts say of the feeds they came through: who has spoken up to which hand-off, and who is waited for.

A feed is one host's log, or SES's events of one region (or of all), or the Delivery events of one configuration set
(rule 15).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

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
from service.watermarks import ANY_SES, DOMAIN, LATEST, REFUSED, FeedNews

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Heard:
    """What was heard of one feed: up to when it has spoken, and the latest hand-offs that wait for it."""

    __slots__ = ("spoken", "waiting")

    def __init__(self, spoken: Instant) -> None:
        self.spoken = spoken
        self.waiting: set[Instant] = set()


class Listener:
    """Adds up news of feeds until they are taken."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._feeds: dict[str, _Heard] = {}
        self._hosts: dict[bytes, _Heard] = {}
        """The feeds of hosts by their beginning of a submission's name: they are asked for with every line."""

    def hear(self, facts: Iterable[tuple[Name, Fact]], sighting: Sighting) -> None:
        """Takes in the facts of one record, as the parser gave them."""
        described: Described | None = None
        for name, fact in facts:
            if type(fact) is Described:
                described = fact
                accepted, where = _accepted(name, fact.at), _region(name, fact.region)
                self._spoke(f"ses:{where}", accepted)
                self._spoke(ANY_SES, accepted)
            elif name[:2] == b"Q:":
                self._line(name, fact, sighting)
            elif type(fact) in _OF_MAILS and name[:2] == b"S:":
                self._mail(name, fact, described)

    def take(self) -> tuple[FeedNews, ...]:
        """The news since the last call."""
        feeds, self._feeds, self._hosts = self._feeds, {}, {}
        return tuple(
            FeedNews(feed, heard.spoken, tuple(sorted(heard.waiting)[-LATEST:])) for feed, heard in feeds.items()
        )

    def _line(self, name: Name, fact: Fact, sighting: Sighting) -> None:
        host = name.partition(b"/")[0]
        heard = self._hosts.get(host)
        if heard is None:
            self._hosts[host] = self._spoke("smtp:" + host[2:].decode(), sighting.seen)
        elif sighting.seen > heard.spoken:
            heard.spoken = sighting.seen
        if type(fact) is Queued:
            if fact.sender:
                self._sends(domain(fact.sender), sighting.seen)
        elif isinstance(fact, Unconfirmed):
            self._waits(ANY_SES, sighting.seen)
        elif isinstance(fact, _FAILED) and fact.cause in ACCOUNT_WIDE:
            self._spoke(f"{REFUSED}{fact.cause}/{fact.region}", sighting.seen)

    def _mail(self, name: Name, fact: Fact, described: Described | None) -> None:
        if isinstance(fact, Accepted):
            accepted = _accepted(name, fact.at)
            self._waits(f"ses:{_region(name, fact.region)}", accepted)
            self._waits(ANY_SES, accepted)
        elif described is not None and isinstance(fact, Sent | Delivered):
            where = _region(name, described.region)
            feed = delivery_feed(described.account, where, described.configuration_set)
            act = self._waits if isinstance(fact, Sent) else self._spoke
            act(feed, _accepted(name, described.at))

    def _spoke(self, feed: str, at: Instant) -> _Heard:
        heard = self._feeds.get(feed)
        if heard is None:
            heard = self._feeds[feed] = _Heard(max(at, 0))
        elif at > heard.spoken:
            heard.spoken = at
        return heard

    def _sends(self, sender_domain: str, at: Instant) -> None:
        feed = DOMAIN + sender_domain
        heard = self._feeds.get(feed)
        if heard is None:
            self._feeds[feed] = _Heard(at)
        elif at < heard.spoken:
            heard.spoken = at

    def _waits(self, feed: str, at: Instant) -> None:
        heard = self._feeds.get(feed)
        if heard is None:
            heard = self._feeds[feed] = _Heard(0)
        heard.waiting.add(at)
        if len(heard.waiting) > _CROWDED:  # `scan` takes the news once, after all that it has read
            heard.waiting = set(sorted(heard.waiting)[-LATEST:])


def together(every: Iterable[Iterable[FeedNews]]) -> tuple[FeedNews, ...]:
    """The news of several listeners, as one would have heard them that had listened to all."""
    found: dict[str, FeedNews] = {}
    for news in chain.from_iterable(every):
        known = found.get(news.feed, news)
        spoken = (min if news.feed.startswith(DOMAIN) else max)(known.spoken, news.spoken)
        waiting = sorted({*known.waiting, *news.waiting})[-LATEST:]
        found[news.feed] = FeedNews(news.feed, spoken, tuple(waiting))
    return tuple(found.values())


_FAILED: Final = (Deferred, Refused)
_OF_MAILS: Final = frozenset({Accepted, Sent, Delivered})
_CROWDED: Final = 8 * LATEST


def _region(name: Name, otherwise: str) -> str:
    return region(name[2:].decode()) or otherwise


def _accepted(name: Name, otherwise: Instant) -> Instant:
    clock = id_clock(name[2:].decode())
    return otherwise if clock is None else clock
