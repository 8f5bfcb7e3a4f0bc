"""The words of a mail's story: what each kind of fact means, what a gap waited for, how far a recipient came.

Pure: from the words of the contract to sentences, by tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.contract.enums import GapKind, Outcome

if TYPE_CHECKING:
    from service.contract.correlated import Detail, GapEntry, TrailEntry

HAPPENED: Final = {
    "started": "took the mail in",
    "identified": "the mail carries this Message-ID",
    "queued": "put it into the queue",
    "submitted": "took the mail in",
    "accepted": "SES accepted it and gave it this id",
    "deferred": "an attempt failed, and will be repeated",
    "refused": "it failed for good: no id from SES",
    "unconfirmed": "SES took it, and its reply held no id",
    "elsewhere": "delivered elsewhere, not by SES",
    "closed": "is done with it",
    "found_by_message_id": "SES's events carry the same Message-ID: this is its id",
    "not_found_by_message_id": "no event of SES's carries its Message-ID",
    "sent": "will try to deliver it (Send)",
    "delivered": "the recipient's server took it",
    "bounced": "it bounced",
    "complained": "the recipient reported it as spam",
    "not_spam": "the recipient said that it is no spam, and so has it",
    "rejected": "found a virus in it and dropped it",
    "rendering_failed": "could not render its template, and sent nothing",
    "delayed": "could not deliver it yet, and goes on trying",
    "open": "somebody opened it",
    "click": "somebody clicked a link in it",
    "subscription": "the recipient changed a subscription",
}

_NEVER_SENT: Final = "did not send it: the recipient is on a suppression list"

# A log's stamp may be of a whole second: what is of one instant is told in the order in which it happens.
_ORDER: Final = {kind: place for place, kind in enumerate(HAPPENED)}

_WAITED_FOR: Final = {
    GapKind.SENT_NO_SES_ID: "an id from SES",
    GapKind.ACCEPTED_NOT_DELIVERED: "a final event of SES's",
    GapKind.UNLOGGED_SEND: "a line in the application's log",
}

_ENDED: Final = {
    "found_by_message_id": "ended {at}: the mail was found by its Message-ID",
    "accepted": "ended {at}: a later attempt got an id",
    "late_evidence": "taken back {at}: evidence from before the deadline came late",
    "event_arrived": "ended {at}: an event came",
    "recipients_known": "ended {at}: an event named the recipients",
    "window_closed": "closed {at} without an answer",
    "closed_by_operator": "closed {at} by somebody who knew why",
}


def place(kind: str) -> int:
    """Where a fact of this kind stands among those of the same instant."""
    return _ORDER.get(kind, len(_ORDER))


def happened(entry: TrailEntry) -> str:
    """What a fact means, and why, where a cause was made out."""
    if entry.fact in {"complained", "bounced"} and "SuppressionList" in entry.said:
        return _NEVER_SENT
    text = HAPPENED.get(entry.fact, f"published {entry.fact}, an event that this version does not know")
    about = f" ({entry.cause})" if entry.cause else ""
    return f"{text}{about}"


def waited_for(gap: GapEntry, *, refused: bool = False) -> str:
    """What did not come, by when, since when that is known to be a gap, and how it ended.

    `refused`: for good, so that nothing was waited for.
    """
    missing = "any event of SES's" if gap.cause == "no_events" else _WAITED_FOR[gap.kind]
    text = f"{missing} did not come by {clock(gap.deadline)}, the deadline ({gap.kind}: {gap.cause})"
    if refused and gap.kind is GapKind.SENT_NO_SES_ID:
        text = f"no id from SES: it was refused for good ({gap.kind}: {gap.cause})"
    if gap.resolution is None:
        return f"{text}; open since {clock(gap.opened_at)}"
    ended = _ENDED.get(gap.resolution, f"ended {{at}}: {gap.resolution.replace('_', ' ')}")
    return f"{text}; {ended.format(at=clock(gap.resolved_at or ''))}"


def came_to(outcome: Outcome, detail: Detail) -> str:
    """How far a recipient came, in SES's own words where it said any."""
    kind = "/".join(filter(None, (detail.bounce_type, detail.bounce_subtype)))
    kind = kind or detail.delay_type or detail.feedback or detail.complaint_subtype
    return outcome.value.replace("_", " ") + (f" ({kind})" if kind else "")


def words_of(detail: Detail) -> str:
    """What was said of a recipient: SES's reply, or that of the recipient's server."""
    return detail.reply or detail.diagnostic or detail.smtp_response or detail.reason or detail.error


def clock(timestamp: str) -> str:
    """A time as people read it; all are UTC."""
    return timestamp.removesuffix("Z").replace("T", " ")
