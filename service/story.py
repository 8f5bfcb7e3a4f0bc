"""A mail's story, from its correlated records: what happened, where and when, on what evidence and in whose words; what
became of each recipient, what is missing, and what to do.

`mailgap explain` prints it and the HTML report shows it, so that both say the same. One mail may have several records:
one a submission on its way from server to server, one an SES mail that it became, one a fact that came late. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from service.contract.enums import Outcome, VerdictCause
from service.explain import Circumstances, cause_of_bounce, cause_of_complaint, cause_of_delay, explain
from service.lives import is_of_application
from service.story_words import came_to, clock, happened, place, waited_for, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.contract.correlated import Correlated, GapEntry, Recipient, TrailEntry

_OF_THE_HANDOFF: Final = frozenset({"submitted", "accepted", "deferred", "refused", "unconfirmed"})
"""What an SES mail's record repeats of its submission."""


class Step(msgspec.Struct, frozen=True):
    """One thing that happened: `fact` is its kind, `text` what it means, `said` the words of whoever said it."""

    at: str
    fact: str
    source: str
    host: str
    text: str
    said: str
    recipients: tuple[str, ...]
    evidence: str


class Told(msgspec.Struct, frozen=True):
    """What became of one recipient, and since when."""

    address: str
    outcome: str
    at: str
    said: str


class Judgement(msgspec.Struct, frozen=True):
    """Where those recipients stand, and what to do; no recipients: the mail."""

    recipients: tuple[str, ...]
    cause: str
    explanation: str
    next_step: str


class Story(msgspec.Struct, frozen=True):
    """All that is to be said of a mail, in the order in which it is said."""

    title: str
    records: tuple[str, ...]
    """The mail ids of the records that it was made of."""
    facts: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    recipients: tuple[Told, ...]
    gaps: tuple[str, ...]
    verdicts: tuple[Judgement, ...]


def tell(*documents: Correlated) -> Story:
    """The story of one mail, of which these are the records."""
    last = _in_force(documents)
    return Story(
        title=next((each.mail_id for each in documents if each.ses_message_id), documents[0].mail_id),
        records=tuple(dict.fromkeys(each.mail_id for each in documents)),
        facts=tuple(_facts(documents)),
        steps=tuple(_steps(documents)),
        recipients=tuple(_recipient(each) for _, each in last),
        gaps=tuple(_gap(gap, documents) for gap in _gaps(documents)),
        verdicts=tuple(_verdicts(documents, last)),
    )


def _utc(at: str) -> str:
    return f"{clock(at)} UTC" if at else ""


def _facts(documents: Sequence[Correlated]) -> Iterable[tuple[str, str]]:
    ses = [each.ses_message_id for each in documents] + [name for each in documents for name in each.ses_mails]
    stated: list[tuple[str, Iterable[str | None]]] = [
        ("SES id", ses),
        ("queue id", [name for each in documents for name in each.queue_ids if not is_of_application(name)]),
        ("Message-ID", [each.message_id_header for each in documents]),
        ("from", [each.sender for each in documents]),
        ("stream", [each.stream for each in documents if each.ses_message_id] or [documents[-1].stream]),
        ("region", [each.region for each in documents]),
        ("submitted", [_utc(min((each.submitted_at for each in documents if each.submitted_at), default=""))]),
        ("accepted", [_utc(each.accepted_at or "") for each in documents if not each.partial]),
    ]
    for label, texts in stated:
        if known := list(dict.fromkeys(filter(None, texts))):
            yield label, ", ".join(known)


# -- what happened ---------------------------------------------------------------------------------------------------


def _steps(documents: Sequence[Correlated]) -> list[Step]:
    """By time. An SES mail's record repeats lines of its submission, which are told once."""
    own = {(e.evidence, e.fact) for each in documents if not each.ses_message_id for e in each.trail}
    begun = {queue_id for each in documents if not each.ses_message_id for queue_id in each.queue_ids}
    found: dict[tuple[str, str, str, tuple[str, ...]], tuple[tuple[str, int], Step]] = {}
    for document in documents:
        for entry in document.trail:
            repeated = (entry.evidence, entry.fact) in own or (entry.fact == "submitted" and entry.said in begun)
            if not (document.ses_message_id and entry.fact in _OF_THE_HANDOFF and repeated):
                key = (entry.evidence, entry.fact, entry.said, entry.recipients)
                found.setdefault(key, ((entry.at, place(entry.fact)), _step(document, entry)))
    return [step for _, step in sorted(found.values(), key=lambda item: item[0])]


def _step(document: Correlated, entry: TrailEntry) -> Step:
    return Step(
        at=entry.at,
        fact=entry.fact,
        source=entry.source.value,
        host=_host(document, entry),
        text=happened(entry) + (", after the mail's record was closed" if document.partial else ""),
        said=_said(entry),
        recipients=entry.recipients,
        evidence=entry.evidence,
    )


def _said(entry: TrailEntry) -> str:
    return f"<{entry.said}>" if entry.fact == "identified" and entry.said else entry.said


def _host(document: Correlated, entry: TrailEntry) -> str:
    """Whose line it is; empty where the record does not say which of several servers spoke."""
    if entry.source != "smtp" or entry.fact.endswith("found_by_message_id"):
        return "SES"
    names = {entry.said} if entry.fact == "submitted" and entry.said else set(document.queue_ids)
    hosts = {name.partition("/")[0] if "/" in name else "app" for name in names} - {"-"}
    return hosts.pop() if len(hosts) == 1 else ""


# -- what became of the recipients -----------------------------------------------------------------------------------


def _in_force(documents: Sequence[Correlated]) -> list[tuple[Correlated, Recipient]]:
    """Each recipient by the record that counts: an SES mail's before a submission's, and what came late after all."""
    ranked = sorted(documents, key=lambda each: (bool(each.ses_message_id), each.partial))
    chosen: dict[str, tuple[Correlated, Recipient]] = {}
    for document in ranked:
        for recipient in document.recipients:
            if not (document.partial and recipient.outcome is Outcome.PENDING):
                chosen[recipient.address.casefold()] = (document, recipient)
    return list(chosen.values())


def _recipient(recipient: Recipient) -> Told:
    return Told(
        address=recipient.address,
        outcome=came_to(recipient.outcome, recipient.detail),
        at=recipient.at or "",
        said=words_of(recipient.detail),
    )


def _gaps(documents: Sequence[Correlated]) -> list[GapEntry]:
    every = {gap.gap_id: gap for document in documents for gap in document.gaps}
    return sorted(every.values(), key=lambda gap: (gap.opened_at, gap.gap_id))


def _gap(gap: GapEntry, documents: Sequence[Correlated]) -> str:
    about = [each for document in documents if gap in document.gaps for each in document.recipients]
    text = waited_for(gap, refused=bool(about) and all(each.outcome is Outcome.REFUSED for each in about))
    return f"{gap.recipient}: {text}" if gap.recipient else text[:1].upper() + text[1:]


# -- the verdict -----------------------------------------------------------------------------------------------------


def _verdicts(documents: Sequence[Correlated], last: list[tuple[Correlated, Recipient]]) -> list[Judgement]:
    """A verdict for each lot of recipients that fared alike, what is open and what failed first."""
    if not last:
        return [_of_the_mail(documents)]
    alike: dict[tuple[str, str], list[str]] = {}
    causes: dict[tuple[str, str], VerdictCause] = {}
    why = [_cause(document, recipient) for document, recipient in last]
    several = len(last) > 1
    for (document, recipient), cause in zip(last, why, strict=True):
        together = cause in _TOGETHER and why.count(cause) > 1
        said = explain(cause, _circumstances(document, None if together else recipient))
        key = said.explanation, said.next_step
        alike.setdefault(key, []).append(recipient.address)
        causes[key] = cause
    ranked = sorted(alike, key=lambda key: _LAST.get(causes[key], 0))
    return [Judgement(tuple(alike[key]) if several else (), causes[key].value, *key) for key in ranked]


_TOGETHER: Final = frozenset({VerdictCause.DELIVERED, VerdictCause.IN_PROGRESS, VerdictCause.HELD})
"""Of these a list of recipients is told once, not a recipient at a time."""
_LAST: Final = {VerdictCause.HELD: 1, VerdictCause.IN_PROGRESS: 2, VerdictCause.DELIVERED: 3}


def _of_the_mail(documents: Sequence[Correlated]) -> Judgement:
    """A mail of which no recipient is known, or none that was ever SES's business."""
    document = next((each for each in documents if each.ses_message_id), documents[-1])
    said = document.verdict
    if said.cause == VerdictCause.IN_PROGRESS and not document.ses_message_id:
        kinds = {entry.fact for each in documents for entry in each.trail}
        elsewhere = [entry.said for each in documents for entry in each.trail if entry.fact == "elsewhere"]
        if any(
            entry.fact == "queued" and entry.said.startswith("from <>") for each in documents for entry in each.trail
        ):
            return _NOTICE
        if elsewhere and not kinds & {"deferred", "refused", "unconfirmed"}:
            return _elsewhere(elsewhere)
    return Judgement((), said.cause.value, said.explanation, said.next_step)


_NOTICE: Final = Judgement(
    (),
    "notice",
    "This is a notice that the mail server wrote itself (it has no sender), of a mail that could not be delivered."
    " Nobody waits for it, so it is no gap.",
    "Look for the mail that it is about: its own line says `sender non-delivery notification` and this queue id.",
)


def _elsewhere(relays: Sequence[str]) -> Judgement:
    if not any("." in relay or ":" in relay or "smtp" in relay for relay in relays):  # `local`, `virtual`, `appendfile`
        return Judgement(
            (),
            "elsewhere",
            "The mail server delivered the mail on its own host: SES never had it.",
            f"Look in the mailbox on that host (delivered by {', '.join(relays)}). If it should have gone out by SES,"
            " look at the server's routing for the recipient's domain.",
        )
    return Judgement(
        (),
        "elsewhere",
        "The mail was handed to another server than SES, and no line that was read says how it went on there.",
        f"Look in the log of the server that has it ({'; '.join(relays)}), and give that log as well; if that is SES"
        " under another name, list it in the policy's `sources.relays`.",
    )


def _cause(document: Correlated, recipient: Recipient) -> VerdictCause:
    """Why the recipient stands where it stands: an open gap of its own before what was said of it last."""
    whom = recipient.address
    attempts = [e.cause for e in document.trail if e.cause and (not e.recipients or whom in e.recipients)]
    if recipient.outcome is Outcome.REFUSED and attempts:
        return VerdictCause(attempts[-1])
    for gap in document.gaps:
        if gap.resolution is None and gap.recipient in {None, whom}:
            return VerdictCause(gap.cause)
    if recipient.outcome is Outcome.DEFERRED and attempts:
        return VerdictCause(attempts[-1])
    waiting = VerdictCause.HELD if document.held else VerdictCause.IN_PROGRESS
    return _cause_of_outcome(recipient) or waiting


def _cause_of_outcome(recipient: Recipient) -> VerdictCause | None:
    """By what SES said of the recipient; None while it said nothing."""
    detail = recipient.detail
    match recipient.outcome:
        case Outcome.BOUNCED | Outcome.SOFT_BOUNCED | Outcome.SUPPRESSED if detail.bounce_type:
            return cause_of_bounce(detail.bounce_type, detail.bounce_subtype, detail.status)
        case Outcome.COMPLAINED | Outcome.SUPPRESSED:
            return cause_of_complaint(detail.complaint_subtype)
        case Outcome.DELAYED:
            return cause_of_delay(detail.delay_type)
    return _BY_OUTCOME.get(recipient.outcome)


_BY_OUTCOME: Final = {
    Outcome.REJECTED: VerdictCause.VIRUS,
    Outcome.RENDERING_FAILED: VerdictCause.TEMPLATE_ERROR,
    Outcome.DELIVERED: VerdictCause.DELIVERED,
}


def _circumstances(document: Correlated, recipient: Recipient | None) -> Circumstances:
    known = Circumstances(
        region=document.region or "",
        ses_id=document.ses_message_id or "",
        mail_id=document.mail_id,
        host=document.queue_ids[0].partition("/")[0] if document.queue_ids else "",
        accepted_at=document.accepted_at or "",
    )
    if recipient is None:
        return known
    detail = recipient.detail
    words = "/".join(filter(None, (detail.bounce_type, detail.bounce_subtype))) or detail.delay_type
    return msgspec.structs.replace(
        known,
        recipient=recipient.address,
        domain=recipient.domain,
        expires=detail.expires,
        reply=detail.reply or detail.diagnostic or detail.smtp_response,
        words=words or detail.feedback,
        reason=detail.reason or detail.error,
        template=detail.template,
    )
