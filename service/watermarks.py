"""How far each source has provably spoken, and which of its feeds have fallen silent while mails wait for them.

Watermarks are values that travel in the log: ingest states them, every shard folds them, and a statement stays true
whoever made it and however late it is read. Nothing here looks at a clock, and nothing here judges a mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from service.facts import MINUTE, SECOND, Instant, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUCKET: Final = SECOND
DELAY_MEMORY: Final = 15 * MINUTE
"""How long a record's transport delay keeps its partition's watermark back (rule 14)."""
LATEST: Final = 256
"""Hand-offs of a feed that are remembered, the latest: enough to tell whether `stall_mails` of them wait."""
MAX_FEEDS: Final = 20_000
MIN_SAMPLE: Final = 2
"""One lost mail is never a stall, however small a shard's share of the mails is."""
ANY_SES: Final = "ses:"
"""The feed of all SES events there are: what a mail waits for of which nobody knows where SES took it."""
DOMAIN: Final = "domain:"
"""Before a sender's domain: no feed, but news that the logs speak of it."""
REFUSED: Final = "refused:"
"""Before a cause and a region: no feed, but news that SES refuses whatever the account sends there."""
MAX_HOLES: Final = 1000
OPEN: Final = 1 << 62
"""Until when evidence was lost, as long as no statement has come since."""
NEVER: Final = 0
"""The watermark of a source that is configured and has not spoken."""


class FeedNews(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one batch of records said of one feed.

    `feed` is `smtp:<host>`, `ses:<region>` or `ses:<account>/<region>/<configuration set>#delivery`. `spoken` is the
    latest hand-off (by its own time) that the feed has spoken of; `waiting` are hand-offs that wait for the feed to
    speak: when they were handed off, the latest of them. They may be repeated; that changes nothing. Of a
    `domain:<sender's domain>`, `spoken` is when a log first spoke of it.
    """

    feed: str
    spoken: Instant
    waiting: tuple[Instant, ...] = ()


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One input partition's watermark. `said_at` orders statements; `up_to` is already lowered by `delay`."""

    source: Source
    topic: str
    partition: int
    partitions: int
    up_to: Instant
    last_record_at: Instant
    delay: int
    said_at: Instant
    topics: tuple[str, ...]
    """All topics of this source; an entry of a topic that the newest statement does not list no longer counts."""


class Hole(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records that Kafka removed before they were read (rule 20). `since`, `until`: between which record times.

    `since` is `NEVER` where the reader had read nothing before: whoever folds it in may know better. `own`: it lies in
    the facts of one shard, and concerns no other.
    """

    source: Source
    topic: str
    partition: int
    first: int
    after: int
    since: Instant
    until: Instant
    own: bool = False


class Watermark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A statement of one ingest task: its partitions, and what their feeds said since the statement before."""

    entries: tuple[Entry, ...]
    news: tuple[FeedNews, ...] = ()
    holes: tuple[Hole, ...] = ()


NEWS_AT_ONCE: Final = 500
"""Feeds in one statement: each names up to 256 hand-offs, so that all of them make a record that Kafka takes."""


def parts(statement: Watermark) -> Iterator[Watermark]:
    """The statement in records that are small enough. The news come first: what moves the watermark follows them."""
    whole = len(statement.news) - len(statement.news) % NEWS_AT_ONCE
    for begin in range(0, whole, NEWS_AT_ONCE):
        yield Watermark((), statement.news[begin : begin + NEWS_AT_ONCE])
    yield Watermark(statement.entries, statement.news[whole:], statement.holes)


class Feed(msgspec.Struct, array_like=True):
    """A feed as a shard knows it."""

    spoken: Instant = NEVER
    waiting: list[Instant] = msgspec.field(default_factory=list)
    """The latest hand-offs after the one that it has last spoken of, in order."""
    since: Instant = NEVER
    """The earliest hand-off that waits, also where it is no longer among the latest."""

    def learn(self, news: FeedNews) -> None:
        """Folds in what a statement says; what the feed has spoken of no longer waits."""
        self.spoken = max(self.spoken, news.spoken)
        latest = sorted({at for at in (*self.waiting, *news.waiting) if at > self.spoken})
        self.waiting = latest[-LATEST:]
        earliest = [at for at in (self.since, *latest[:1]) if at > self.spoken]
        self.since = min(earliest, default=NEVER)

    def silent_since(self, handoff: Instant, grace: int, mails: int) -> bool:
        """Nothing has come since the hand-off, and at least `mails` mails wait (rule 15).

        The grace covers mails handed off just before the feed fell silent, whose own events were still on their way.
        """
        return self.spoken < handoff + grace and len(self.waiting) >= mails

    @property
    def last(self) -> Instant:
        """When it last spoke, or was last waited for."""
        return max(self.spoken, *self.waiting[-1:], NEVER)


class Stored(msgspec.Struct, array_like=True):
    """What a shard keeps of its sources beside the feeds, which change seldom and are kept one by one."""

    entries: dict[str, Entry]
    refused: dict[str, Instant]
    holes: dict[str, Hole]


class Watermarks(msgspec.Struct):
    """A shard's view of its sources. `fixed` overrides statements (`scan`): the watermark of each source."""

    entries: dict[str, Entry] = msgspec.field(default_factory=dict)
    feeds: dict[str, Feed] = msgspec.field(default_factory=dict)
    flying: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    """By host's feed: the shard's submissions without an id, by bucket of their last line. Counted at a restore."""
    domains: dict[str, Instant] = msgspec.field(default_factory=dict)
    """When a log first spoke of a sender's domain, by record time."""
    fresh: set[str] = msgspec.field(default_factory=set)
    """Feeds and domains of which something was heard since `take_fresh`."""
    refused: dict[str, Instant] = msgspec.field(default_factory=dict)
    """When SES last refused whatever an account sends, by `cause/region`."""
    holes: dict[str, Hole] = msgspec.field(default_factory=dict)
    """What was lost unread, by `topic/partition/first`; until no gap can overlap it any more."""
    partitions: int = 1
    """How many shards share the hosts: a count of this shard's is a sample of all."""
    configured: tuple[Source, ...] = (Source.SMTP, Source.SES)
    """The sources that exist at all: one that does not is never judged by its silence (rule 17)."""
    fixed: dict[Source, Instant] | None = None
    stalls: bool = True
    """Whether the stall rule applies; `scan --as-of` says that both sources have spoken, so there it does not."""
    _reached: dict[Source, Instant] = msgspec.field(default_factory=dict)
    """What `of` gave since the entries last changed: it is asked at every judgement."""

    @property
    def complete(self) -> bool:
        """All that there is has been read (`scan`): a line that is not there is not coming."""
        return self.fixed is not None

    def learn(self, statement: Watermark) -> None:
        """Folds a statement in; older statements about a partition change nothing."""
        for hole in statement.holes:  # first: what an entry says now is about the time after the hole
            self._lose(hole)
        self._close_own(statement)
        for entry in statement.entries:
            key = f"{entry.source}/{entry.topic}/{entry.partition}"
            known = self.entries.get(key)
            self.entries[key] = entry if known is None else _later(known, entry)
        self._reached.clear()
        self.hear(statement.news)

    def hear(self, news: Iterable[FeedNews]) -> None:
        """Folds in news of feeds."""
        for item in news:
            if item.feed.startswith(DOMAIN):
                self._hear_domain(item.feed.removeprefix(DOMAIN), item.spoken)
            elif item.feed.startswith(REFUSED):
                about = item.feed.removeprefix(REFUSED)
                self.refused[about] = max(item.spoken, self.refused.get(about, NEVER))
            elif item.feed in self.feeds or len(self.feeds) < MAX_FEEDS:
                self.feeds.setdefault(item.feed, Feed()).learn(item)
                self.fresh.add(item.feed)

    def _hear_domain(self, domain: str, at: Instant) -> None:
        known = self.domains.get(domain)
        if (known is None and len(self.domains) < MAX_FEEDS) or (known is not None and at < known):
            self.domains[domain] = at
            self.fresh.add(DOMAIN + domain)

    # -- what outlives the worker ------------------------------------------------------------------------------------

    def stored(self) -> Stored:
        """What is kept in one piece."""
        return Stored(self.entries, self.refused, self.holes)

    def recall(self, stored: Stored) -> None:
        """What `stored` gave."""
        self.entries, self.refused, self.holes = stored.entries, stored.refused, stored.holes
        self._reached.clear()

    def take_fresh(self) -> list[tuple[str, Feed]]:
        """The feeds and domains of which something was heard since the last call, each to be kept by its name."""
        fresh, self.fresh = self.fresh, set()
        return [
            (name, Feed(self.domains[name.removeprefix(DOMAIN)]) if name.startswith(DOMAIN) else self.feeds[name])
            for name in sorted(fresh)
        ]

    def recall_feed(self, name: str, feed: Feed) -> None:
        """One of those that `take_fresh` gave."""
        if name.startswith(DOMAIN):
            self.domains[name.removeprefix(DOMAIN)] = feed.spoken
        else:
            self.feeds[name] = feed

    def forget_feeds(self, before: Instant) -> list[str]:
        """Drops feeds of which nothing was heard since then, such as of hosts that are gone; returns their names."""
        gone = [name for name, feed in self.feeds.items() if feed.last < before and name not in self.flying]
        for name in gone:
            del self.feeds[name]
        self.fresh.difference_update(gone)
        return gone

    # -- what they say -----------------------------------------------------------------------------------------------

    def logged(self, domain: str, until: Instant) -> bool:
        """Whether the logs had spoken of this sender's domain by then (rule 17): later lines change no verdict."""
        first = self.domains.get(domain)
        return first is not None and first <= until

    def of(self, source: Source) -> Instant:
        """Up to when the source has provably spoken: the least over all its partitions, `NEVER` if one is unheard."""
        if self.fixed is not None:
            return self.fixed[source] if source in self.configured else NEVER
        reached = self._reached.get(source)
        if reached is None:
            reached = self._reached[source] = self._of(source)
        return reached

    def _of(self, source: Source) -> Instant:
        entries = [entry for entry in self.entries.values() if entry.source is source]
        if not entries:
            return NEVER
        topics = max(entries, key=lambda entry: (entry.said_at, entry.topics)).topics
        return min(self._topic(entries, topic) for topic in topics)

    def silent(self, feed: str, handoff: Instant, grace: int, mails: int) -> bool:
        """Whether the feed's silence since the hand-off says more about the feed than about the mail."""
        known = self.feeds.get(feed)
        return self.stalls and known is not None and known.silent_since(handoff, grace, mails)

    def lose_facts(self, topic: str, partition: int, first: int, after: int) -> None:
        """Facts of this shard's were removed unread: what the sources said since they were last heard, in part."""
        for source in self.configured:
            about = f"what {source} said, in {topic}"
            self._lose(Hole(source, about, partition, first, after, self.of(source), OPEN, own=True))

    def _close_own(self, statement: Watermark) -> None:
        """What was lost of our facts had been written before this was stated."""
        said_at = max((entry.said_at for entry in statement.entries), default=NEVER)
        for key, hole in self.holes.items():
            if hole.until == OPEN and said_at > hole.since:
                self.holes[key] = msgspec.structs.replace(hole, until=said_at)

    def _lose(self, hole: Hole) -> None:
        entry = self.entries.get(f"{hole.source}/{hole.topic}/{hole.partition}")
        if hole.since == NEVER and entry is not None:
            hole = msgspec.structs.replace(hole, since=min(entry.last_record_at, hole.until))
        key = f"{hole.topic}/{hole.partition}/{hole.first}"
        if key in self.holes or len(self.holes) < MAX_HOLES:
            self.holes.setdefault(key, hole)

    def forget_holes(self, before: Instant) -> None:
        """Drops holes that no gap can overlap any more, since all that was handed off by `before` is judged."""
        for key in [key for key, hole in self.holes.items() if hole.until < before]:
            del self.holes[key]

    def lost(self, source: Source, since: Instant, until: Instant) -> bool:
        """Whether what the source should have said between the two may be among what was lost unread (rule 20)."""
        return any(h.source is source and h.since <= until and h.until >= since for h in self.holes.values())

    def enough(self, mails: int) -> int:
        """How many of a shard's mails stand for `mails` of all shards'."""
        return max(MIN_SAMPLE, -(-mails // self.partitions)) if self.partitions > 1 else mails

    def silent_host(self, submission: str, last_line: Instant, grace: int, mails: int) -> bool:
        """Whether a mail server's log broke off with this mail and others in flight (rule 15)."""
        host = _host(submission)
        if not self.stalls or self._spoken(host) >= last_line + grace:
            return False
        return self.in_flight(host, grace) >= self.enough(mails)

    def in_flight(self, host: str, grace: int) -> int:
        """How many of the shard's submissions were in flight when the host's feed last spoke."""
        since = (self._spoken(host) - grace) // BUCKET
        return sum(count for bucket, count in self.flying.get(host, {}).items() if bucket >= since)

    def fly(self, submission: str, last_line: Instant, change: int) -> None:
        """One submission more (1), or one less (-1), is without an id; `last_line` is when it was last spoken of."""
        host, bucket = _host(submission), last_line // BUCKET
        flying = self.flying.setdefault(host, {})
        count = flying.pop(bucket, 0) + change
        if count:
            flying[bucket] = count
        elif not flying:
            del self.flying[host]

    def _spoken(self, feed: str) -> Instant:
        known = self.feeds.get(feed)
        return NEVER if known is None else known.spoken

    def _topic(self, entries: list[Entry], topic: str) -> Instant:
        mine = {entry.partition: entry for entry in entries if entry.topic == topic}
        if not mine:
            return NEVER
        count = max(entry.partitions for entry in mine.values())
        return min(mine[p].up_to if p in mine else NEVER for p in range(count))


def _later(one: Entry, other: Entry) -> Entry:
    """Both statements stay true: it has spoken as far as the farther says, and of the topics the newer knows more."""
    other = _delayed(one, other)
    newer = max(one, other, key=lambda entry: (entry.said_at, entry.topics))
    return msgspec.structs.replace(
        newer,
        up_to=max(one.up_to, other.up_to),
        partitions=max(one.partitions, other.partitions),
        last_record_at=max(one.last_record_at, other.last_record_at),
        said_at=max(one.said_at, other.said_at),
    )


def _delayed(known: Entry, said: Entry) -> Entry:
    """A worker that has just begun, and has read nothing, knows of no delay: the one before it may have seen some."""
    if said.last_record_at != NEVER or said.said_at >= known.last_record_at + DELAY_MEMORY:
        return said
    return msgspec.structs.replace(said, up_to=max(said.up_to - known.delay, NEVER), delay=known.delay)


def host_of(submission: str) -> str:
    """The host in a submission's name."""
    return submission.partition("/")[0]


def _host(submission: str) -> str:
    return f"smtp:{host_of(submission)}"
