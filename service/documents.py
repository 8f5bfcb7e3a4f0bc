"""From a verdict to the documents that leave the process: the correlated record and the gap record.

Which cause stands for a whole mail is decided here: an open gap before a failure, a failure before what is still under
way, and `delivered` only where nothing else is to be said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from service.contract.correlated import Correlated, Detail, GapEntry, Recipient, TrailEntry, VerdictEntry
from service.contract.enums import GapKind, Outcome, Resolution, VerdictCause
from service.contract.enums import GapState as State
from service.contract.gap import GapRecord
from service.contract.wire import timestamp
from service.explain import (
    RUNBOOKS,
    Circumstances,
    Explanation,
    cause_of_bounce,
    cause_of_complaint,
    cause_of_delay,
    explain,
    unvaried,
)
from service.facts import (
    Accepted,
    Answered,
    Bounced,
    Cause,
    Closed,
    Complained,
    Deferred,
    Delayed,
    Delivered,
    Described,
    Elsewhere,
    Engaged,
    Fact,
    Identified,
    Instant,
    OtherEvent,
    Queued,
    Refused,
    Rejected,
    RenderingFailed,
    Source,
    Started,
    Told,
    Unconfirmed,
)
from service.parsing.addresses import domain
from service.providers import provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.facts import Sighting
    from service.facts_record import Closing
    from service.rows import Book, GapState
    from service.verdicts import RecipientVerdict, Verdict

MAX_EVIDENCE: Final = 64
"""Trail entries in a document: the earliest."""

LONGEST_SAID: Final = 200
"""Characters of a reply that a trail entry keeps; the recipient's detail has all of it."""

_UNANSWERED: Final = frozenset({Resolution.WINDOW_CLOSED, Resolution.CLOSED_BY_OPERATOR})

_WORST_FIRST: Final = (
    Outcome.REFUSED,
    Outcome.REJECTED,
    Outcome.RENDERING_FAILED,
    Outcome.BOUNCED,
    Outcome.SUPPRESSED,
    Outcome.SOFT_BOUNCED,
    Outcome.COMPLAINED,
    Outcome.DEFERRED,
    Outcome.DELAYED,
    Outcome.PENDING,
    Outcome.DELIVERED,
)


@dataclass(frozen=True, slots=True)
class Documents:
    """Writes documents; `runbooks` is the base of their links, `historic` marks all of them as old news (rule 21)."""

    runbooks: str = RUNBOOKS
    historic: bool = False

    def correlated(self, verdict: Verdict, book: Book, *, evidence: bool = True, partial: bool = False) -> Correlated:
        """The correlated record. Without `evidence`: what is compared to tell whether anything changed."""
        said = self._explain(verdict, book)
        return Correlated(
            mail_id=verdict.mail_id,
            ses_message_id=verdict.ses_id,
            message_id_header=_bracketed(verdict.message_id),
            queue_ids=verdict.queue_ids,
            stream=verdict.stream,
            region=verdict.region,
            sender=verdict.sender,
            submitted_at=_time(verdict.submitted_at),
            accepted_at=_time(verdict.accepted_at),
            revision=max(book.revision, 1) if evidence else 1,
            recipients=tuple(_recipient(r) for r in verdict.recipients),
            gaps=tuple(_gap_entry(gap_id, gap) for gap_id, gap in _in_order(book)),
            ses_mails=verdict.ses_mails,
            superseded_by=verdict.superseded_by,
            partial=partial,
            held=verdict.held,
            historic=self.historic,
            verdict=VerdictEntry(
                stage=said.stage, cause=said.cause, explanation=said.explanation, next_step=said.next_step
            ),
            trail=_trail(verdict, evidence=evidence),
        )

    def evident(self, compared: Correlated, verdict: Verdict, book: Book) -> Correlated:
        """The record whose form without evidence is `compared`: much cheaper than to write it anew."""
        entries = zip(compared.trail, _shown(verdict), strict=True)
        trail = tuple([replace(entry, evidence=seen.where) for entry, (_, _, seen) in entries])
        return replace(compared, revision=max(book.revision, 1), trail=trail)

    def gap(self, gap_id: str, gap: GapState, verdict: Verdict, closing: Closing | None = None) -> GapRecord:
        """The gap record of one change; `closing`, where it is somebody's doing."""
        about = next((r for r in verdict.recipients if r.address == gap.recipient), None)
        said = explain(gap.cause, _circumstances(verdict, about), runbooks=self.runbooks)
        where = domain(gap.recipient or (verdict.recipients[0].address if verdict.recipients else ""))
        return GapRecord(
            gap_id=gap_id,
            state=_state(gap),
            revision=gap.revision,
            kind=gap.kind,
            cause=gap.cause,
            mail_id=verdict.mail_id,
            ses_message_id=verdict.ses_id,
            message_id_header=_bracketed(verdict.message_id),
            recipient=gap.recipient,
            provider=provider(where),
            stream=gap.stream,
            region=verdict.region,
            deadline=timestamp(gap.deadline),
            opened_at=timestamp(gap.opened_at),
            resolved_at=_time(gap.resolved_at),
            resolution=gap.resolution,
            explanation=said.explanation,
            next_step=said.next_step,
            runbook_url=said.runbook_url,
            closed_by=closing.by if closing is not None else None,
            close_reason=closing.reason if closing is not None else None,
            historic=self.historic,
        )

    def _explain(self, verdict: Verdict, book: Book) -> Explanation:
        cause, about = _chief(verdict, book)
        return unvaried(cause, self.runbooks) or explain(cause, _circumstances(verdict, about), runbooks=self.runbooks)


def _chief(verdict: Verdict, book: Book) -> tuple[VerdictCause, RecipientVerdict | None]:
    """The cause that stands for the mail, and the recipient it is about."""
    if verdict.superseded_by is not None:
        return VerdictCause.SUPERSEDED, None
    for _, gap in _in_order(book):
        if gap.resolved_at is None:
            about = next((r for r in verdict.recipients if r.address == gap.recipient), None)
            return VerdictCause(_now(gap, verdict)), about or _worst(verdict)
    if verdict.held:
        return VerdictCause.HELD, None
    worst = _worst(verdict)
    return (_cause(worst), worst) if worst else (VerdictCause.IN_PROGRESS, None)


def _now(gap: GapState, verdict: Verdict) -> Cause:
    """A gap keeps the cause it opened with; a refusal that came since says more about the mail."""
    final = [r.fact for r in verdict.recipients if isinstance(r.fact, Refused) and r.fact.recipients]
    return final[0].cause if gap.kind is GapKind.SENT_NO_SES_ID and final else gap.cause


def _worst(verdict: Verdict) -> RecipientVerdict | None:
    return min(verdict.recipients, key=lambda r: _WORST_FIRST.index(r.outcome), default=None)


def _cause(recipient: RecipientVerdict) -> VerdictCause:
    match recipient.fact:
        case Bounced() as fact:
            return cause_of_bounce(fact.bounce_type, fact.bounce_subtype, fact.status)
        case Complained() as fact if recipient.outcome is not Outcome.DELIVERED:
            return cause_of_complaint(fact.subtype)
        case Delayed() as fact:
            return cause_of_delay(fact.delay_type)
        case Deferred() | Refused() as fact:
            return VerdictCause(fact.cause)
        case Unconfirmed():
            return VerdictCause.NO_ID_IN_REPLY
        case Rejected():
            return VerdictCause.VIRUS
        case RenderingFailed():
            return VerdictCause.TEMPLATE_ERROR
        case Delivered() | Engaged() | Complained():
            return VerdictCause.DELIVERED
    return VerdictCause.IN_PROGRESS


def _circumstances(verdict: Verdict, about: RecipientVerdict | None) -> Circumstances:
    detail = _detail_of(about) if about else _detail(_last_attempt(verdict))
    words = "/".join(w for w in (detail.bounce_type, detail.bounce_subtype) if w) or detail.delay_type
    address = about.address if about else ""
    submission = verdict.queue_ids[0] if verdict.queue_ids else ""
    return Circumstances(
        recipient=address,
        domain=domain(address),
        region=verdict.region or "",
        ses_id=verdict.ses_id or "",
        mail_id=verdict.mail_id,
        host=submission.partition("/")[0],
        accepted_at=_time(verdict.accepted_at) or "",
        expires=detail.expires,
        reply=detail.reply or detail.diagnostic or detail.smtp_response,
        words=words or detail.feedback,
        reason=detail.reason or detail.error,
        template=detail.template,
    )


def _last_attempt(verdict: Verdict) -> Fact | None:
    """What was said last of a hand-off for nobody in particular: most applications do not log whom a mail is for."""
    attempts = [fact for _, fact, _ in verdict.facts if isinstance(fact, Deferred | Refused) and verdict.ses_id is None]
    return attempts[-1] if attempts else None


def _recipient(r: RecipientVerdict) -> Recipient:
    return Recipient(
        address=r.address, domain=domain(r.address), outcome=r.outcome, at=_time(r.at), detail=_detail_of(r)
    )


def _detail_of(recipient: RecipientVerdict) -> Detail:
    """What was said of a recipient; where that was said by the name of an address he forwards to, the name as well."""
    detail, fact = _detail(recipient.fact), recipient.fact
    if not isinstance(fact, _TO_FORWARDED) or not fact.recipients:
        return detail
    if recipient.address.casefold() in {address.casefold() for address in fact.recipients}:
        return detail
    return replace(detail, diagnostic=f"{', '.join(fact.recipients)}: {fact.diagnostic}".removesuffix(": "))


_TO_FORWARDED: Final = (Bounced, Delayed)


def _detail(fact: Fact | None) -> Detail:
    """What was said of a recipient, in the words of whoever said it."""
    match fact:
        case Bounced():
            return Detail(
                bounce_type=fact.bounce_type,
                bounce_subtype=fact.bounce_subtype,
                status=fact.status,
                diagnostic=fact.diagnostic,
            )
        case Delayed():
            return Detail(
                delay_type=fact.delay_type,
                expires=timestamp(fact.expires) if fact.expires else "",
                status=fact.status,
                diagnostic=fact.diagnostic,
            )
        case Delivered():
            return Detail(smtp_response=fact.smtp_response)
        case Complained():
            return Detail(complaint_subtype=fact.subtype, feedback=fact.feedback)
        case Rejected():
            return Detail(reason=fact.reason)
        case RenderingFailed():
            return Detail(template=fact.template, error=fact.error)
        case Deferred() | Refused() | Unconfirmed():
            return Detail(reply=fact.reply)
    return _NOTHING


_NOTHING: Final = Detail()


_WORDS: Final[dict[type, Callable[[Any], str]]] = {
    Answered: lambda fact: "found_by_message_id" if fact.ses_id else "not_found_by_message_id",
    Complained: lambda fact: "not_spam" if fact.feedback == "not-spam" else "complained",
    Engaged: lambda fact: fact.how,
    OtherEvent: lambda fact: fact.event_type,
    RenderingFailed: lambda _: "rendering_failed",
    Told: lambda _: "submitted",
}
"""What a trail calls a fact, where that is not the name of its kind."""


def _shown(verdict: Verdict) -> list[tuple[Instant, Fact, Sighting]]:
    """The facts that a trail shows. `Described` only repeats what each event says of the mail, so it is none."""
    return [item for item in verdict.facts if type(item[1]) is not Described][:MAX_EVIDENCE]


def _trail(verdict: Verdict, *, evidence: bool) -> tuple[TrailEntry, ...]:
    """One entry a fact that is shown."""
    everyone = frozenset([r.address for r in verdict.recipients])
    return tuple([entry(at, fact, seen.where if evidence else "", everyone) for at, fact, seen in _shown(verdict)])


def entry(at: Instant, fact: Fact, evidence: str, everyone: frozenset[str] = frozenset()) -> TrailEntry:
    """One fact as a trail shows it; whom it is about is said only where that is not `everyone`."""
    about: tuple[str, ...] = getattr(fact, "recipients", ())
    kind = type(fact)
    words, speaks = _WORDS.get(kind), _SAID.get(kind)
    said = speaks(fact) if speaks is not None else ""
    return TrailEntry(
        at=timestamp(at),
        source=Source.SMTP if hasattr(fact, "floating") else Source.SES,
        fact=words(fact) if words is not None else kind.__name__.lower(),
        evidence=evidence,
        recipients=() if not about or everyone == frozenset(about) else about,
        cause=fact.cause.value if isinstance(fact, _FAILED) else "",
        said=said if len(said) <= LONGEST_SAID else said[: LONGEST_SAID - 1] + "…",
    )


_FAILED: Final = (Deferred, Refused)


def _words(fact: Fact) -> str:
    detail = _detail(fact)
    kind = "/".join(filter(None, (detail.bounce_type, detail.bounce_subtype))) or detail.delay_type or detail.feedback
    text = detail.reply or detail.diagnostic or detail.smtp_response or detail.reason or detail.error or detail.status
    return ": ".join(filter(None, (kind or detail.complaint_subtype, text)))


def _queued(fact: Queued) -> str:
    count = fact.recipient_count  # 0: Exim does not say
    return f"from <{fact.sender}>" + (f", {count} recipient{'' if count == 1 else 's'}" if count else "")


_SAID: Final[dict[type, Callable[[Any], str]]] = {
    Started: lambda fact: f"{fact.application}, requeued from {fact.before}" if fact.before else fact.application,
    Identified: lambda fact: fact.message_id,
    Accepted: lambda fact: fact.ses_id,
    Answered: lambda fact: fact.ses_id,
    Told: lambda fact: fact.submission,
    Elsewhere: lambda fact: f"{fact.relay}, queued as {fact.queued_as}" if fact.queued_as else fact.relay,
    Closed: lambda fact: fact.how,
    Queued: _queued,
    Delivered: lambda fact: fact.smtp_response,
    **dict.fromkeys((Bounced, Complained, Deferred, Delayed, Refused, Rejected, RenderingFailed, Unconfirmed), _words),
}
"""What a person wants to see of a fact on one line; of others there is nothing."""


def _gap_entry(gap_id: str, gap: GapState) -> GapEntry:
    return GapEntry(
        gap_id=gap_id,
        kind=gap.kind,
        cause=gap.cause,
        recipient=gap.recipient,
        deadline=timestamp(gap.deadline),
        opened_at=timestamp(gap.opened_at),
        resolved_at=_time(gap.resolved_at),
        resolution=gap.resolution,
    )


def _in_order(book: Book) -> list[tuple[str, GapState]]:
    return sorted(book.gaps.items(), key=lambda item: (item[1].opened_at, item[0]))


def _state(gap: GapState) -> State:
    if gap.resolution is None:
        return State.OPENED
    return State.CLOSED if gap.resolution in _UNANSWERED else State.RESOLVED


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else timestamp(instant)


def _bracketed(message_id: str | None) -> str | None:
    return f"<{message_id}>" if message_id else None
