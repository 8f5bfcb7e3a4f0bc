"""The Message-ID join: which SES mail answers which submission that lost its id (rule 10).

A pair shares the sender's domain or a recipient and lies within the asker's hand-off window; nearest first, one to
one. Pure: the same asks and links give the same pairs in whatever order they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.facts import Answered, Asked, Instant, Linked, Sighting, Source
from service.trail import Trail, order
from service.verdicts import Due, Message

if TYPE_CHECKING:
    from service.policy import Policy
    from service.watermarks import Watermarks


def answers(trail: Trail, marks: Watermarks, policy: Policy) -> tuple[list[Message], tuple[Due, ...]]:
    """What the Message-ID can say to its askers by now, and when it can say more."""
    asks = sorted((f for f in trail.facts if isinstance(f, Asked)), key=order)
    links = sorted((f for f in trail.facts if isinstance(f, Linked)), key=order)
    paired = _pairs(asks, links, policy)
    spoken = marks.of(Source.SES)
    said = [_found(ask, link, trail) for ask, link in paired]
    unpaired = [ask for ask in asks if all(ask is not other for other, _ in paired)]
    said += [_not_found(ask, trail.facts[ask]) for ask in unpaired if spoken >= ask.until]
    return said, tuple(Due(ask.until, Source.SES) for ask in unpaired if spoken < ask.until)


def _pairs(asks: list[Asked], links: list[Linked], policy: Policy) -> list[tuple[Asked, Linked]]:
    near = [
        (abs(link.at - ask.at), a, b)
        for a, ask in enumerate(asks)
        for b, link in enumerate(links)
        if _match(ask, link, policy)
    ]
    taken_asks: set[str] = set()
    taken_ids: set[str] = set()
    pairs = []
    for _, a, b in sorted(near):
        ask, link = asks[a], links[b]
        if ask.submission in taken_asks or link.ses_id in taken_ids:
            continue
        taken_asks.add(ask.submission)
        taken_ids.add(link.ses_id)
        pairs.append((ask, link))
    return pairs


def _match(ask: Asked, link: Linked, policy: Policy) -> bool:
    window = max(ask.until - ask.at, policy.grace)
    if abs(link.at - ask.at) > window:
        return False
    same_domain = bool(ask.sender_domain) and ask.sender_domain == link.sender_domain
    return same_domain or bool(set(ask.recipients) & set(link.recipients))


def _found(ask: Asked, link: Linked, trail: Trail) -> Message:
    shared = tuple(sorted(set(ask.recipients) & set(link.recipients))) or ask.recipients or link.recipients
    return Message(ask.asker, Answered(link.at, ask.submission, link.ses_id, shared), trail.facts[link])


def _not_found(ask: Asked, sighting: Sighting) -> Message:
    at: Instant = ask.until
    return Message(ask.asker, Answered(at, ask.submission, "", ()), Sighting(max(at, sighting.seen), sighting.where))
