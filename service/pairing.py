"""The Message-ID join: which SES mail answers which submission that lost its id (rule 10).

A pair shares a recipient (or, where one side knows none, the sender's domain) and lies within the asker's hand-off
window; nearest first. Pure: the same asks and links give the same pairs in whatever order they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from service.facts import SECOND, Answered, Asked, Carried, Instant, Linked, Sighting, Source
from service.lives import is_one_mail
from service.trail import Trail, order
from service.verdicts import Due, Message
from service.watermarks import ANY_SES

if TYPE_CHECKING:
    from service.policy import Policy
    from service.watermarks import Watermarks


class _Asker(msgspec.Struct):
    """One submission, which asks again when it learns of further recipients or of an earlier attempt."""

    asks: list[Asked]
    recipients: set[str]
    until: Instant
    links: list[Linked]
    """What was found for it: several, if the mail server sent it in several transactions."""
    blind: bool = False
    """It does not know all of its recipients."""

    @property
    def answered(self) -> bool:
        """All of its recipients have an id now, as far as it knows them."""
        if not self.links or (self.blind and not is_one_mail(self.asks[0].submission)):
            return False
        found = {address for link in self.links for address in _folded(link.recipients)}
        return self.recipients <= found or any(not link.recipients for link in self.links)


def answers(trail: Trail, marks: Watermarks, policy: Policy) -> tuple[list[Message], tuple[Due, ...]]:
    """What the Message-ID can say to its askers by now, and when it can say more.

    `not_found` says that no more is to come: also to an asker for some of whose recipients an SES mail was found.
    """
    askers = _askers(trail)
    if not askers:  # the usual case: most Message-IDs are never asked for, and some are borne by thousands of mails
        return [], ()
    _pair(askers, sorted((f for f in trail.facts if isinstance(f, Linked)), key=order), policy)
    spoken = marks.of(Source.SES)
    said = [_found(asker, link, trail) for asker in askers for link in asker.links]
    due = []
    for asker in askers:
        carried = _carried(asker, trail, policy)
        if carried is not None:
            said.append(carried)
        elif asker.answered:
            continue
        elif spoken < asker.until:
            due.append(Due(asker.until, Source.SES))
        elif marks.silent(ANY_SES, asker.asks[0].at, policy.grace, policy.stall_mails) or marks.lost(
            Source.SES, asker.asks[0].at, asker.until
        ):
            # The feed broke off, or events were lost unread: that nothing was found says nothing (rules 15, 20).
            due.append(Due(spoken + max(policy.grace, SECOND), Source.SES))
        else:
            said.append(_not_found(asker, trail))
    return said, tuple(due)


def _askers(trail: Trail) -> list[_Asker]:
    askers: dict[str, _Asker] = {}
    for ask in sorted((f for f in trail.facts if isinstance(f, Asked)), key=order):
        asker = askers.setdefault(ask.submission, _Asker([], set(), ask.until, []))
        asker.asks.append(ask)
        asker.recipients.update(_folded(ask.recipients))
        asker.until = max(asker.until, ask.until)
        asker.blind = asker.blind or not ask.recipients
    return list(askers.values())


def _pair(askers: list[_Asker], links: list[Linked], policy: Policy) -> None:
    """Those who share a recipient before those who share but a domain, and of either the nearest first.

    An SES mail has one asker; an asker may have several, each with recipients of its own.
    """
    near = [
        (asker.recipients.isdisjoint(_folded(link.recipients)), distance, a, b)
        for a, asker in enumerate(askers)
        for b, link in enumerate(links)
        if (distance := _distance(asker, link, policy)) is not None
    ]
    taken: set[str] = set()
    for *_, a, b in sorted(near):
        asker, link = askers[a], links[b]
        others = {address for other in asker.links for address in _folded(other.recipients)}
        more = not asker.links or asker.blind or bool((asker.recipients - others) & _folded(link.recipients))
        # What an application says of its Message-ID is about the mail that its mail server may be asking for, too.
        exclusive = not is_one_mail(asker.asks[0].submission)
        if more and not (exclusive and link.ses_id in taken):
            taken.update([link.ses_id] if exclusive else [])
            asker.links.append(link)


def _distance(asker: _Asker, link: Linked, policy: Policy) -> int | None:
    """How far apart in time the pair is; None where it cannot be one mail.

    Many mails may bear one Message-ID, each to somebody else (FACTS section 4.2): the sender's domain decides only
    where the recipients of one side are not known.
    """
    related = not asker.recipients.isdisjoint(_folded(link.recipients))
    if not related and (asker.blind or not link.recipients):
        domains = {ask.sender_domain for ask in asker.asks} - {""}
        # An application may log its Message-ID and nothing else.
        related = link.sender_domain in domains if domains else is_one_mail(asker.asks[0].submission)
    return _apart(asker, link.at, policy) if related else None


def _folded(addresses: tuple[str, ...]) -> set[str]:
    """The addresses whatever their case: a mail server and SES may write one in different ways."""
    return {address.casefold() for address in addresses}


def _apart(asker: _Asker, at: Instant, policy: Policy) -> int | None:
    """How far the instant is from the nearest of its questions; None where that is beyond the hand-off window."""
    apart = [(abs(at - ask.at), max(ask.until - ask.at, policy.grace)) for ask in asker.asks]
    return min((distance for distance, window in apart if distance <= window), default=None)


def _carried(asker: _Asker, trail: Trail, policy: Policy) -> Message | None:
    """An application's mail that a mail server has: of several, the nearest in time."""
    if not is_one_mail(asker.asks[0].submission):
        return None
    others = [
        (distance, other.submission, other)
        for other in trail.facts
        if isinstance(other, Carried)
        if (distance := _apart(asker, other.at, policy)) is not None
    ]
    if not others:
        return None
    _, carrier, fact = min(others, key=lambda item: item[:2])
    ask = asker.asks[0]
    return Message(ask.asker, Answered(fact.at, ask.submission, "", (), carrier), trail.facts[fact])


def _found(asker: _Asker, link: Linked, trail: Trail) -> Message:
    ask = asker.asks[0]
    return Message(ask.asker, Answered(link.at, ask.submission, link.ses_id, link.recipients), trail.facts[link])


def _not_found(asker: _Asker, trail: Trail) -> Message:
    ask, asked = asker.asks[0], min(trail.facts[ask] for ask in asker.asks)
    sighting = Sighting(max(asker.until, asked.seen), asked.where)
    return Message(ask.asker, Answered(asker.until, ask.submission, "", ()), sighting)
