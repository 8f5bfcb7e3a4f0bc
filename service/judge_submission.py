"""Judges one life of a submission: which of its recipients got an SES id, and since when one is missing.

The gap is `sent_no_ses_id`: at once on a final refusal, else at the hand-off deadline. Pure; never looks at a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.contract.enums import GapKind, Outcome, Resolution
from service.facts import (
    SECOND,
    Accepted,
    Answered,
    Asked,
    Cause,
    Deferred,
    Fact,
    Instant,
    Refused,
    Source,
    Told,
    Unconfirmed,
    message_id_name,
    ses_name,
)
from service.lifecycle import Handoff
from service.parsing.addresses import domain
from service.policy import Attributes, Policy, Stream
from service.submission import UNNAMED, Leg, Submission, is_lost
from service.verdicts import Due, Gap, Message, RecipientVerdict, Verdict

if TYPE_CHECKING:
    from service.watermarks import Watermarks

_OUTCOMES: Final = {
    Handoff.PENDING: Outcome.PENDING,
    Handoff.UNCONFIRMED: Outcome.PENDING,
    Handoff.DEFERRED: Outcome.DEFERRED,
    Handoff.REFUSED: Outcome.REFUSED,
}
_SPEAKS_TO_SES: Final = (Accepted, Deferred, Refused)
"""Lines that name SES's endpoint, and so its region."""
_FAILED: Final = (Deferred, Refused, Unconfirmed)


def judge(sub: Submission, marks: Watermarks, policy: Policy) -> Verdict:
    """The verdict on one life."""
    stream = stream_of(sub, policy)
    deadline = sub.started_seen + stream.deadlines.handoff
    waiting = waits(sub)
    past = marks.of(Source.SMTP) >= deadline + policy.grace
    due_past = waiting and past
    held = due_past and _in_the_dark(sub, deadline, marks, policy)
    joins = _joins(sub, marks, policy)
    # What names nothing but a Message-ID can be heard of by that alone: without the join, nothing is known of it.
    known_absent = any(_is_absence(f) for f, _ in sub.life.facts) if joins else bool(sub.legs) or not sub.by_application
    late = _late(sub, deadline)
    refusal = _refusal(sub)
    certain = refusal is None or _is_no_notice(sub, refusal + policy.grace, marks)
    gap = _gap(
        sub,
        deadline,
        refusal=refusal if certain else None,
        late=late and past,
        silence_counts=due_past and not held and known_absent,
    )
    ids = tuple(dict.fromkeys([*(leg.ses_id for leg in sub.legs.values() if leg.ses_id), *sub.found]))
    return Verdict(
        mail_id=sub.mail_id,
        ses_id=None,
        message_id=sub.message_id or None,
        queue_ids=(sub.life.submission,),
        stream=stream.name,
        region=next((f.region for f, _ in sub.life.facts if isinstance(f, _SPEAKS_TO_SES) and f.region), None),
        sender=sub.sender or "",
        submitted_at=sub.life.facts[0][0].at + sub.correction,
        accepted_at=None,
        recipients=tuple(_recipient(a, sub.legs[a], sub.correction) for a in sub.missing if a and not sub.notice),
        gaps=(gap,) if gap else (),
        held=held,
        facts=tuple((_corrected(f, sub.correction), f, seen) for f, seen in sub.life.facts if _is_evidence(f, sub)),
        due=(
            *(_due(deadline, marks, policy, held=held) if waiting or late else ()),
            *(() if certain or refusal is None else (Due(refusal + policy.grace, Source.SMTP),)),
        ),
        ses_mails=ids,
        superseded_by=ids[0] if ids and not sub.missing and sub.complete else None,
        found=bool(sub.found),
        settled=not waiting and sub.complete,
        worth_publishing=gap is not None,
    )


def _refusal(sub: Submission) -> Instant | None:
    return min((leg.refused_at for leg in sub.legs.values() if leg.refused_at is not None), default=None)


def _is_no_notice(sub: Submission, until: Instant, marks: Watermarks) -> bool:
    """An application waits for this mail: its sender is known, or the line that would name a null sender is not coming.

    SES refuses the notice that a mail server writes of every mail that SES refused, so this decides about every second
    refusal. The lines of one host come in order only where its log has one partition.
    """
    known = sub.sender is not None or sub.by_application
    return known or marks.complete or marks.of(Source.SMTP) >= until


def _in_the_dark(sub: Submission, deadline: Instant, marks: Watermarks, policy: Policy) -> bool:
    """The host's whole log fell silent, this mail's lines with it (rule 15), or lines were lost unread (rule 20)."""
    if marks.lost(Source.SMTP, sub.started_seen, deadline + policy.grace):
        return True
    silent = marks.silent_host(sub.life.submission, last_line(sub), policy.grace, policy.stall_mails)
    return sub.in_flight and silent


def _is_absence(fact: Fact) -> bool:
    return isinstance(fact, Answered) and not fact.ses_id and not fact.carrier


def _is_evidence(fact: Fact, sub: Submission) -> bool:
    """An answer is evidence only where it found what was missing: whether it was asked for hangs on what was known."""
    return not isinstance(fact, Answered) or fact.ses_id in sub.found


def last_line(sub: Submission) -> Instant:
    """When the log last spoke of this mail, by record time."""
    return max(seen.seen for fact, seen in sub.life.facts if not isinstance(fact, Answered))


def well(sub: Submission, policy: Policy) -> bool:
    """Every recipient has its id, and had it in time: there is nothing to judge, and nothing to publish (rule 11)."""
    legs = sub.legs.values()
    deadline = sub.started_seen + policy.shortest_handoff
    return (
        (len(legs) >= max(sub.expected, 1) or UNNAMED in sub.legs)
        and not sub.lost
        and all(
            leg.state is Handoff.ELSEWHERE
            or (leg.state is Handoff.ACCEPTED and not leg.found and leg.refused_at is None and leg.at <= deadline)
            for leg in legs
        )
    )


def stream_of(sub: Submission, policy: Policy) -> Stream:
    """The stream by what a mail server knows."""
    return policy.stream(Attributes(application=sub.application, sender_domain=domain(sub.sender or "")))


def _due(deadline: Instant, marks: Watermarks, policy: Policy, *, held: bool) -> tuple[Due, ...]:
    """When to look again; a held mail is looked at whenever its source has spoken on for a while."""
    again = marks.of(Source.SMTP) + max(policy.grace, SECOND)
    return (Due(again if held else deadline + policy.grace, Source.SMTP),)


def waits(sub: Submission) -> bool:
    """Somebody waits for an id: an application's mail with a recipient that has none."""
    if sub.notice or not sub.asked_for:
        return False
    return bool(sub.missing) or not (sub.legs or sub.found)


def is_for_ses(sub: Submission) -> bool:
    """An application asked for it to be sent, and not all of it went elsewhere."""
    elsewhere = bool(sub.legs) and all(leg.state is Handoff.ELSEWHERE for leg in sub.legs.values())
    return sub.asked_for and not sub.notice and not elsewhere


def handoff_time(sub: Submission) -> int | None:
    """Milliseconds from the first line to the last acceptance, by the host's own clock; None where an id is missing."""
    taken = [leg.fact.at for leg in sub.legs.values() if leg.state is Handoff.ACCEPTED and leg.fact and not leg.found]
    return max(taken) - sub.life.facts[0][0].at if taken and not sub.missing else None


def _joins(sub: Submission, marks: Watermarks, policy: Policy) -> bool:
    return bool(sub.message_id) and policy.message_id_join and Source.SES in marks.configured


def _corrected(fact: Fact, offset: int) -> Instant:
    return fact.at + offset if getattr(fact, "floating", False) else fact.at


def _recipient(address: str, leg: Leg, offset: int) -> RecipientVerdict:
    at = _corrected(leg.fact, offset) if leg.fact else None
    return RecipientVerdict(address, _OUTCOMES[leg.state], at, leg.fact)


def _late(sub: Submission, deadline: Instant) -> bool:
    """An id that came after the deadline: by then the silence had been one."""
    return any(leg.state is Handoff.ACCEPTED and not leg.found and leg.at > deadline for leg in sub.legs.values())


def _gap(
    sub: Submission, deadline: Instant, *, refusal: Instant | None, late: bool, silence_counts: bool
) -> Gap | None:
    """One gap a submission: from the first refusal or the deadline, to the instant when the last one had its id."""
    if sub.notice or not sub.asked_for:
        return None
    if refusal is None and not late and not silence_counts:
        return None
    # A refusal after the deadline ends no silence that had not been one.
    opened = deadline if refusal is None else min(refusal, deadline)
    over = not sub.missing and bool(sub.legs) and sub.complete
    if over and not late and refusal is None:
        return None
    accepted = [leg.at for leg in sub.legs.values() if leg.state is Handoff.ACCEPTED and not leg.found]
    return Gap(
        GapKind.SENT_NO_SES_ID,
        "handoff",
        _one(sub),
        _cause(sub, opened),
        opened,
        opened,
        max(accepted) if over and accepted else None,
        Resolution.ACCEPTED if over and accepted else None,
    )


def _one(sub: Submission) -> str | None:
    who = sub.missing or list(sub.legs)
    return who[0] or None if len(who) == 1 else None


def _cause(sub: Submission, opened: Instant) -> Cause:
    """Why, as far as was known when the gap opened; a later retry does not rewrite what was announced."""
    cause = Cause.SILENT
    for fact, seen in sorted(sub.life.facts, key=lambda item: (item[1].seen, item[0].at)):
        if seen.seen > opened:
            break
        match fact:
            case Deferred():
                cause = fact.cause
            case Refused() if fact.recipients or cause is Cause.SILENT:
                return fact.cause
            case Unconfirmed():
                cause = Cause.NO_ID_IN_REPLY
    return cause


# -- what a submission tells and asks --------------------------------------------------------------------------------


def tells(sub: Submission) -> list[Message]:
    """What the SES mails of this submission should know of it (rule 9); nothing where there is nothing to add."""
    if not (sub.sender or sub.message_id or sub.application):
        return []
    by_id: dict[str, list[str]] = {}
    for address, leg in sub.legs.items():
        if leg.ses_id:
            by_id.setdefault(leg.ses_id, []).append(address)
    for ses_id, recipients in sub.found.items():
        by_id.setdefault(ses_id, list(recipients))
    first, sighting = sub.life.facts[0]
    floating = bool(getattr(first, "floating", False))
    return [
        Message(
            ses_name(ses_id),
            Told(
                first.at,
                floating,
                sub.life.submission,
                sub.sender or "",
                sub.message_id,
                tuple(sorted(filter(None, addresses))),
                sub.application,
            ),
            sighting,
        )
        for ses_id, addresses in by_id.items()
    ] + [message for ses_id, addresses in by_id.items() for message in _attempts(sub, ses_id, frozenset(addresses))]


def _attempts(sub: Submission, ses_id: str, addresses: frozenset[str]) -> list[Message]:
    """The attempts that failed before, for the story in the SES mail's record: a well submission has none of its own.

    They decide nothing there.
    """
    return [
        Message(ses_name(ses_id), fact, sighting)
        for fact, sighting in sub.life.facts
        if isinstance(fact, _FAILED) and (not fact.recipients or not addresses.isdisjoint(fact.recipients))
    ]


def ask(sub: Submission, marks: Watermarks, policy: Policy) -> tuple[Message | None, tuple[Due, ...]]:
    """The question under the Message-ID, once it is time to ask; and when to look again (rule 10).

    A refused recipient needs no answer. A copy whose id was lost is asked for even where a retry was accepted since:
    whether it was asked must not hang on which line was read first.
    """
    without = [address for address in sub.missing if sub.legs[address].state is not Handoff.REFUSED]
    wanted = {*without, *sub.lost}
    unnamed = UNNAMED in sub.legs
    known = bool(sub.legs) and not unnamed and len(sub.legs) >= sub.expected
    settled = (known or unnamed) and not wanted
    if sub.notice or not sub.asked_for or not _joins(sub, marks, policy) or settled:
        return None, ()
    handoff = stream_of(sub, policy).deadlines.handoff
    half = sub.started_seen + handoff // 2
    if not sub.lost and marks.of(Source.SMTP) < half:
        return None, (Due(half, Source.SMTP),)
    lost = [seen.seen for fact, seen in sub.life.facts if is_lost(fact)]
    fact = Asked(
        _began(sub),
        sub.mail_id,
        b"Q:" + sub.life.submission.encode(),
        domain(sub.sender or ""),
        tuple(sorted(filter(None, wanted))) if known else (),
        max([sub.started_seen, *lost]) + handoff + policy.grace,
    )
    return Message(message_id_name(sub.message_id), fact, sub.life.facts[0][1]), ()


def _began(sub: Submission) -> Instant:
    """The earliest instant at which SES may have taken it: a log that was shipped late has late records."""
    lines = [(fact, seen) for fact, seen in sub.life.facts if not isinstance(fact, Answered)]
    return min(min(_corrected(fact, sub.correction), seen.seen) for fact, seen in lines)
