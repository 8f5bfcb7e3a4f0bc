"""What a mail still waits for, and when that silence becomes a gap, so that whoever looks sees it counting. Pure.

It is an estimate for people: the worker counts the hand-off from the record's timestamp, which no document carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from service.contract.enums import GapKind, Outcome
from service.contract.wire import instant_of
from service.facts import Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.contract.correlated import Correlated, Recipient
    from service.facts import Instant
    from service.policy import Deadlines, Policy


class Awaited(NamedTuple):
    """A gap that is not one yet; `recipient` is null where it is of the whole mail."""

    kind: GapKind
    recipient: str | None
    deadline: Instant


def awaited(document: Correlated, policy: Policy) -> list[Awaited]:
    """The silences that count, the nearest deadline first. Nothing where a gap is open already, or all is said."""
    if document.superseded_by or document.partial:
        return []
    deadlines = next((s.deadlines for s in policy.streams if s.name == document.stream), policy.defaults)
    open_ = {gap.recipient for gap in document.gaps if gap.resolution is None}
    if None in open_:
        return []
    waiting = [
        recipient
        for recipient in document.recipients
        if recipient.outcome in {Outcome.PENDING, Outcome.DEFERRED, Outcome.DELAYED} and recipient.address not in open_
    ]
    return sorted(_of(document, waiting, deadlines), key=lambda each: each.deadline)


def _of(document: Correlated, waiting: list[Recipient], deadlines: Deadlines) -> Iterable[Awaited]:
    if not waiting:
        return
    if document.accepted_at is None:
        if document.submitted_at is not None:
            yield Awaited(GapKind.SENT_NO_SES_ID, None, instant_of(document.submitted_at) + deadlines.handoff)
        return
    accepted = instant_of(document.accepted_at)
    heard = any(entry.source is Source.SES for entry in document.trail)
    for recipient in waiting:
        expires = instant_of(recipient.detail.expires) if recipient.detail.expires else 0
        deadline = deadlines.delivery(accepted, expires) if heard else accepted + deadlines.first_event
        yield Awaited(GapKind.ACCEPTED_NOT_DELIVERED, recipient.address, deadline)
