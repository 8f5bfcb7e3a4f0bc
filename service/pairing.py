"""The Message-ID join: which SES mail answers which submission that lost its id (rule 10).

A pair shares a recipient (or, where one side knows none, the sender's domain) and lies within the asker's hand-off
window; nearest first. Pure: the same asks and links give the same pairs in whatever order they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from service.facts import SECOND, Answered, Asked, Linked, Sighting, Source
from service.trail import Trail, order
from service.verdicts import Due, Message
from service.watermarks import ANY_SES

if TYPE_CHECKING:
    from service.policy import Policy
    from service.watermarks import Watermarks


def answers(trail: Trail, marks: Watermarks, policy: Policy) -> tuple[list[Message], tuple[Due, ...]]:
    """What the Message-ID can say to its askers by now, and when it can say more.

    `not_found` says that no more is to come: also to an asker for some of whose recipients an SES mail was found.
    """
    asks = _asks(trail)
    links = sorted((f for f in trail.facts if isinstance(f, Linked)), key=order)
    paired = _pairs(asks, links, policy)
    spoken = marks.of(Source.SES)
    said = [_found(ask, link, trail) for ask, link in paired]
    due = []
    for ask in asks:
        if _answered(ask, [link for other, link in paired if other is ask]):
            continue
        if spoken < ask.until:
            due.append(Due(ask.until, Source.SES))
        elif marks.silent(ANY_SES, ask.at, policy.grace, policy.stall_mails):
            # The feed broke off, so that nothing was found says nothing (rule 15).
            due.append(Due(spoken + max(policy.grace, SECOND), Source.SES))
        else:
            said.append(_not_found(ask, trail))
    return said, tuple(due)


def _asks(trail: Trail) -> list[Asked]:
    """One ask a submission, which asks again when it learns of further recipients."""
    merged: dict[str, Asked] = {}
    for ask in sorted((f for f in trail.facts if isinstance(f, Asked)), key=order):
        known = merged.get(ask.submission)
        merged[ask.submission] = ask if known is None else _both(known, ask)
    return list(merged.values())


def _both(one: Asked, other: Asked) -> Asked:
    return msgspec.structs.replace(
        one,
        sender_domain=one.sender_domain or other.sender_domain,
        recipients=tuple(sorted({*one.recipients, *other.recipients})),
        until=max(one.until, other.until),
    )


def _pairs(asks: list[Asked], links: list[Linked], policy: Policy) -> list[tuple[Asked, Linked]]:
    """Nearest first. An SES mail has one asker; an asker may have several, each with recipients of its own."""
    near = [
        (abs(link.at - ask.at), a, b)
        for a, ask in enumerate(asks)
        for b, link in enumerate(links)
        if _match(ask, link, policy)
    ]
    wanted: dict[int, set[str]] = {}
    taken: set[str] = set()
    pairs = []
    for _, a, b in sorted(near):
        ask, link = asks[a], links[b]
        more = a not in wanted or bool(wanted[a].intersection(link.recipients))
        if more and link.ses_id not in taken:
            taken.add(link.ses_id)
            wanted[a] = wanted.get(a, set(ask.recipients)).difference(link.recipients)
            pairs.append((ask, link))
    return pairs


def _match(ask: Asked, link: Linked, policy: Policy) -> bool:
    """Whether the pair can be one mail. Many mails may bear one Message-ID, each to somebody else (FACTS section 4.2):
    the sender's domain decides only where the recipients of one side are not known.
    """
    window = max(ask.until - ask.at, policy.grace)
    if abs(link.at - ask.at) > window:
        return False
    if ask.recipients and link.recipients:
        return not set(ask.recipients).isdisjoint(link.recipients)
    return bool(ask.sender_domain) and ask.sender_domain == link.sender_domain


def _answered(ask: Asked, links: list[Linked]) -> bool:
    """All of the asker's recipients have an id now."""
    found = {address for link in links for address in link.recipients}
    return bool(links) and (found.issuperset(ask.recipients) or any(not link.recipients for link in links))


def _found(ask: Asked, link: Linked, trail: Trail) -> Message:
    return Message(ask.asker, Answered(link.at, ask.submission, link.ses_id, link.recipients), trail.facts[link])


def _not_found(ask: Asked, trail: Trail) -> Message:
    asked = min(seen for f, seen in trail.facts.items() if isinstance(f, Asked) and f.submission == ask.submission)
    sighting = Sighting(max(ask.until, asked.seen), asked.where)
    return Message(ask.asker, Answered(ask.until, ask.submission, "", ()), sighting)
