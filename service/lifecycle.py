"""What becomes of one recipient: two tables of state x signal -> state, total, and their diagram.

The tables are folded over a recipient's facts *in the order of time*, never in the order of arrival; that is what
makes a verdict independent of order. A pair that a table does not name leaves the state as it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from service.contract.enums import Outcome
from service.facts import (
    Bounced,
    Complained,
    Delayed,
    Delivered,
    Engaged,
    Rejected,
    RenderingFailed,
    Sent,
    SesFact,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Signal(StrEnum):
    """What a fact means for a recipient."""

    SENT = "sent"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SOFT_BOUNCED = "soft bounced"
    OUT_OF_OFFICE = "out-of-office or other general soft bounce"
    SUPPRESSED = "suppressed"
    REJECTED = "rejected"
    RENDERING_FAILED = "rendering failed"
    COMPLAINED = "complained"
    ENGAGED = "opened, clicked, unsubscribed or called no spam"


_O = Outcome
_S = Signal

_FROM_OPEN: Final = {
    _S.DELAYED: _O.DELAYED,
    _S.DELIVERED: _O.DELIVERED,
    _S.BOUNCED: _O.BOUNCED,
    _S.SOFT_BOUNCED: _O.SOFT_BOUNCED,
    _S.OUT_OF_OFFICE: _O.SOFT_BOUNCED,
    _S.SUPPRESSED: _O.SUPPRESSED,
    _S.REJECTED: _O.REJECTED,
    _S.RENDERING_FAILED: _O.RENDERING_FAILED,
    _S.COMPLAINED: _O.COMPLAINED,
    # Somebody who opened the mail was shown it, also where the Delivery event was lost.
    _S.ENGAGED: _O.DELIVERED,
}
# "This happens sometimes": pypi/warehouse, email/ses/models.py, has met a delivery after each of these.
_FROM_FAILED: Final = {_S.DELIVERED: _O.DELIVERED, _S.COMPLAINED: _O.COMPLAINED}

AFTER_ACCEPTANCE: Final[dict[Outcome, dict[Signal, Outcome]]] = {
    _O.PENDING: _FROM_OPEN,
    _O.DELAYED: _FROM_OPEN,
    _O.DELIVERED: {
        # The provider took the mail and bounced it afterwards (cds-snc/notification-api #1295: 17 s later).
        _S.BOUNCED: _O.BOUNCED,
        _S.SOFT_BOUNCED: _O.SOFT_BOUNCED,
        # Transient/General after a delivery is an auto-reply: the mail is in the mailbox.
        _S.COMPLAINED: _O.COMPLAINED,
    },
    _O.BOUNCED: _FROM_FAILED,
    _O.SOFT_BOUNCED: {**_FROM_FAILED, _S.BOUNCED: _O.BOUNCED},
    _O.SUPPRESSED: _FROM_FAILED,
    _O.REJECTED: _FROM_FAILED,
    _O.RENDERING_FAILED: _FROM_FAILED,
    _O.COMPLAINED: {},
}

SUPPRESSIONS: Final = frozenset(
    {
        "Suppressed",
        "OnAccountSuppressionList",
        "OnTenantSuppressionList",
        "EmailValidationSuppressed",
        "UnsubscribedRecipient",
    }
)
"""Bounce sub-types that say SES never tried (FACTS section 1.4)."""


def _bounce(fact: Bounced) -> Signal:
    if fact.bounce_subtype in SUPPRESSIONS:
        return Signal.SUPPRESSED
    if fact.bounce_type == "Transient":
        return Signal.OUT_OF_OFFICE if fact.bounce_subtype == "General" else Signal.SOFT_BOUNCED
    return Signal.BOUNCED


def _complaint(fact: Complained) -> Signal:
    if fact.subtype:  # set only where the mail was never sent (a suppression list)
        return Signal.SUPPRESSED
    # Whoever takes a mail out of the folder for spam has it.
    return Signal.ENGAGED if fact.feedback == "not-spam" else Signal.COMPLAINED


_SIGNALS: Final[dict[type, Callable[[Any], Signal]]] = {
    Sent: lambda _: Signal.SENT,
    Delayed: lambda _: Signal.DELAYED,
    Delivered: lambda _: Signal.DELIVERED,
    Bounced: _bounce,
    Complained: _complaint,
    Rejected: lambda _: Signal.REJECTED,
    RenderingFailed: lambda _: Signal.RENDERING_FAILED,
    Engaged: lambda _: Signal.ENGAGED,
}


def signal(fact: SesFact) -> Signal | None:
    """What the fact means for those it is about; None where it changes nothing."""
    means = _SIGNALS.get(type(fact))
    return means(fact) if means else None


def after(state: Outcome, event: Signal) -> Outcome:
    """The state that follows."""
    return AFTER_ACCEPTANCE[state].get(event, state)


class Handoff(StrEnum):
    """How far one recipient of a submission has come on the way to SES."""

    PENDING = "pending"
    DEFERRED = "deferred"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    ELSEWHERE = "elsewhere"


ATTEMPTS: Final[dict[Handoff, frozenset[Handoff]]] = {
    # An id is an id: what an attempt after it says is about a second copy.
    Handoff.ACCEPTED: frozenset(),
    # A refused mail may be put back into the queue by its operator, and be accepted then.
    Handoff.REFUSED: frozenset({Handoff.ACCEPTED, Handoff.UNCONFIRMED}),
    Handoff.UNCONFIRMED: frozenset({Handoff.ACCEPTED}),
    Handoff.ELSEWHERE: frozenset(Handoff) - {Handoff.PENDING},
    Handoff.PENDING: frozenset(Handoff),
    Handoff.DEFERRED: frozenset(Handoff) - {Handoff.PENDING},
}
"""What may follow each state of a hand-off; anything else leaves it as it is."""


def next_handoff(state: Handoff, attempt: Handoff) -> Handoff:
    """The state that follows an attempt with this end."""
    return attempt if attempt in ATTEMPTS[state] else state


def diagram() -> str:
    """The table after acceptance as a Mermaid state diagram, for ARCHITECTURE.md."""
    lines = ["stateDiagram-v2", "  [*] --> pending"]
    for state, row in AFTER_ACCEPTANCE.items():
        lines += [f"  {state} --> {target}: {event}" for event, target in row.items() if target is not state]
    return "\n".join(lines)
