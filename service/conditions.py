"""What concerns many mails at once (rule 16): judged from the watermarks alone, raised once, cleared once.

A source that has gone quiet, a feed that never spoke, an account that SES refuses, evidence that was removed unread.
Every shard sees all watermarks; each condition belongs to one of them, so that it is announced once. Pure.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

import msgspec

from service import rows
from service.contract.condition import ConditionRecord
from service.contract.enums import Condition, ConditionState
from service.contract.wire import timestamp
from service.explanations.conditions import TEXTS, words
from service.facts import Instant, Source
from service.watermarks import ANY_SES, NEVER, Watermarks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.policy import Policy

ANY_HOST: Final = "smtp:"
"""The logs of all hosts there are."""
_DELIVERIES: Final = "#delivery"


class Finding(NamedTuple):
    """A condition that holds. `about` names the feed, the cause and region, or the topic's partition and offset."""

    condition: Condition
    source: Source
    about: str
    since: Instant
    own: bool = False
    """No other shard knows of it."""

    @property
    def condition_id(self) -> str:
        """Stable for ever: what it is and what it is about."""
        return hashlib.sha256(f"condition\0{self.condition}\0{self.about}".encode()).hexdigest()[:32]


class Known(msgspec.Struct, array_like=True):
    """A condition as it was announced."""

    condition: Condition
    source: Source
    about: str
    since: Instant
    revision: int
    raised: bool = True


_decoder = msgspec.msgpack.Decoder(dict[str, Known])


class Conditions:
    """The conditions that one shard announces."""

    def __init__(self, policy: Policy, runbooks: str, shard: int = 0, shards: int = 1) -> None:
        """`shard` of so many `shards`; `runbooks` is the base of the links."""
        self._policy, self._runbooks, self._shard, self._shards = policy, runbooks, shard, shards
        self.known: dict[str, Known] = {}

    def update(self, marks: Watermarks) -> list[tuple[str, ConditionRecord]]:
        """Every change since the last call, as (condition id, record)."""
        found = {f.condition_id: f for f in findings(marks, self._policy) if f.own or self._is_mine(f.about)}
        changes: list[tuple[str, ConditionRecord]] = []
        for identity, finding in found.items():
            known = self.known.get(identity)
            if known is None or not known.raised:
                revision = 1 if known is None else known.revision + 1
                condition, source, about, since, _ = finding
                self.known[identity] = known = Known(condition, source, about, since, revision)
                changes.append((identity, self._record(identity, known, None)))
        for identity, known in self.known.items():
            if known.raised and identity not in found:
                known.raised, known.revision = False, known.revision + 1
                changes.append((identity, self._record(identity, known, marks.of(known.source))))
        return changes

    def pack(self) -> bytes:
        """What has to outlive the worker."""
        return rows.pack_other(self.known)

    def unpack(self, data: bytes) -> None:
        """What `pack` kept. Raises `rows.UnknownVersionError` for a newer release's bytes."""
        self.known = rows.unpack_with(_decoder, data)

    def _is_mine(self, about: str) -> bool:
        return crc32(about.encode()) % self._shards == self._shard

    def _record(self, identity: str, known: Known, cleared: Instant | None) -> ConditionRecord:
        text = TEXTS[known.condition]
        what, cause = words(known.condition, known.about)
        fields = {"what": what, "cause": cause.value.replace("_", " ") if cause else ""}
        return ConditionRecord(
            condition_id=identity,
            state=ConditionState.RAISED if known.raised else ConditionState.CLEARED,
            revision=known.revision,
            condition=known.condition,
            source=known.source,
            about=what,
            cause=cause,
            since=timestamp(known.since),
            cleared_at=None if cleared is None else timestamp(cleared),
            explanation=text.explanation.format_map(fields),
            next_step=text.next_step.format_map(fields),
            runbook_url=f"{self._runbooks.rstrip('/')}/{known.condition}.md",
        )


def findings(marks: Watermarks, policy: Policy) -> Iterator[Finding]:
    """Everything that holds by what the sources have said so far."""
    if marks.stalls:
        if Source.SES in marks.configured:
            yield from _silent_events(marks, policy)
        if Source.SMTP in marks.configured:
            yield from _silent_hosts(marks, policy)
    for about, last in marks.refused.items():
        if not _is_over(about, last, marks, policy):
            yield Finding(Condition.ACCOUNT_REFUSED, Source.SMTP, about, last)
    for key, hole in marks.holes.items():
        yield Finding(Condition.EVIDENCE_LOST, hole.source, key, hole.since, hole.own)


def _silent_events(marks: Watermarks, policy: Policy) -> Iterator[Finding]:
    """Feeds of SES's events, the widest silence only: a region that is silent says no more of its own feeds."""
    spoken = marks.of(Source.SES)
    silent = {
        name: feed
        for name, feed in marks.feeds.items()
        if name.startswith(ANY_SES)
        and len(feed.waiting) >= policy.stall_mails
        and spoken >= feed.since + policy.stall_after
    }
    for name, feed in silent.items():
        if not any(wider in silent for wider in _wider(name)):
            missing = feed.spoken == NEVER and name != ANY_SES
            condition = Condition.FEED_MISSING if missing else Condition.SOURCE_STALLED
            yield Finding(condition, Source.SES, name, feed.since)


def _wider(name: str) -> list[str]:
    """The feeds that a feed is part of: a set's Delivery events, a region's events, all events."""
    wider = [ANY_SES] if name != ANY_SES else []
    if name.endswith(_DELIVERIES):
        wider.append(ANY_SES + name.removeprefix(ANY_SES).split("/")[1])
    return wider


def _silent_hosts(marks: Watermarks, policy: Policy) -> Iterator[Finding]:
    """Hosts whose log broke off with mails in flight; where no host speaks at all, it is the source, and not each."""
    spoken, enough = marks.of(Source.SMTP), marks.enough(policy.stall_mails)
    hosts = {name: feed for name, feed in marks.feeds.items() if name.startswith(ANY_HOST)}
    silent = {
        name: feed
        for name, feed in hosts.items()
        if spoken >= feed.spoken + policy.stall_after and marks.in_flight(name, policy.grace) >= enough
    }
    last = max((feed.spoken for feed in hosts.values()), default=NEVER)
    if len(silent) > 1 and spoken >= last + policy.stall_after:
        yield Finding(Condition.SOURCE_STALLED, Source.SMTP, ANY_HOST, last)
        return
    for name, feed in silent.items():
        yield Finding(Condition.SOURCE_STALLED, Source.SMTP, name, feed.spoken)


def _is_over(about: str, last: Instant, marks: Watermarks, policy: Policy) -> bool:
    """SES has taken mail since, and nothing was refused so for a while. (Other hosts may have other credentials.)"""
    feed = marks.feeds.get(ANY_SES + about.partition("/")[2])
    taken = NEVER if feed is None else feed.last
    return taken > last and marks.of(Source.SMTP) >= last + policy.stall_after
