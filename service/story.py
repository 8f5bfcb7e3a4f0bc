"""A mail's story, from its correlated record: what happened, when, on what evidence; what is missing; what to do.

`mailgap explain` prints it and the trace page shows it, so that both say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from service.contract.correlated import Correlated, GapEntry, Recipient

_HAPPENED: Final = {
    "started": "the mail server took the mail from the application",
    "identified": "it carries the Message-ID {message_id}",
    "queued": "it is in the mail server's queue",
    "submitted": "the application's mail server took it in ({queue_ids})",
    "accepted": "SES accepted it and gave it the id {ses_id}",
    "deferred": "an attempt failed; the mail server will try again",
    "refused": "the mail server gave up: no SES id for {missing}",
    "unconfirmed": "SES took it, and its reply held no id",
    "elsewhere": "some recipients were delivered elsewhere, not by SES",
    "closed": "the mail server is done with it",
    "found_by_message_id": "SES's events carry the same Message-ID: the mail is found",
    "not_found_by_message_id": "no SES event carries its Message-ID",
    "sent": "SES published Send: it will try to deliver",
    "delivered": "the recipient's server took it",
    "bounced": "it bounced",
    "complained": "the recipient reported it as spam",
    "not_spam": "the recipient said that it is no spam, and so has it",
    "rejected": "SES found a virus in it and dropped it",
    "rendering_failed": "SES could not render its template; nothing was sent",
    "delayed": "SES could not deliver yet and goes on trying",
    "open": "somebody opened it",
    "click": "somebody clicked a link in it",
    "subscription": "the recipient changed a subscription",
}


class Step(NamedTuple):
    """One thing that happened."""

    at: str
    source: str
    text: str
    evidence: str


class Story(NamedTuple):
    """All that is to be said of a mail, in the order in which it is said."""

    title: str
    facts: list[tuple[str, str]]
    recipients: list[str]
    steps: list[Step]
    gaps: list[str]
    verdict: str
    next_step: str


def tell(document: Correlated) -> Story:
    """The story of one mail."""
    known = {
        "message_id": document.message_id_header or "",
        "queue_ids": ", ".join(document.queue_ids),
        "ses_id": document.ses_message_id or (document.ses_mails[0] if document.ses_mails else ""),
        "missing": ", ".join(recipient.address for recipient in document.recipients) or "its recipients",
    }
    return Story(
        title=document.mail_id,
        facts=_facts(document),
        recipients=[_recipient(recipient) for recipient in document.recipients],
        steps=[
            Step(entry.at, entry.source, _HAPPENED.get(entry.fact, entry.fact).format_map(known), entry.evidence)
            for entry in document.trail
        ],
        gaps=[_gap(gap) for gap in document.gaps],
        verdict=document.verdict.explanation,
        next_step=document.verdict.next_step,
    )


def _facts(document: Correlated) -> list[tuple[str, str]]:
    stated = [
        ("SES id", document.ses_message_id or ", ".join(document.ses_mails)),
        ("queue id", ", ".join(document.queue_ids)),
        ("Message-ID", document.message_id_header),
        ("from", document.sender),
        ("stream", document.stream),
        ("region", document.region),
        ("submitted", document.submitted_at),
        ("accepted", document.accepted_at),
        ("counts now as", document.superseded_by),
    ]
    return [(label, text) for label, text in stated if text]


def _recipient(recipient: Recipient) -> str:
    detail = recipient.detail
    kind = "/".join(word for word in (detail.bounce_type, detail.bounce_subtype) if word)
    said = detail.reply or detail.diagnostic or detail.smtp_response or detail.reason or detail.error
    words = [recipient.address, recipient.outcome.value.replace("_", " ")]
    words += [f"at {recipient.at}"] if recipient.at else []
    words += [f"({kind or detail.delay_type})"] if kind or detail.delay_type else []
    return " ".join(words) + (f": {said}" if said else "")


def _gap(gap: GapEntry) -> str:
    about = f" for {gap.recipient}" if gap.recipient else ""
    opened = f"{gap.kind} ({gap.cause}){about}: open since {gap.opened_at}"
    if gap.resolution is None:
        return opened
    return f"{gap.kind} ({gap.cause}){about}: opened {gap.opened_at}, {gap.resolution} {gap.resolved_at}"
