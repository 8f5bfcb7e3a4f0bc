"""The join: everything known under one name, as a set of facts with the earliest sighting of each.

`join` is commutative, associative and idempotent, also where a trail is full, so duplicates, reordering, replays and
at-least-once delivery need no care anywhere else. This module never judges and never looks at a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Final

import msgspec

from service.facts import Fact, Sighting

KEEP: Final = 8
"""Facts kept of one group at each end of time: enough for the first attempts and the last ones."""
GROUPS: Final = 8192
"""Groups kept: SES takes 50 recipients a mail, but a queue id may have thousands, each with its own fate, and a
Message-ID as many mails."""


class Trail(msgspec.Struct, frozen=True, gc=False):
    """All that is known under one name. The mapping is never changed after it is made."""

    facts: Mapping[Fact, Sighting]


EMPTY: Final = Trail({})


def trail(facts: Iterable[Fact], sighting: Sighting) -> Trail:
    """The trail of facts that were read in one place."""
    return Trail(_bounded(dict.fromkeys(facts, sighting)))


def join(left: Trail, right: Trail) -> Trail:
    """All that both know; of a fact that both have, the earlier sighting."""
    merged = dict(left.facts)
    for fact, sighting in right.facts.items():
        known = merged.get(fact)
        if known is None or sighting < known:
            merged[fact] = sighting
    return Trail(_bounded(merged))


def collect(items: Iterable[tuple[Fact, Sighting]]) -> Trail:
    """The trail of facts from several places; of a repeated fact the earliest sighting counts."""
    facts: dict[Fact, Sighting] = {}
    for fact, sighting in items:
        known = facts.get(fact)
        if known is None or sighting < known:
            facts[fact] = sighting
    return Trail(_bounded(facts))


def order(fact: Fact) -> tuple[int, bytes]:
    """A total order of facts that does not depend on how they arrived: by time, then by content."""
    return fact.at, _encode(fact)


def in_order(facts: Iterable[Fact], rank: Callable[[Fact], int]) -> list[Fact]:
    """Facts by time, then by `rank`, then by content, which is looked at only where two are still level."""
    ranked = [(fact.at, rank(fact), fact) for fact in facts]
    ranked.sort(key=_time_and_rank)
    for one, other in pairwise(ranked):
        if one[0] == other[0] and one[1] == other[1]:
            ranked.sort(key=lambda item: (item[0], item[1], _encode(item[2])))
            break
    return [fact for _, _, fact in ranked]


def _bounded(facts: dict[Fact, Sighting]) -> dict[Fact, Sighting]:
    """Drops the middle of crowded groups, and groups beyond the bound.

    A group keeps its least and its greatest facts, and the groups kept are the least in a fixed order, so both cuts
    give the same whether they are made before a join or after it: that keeps the laws.
    """
    if len(facts) <= 2 * KEEP:
        return facts
    groups: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        groups.setdefault(_group(fact), []).append(fact)
    kept: dict[Fact, Sighting] = {}
    for key in sorted(groups)[:GROUPS]:
        members = groups[key]
        if len(members) > 2 * KEEP:
            members = sorted(members, key=order)
            members = members[:KEEP] + members[-KEEP:]
        kept.update((fact, facts[fact]) for fact in members)
    return kept


def _group(fact: Fact) -> tuple[str, str]:
    """Whom a fact is about, and what it says. What concerns the whole mail comes first, so that it is never cut."""
    return ",".join(getattr(fact, "recipients", ())), type(fact).__name__


_time_and_rank = itemgetter(0, 1)
_encode = msgspec.msgpack.Encoder().encode
