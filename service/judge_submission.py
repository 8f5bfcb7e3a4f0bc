"""Judges one life of a submission: which of its recipients got an SES id, and since when one is missing.

The gap is `sent_no_ses_id`: at once on a final refusal, else at the hand-off deadline. Pure; never looks at a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from service.contract.enums import GapKind, Outcome, Resolution
from service.facts import (
    SECOND,
    Accepted,
    Answered,
    Asked,
    Cause,
    Closed,
    Deferred,
    Elsewhere,
    Fact,
    Identified,
    Instant,
    Queued,
    Refused,
    Sighting,
    Source,
    Started,
    Told,
    Unconfirmed,
    message_id_name,
    ses_name,
)
from service.lifecycle import Handoff, next_handoff
from service.lives import Life
from service.parsing.addresses import domain
from service.parsing.ses_id import id_clock
from service.policy import Attributes, Policy, Stream
from service.verdicts import Due, Gap, Message, RecipientVerdict, Verdict

if TYPE_CHECKING:
    from service.watermarks import Watermarks

ZONE_STEP: Final = 15 * 60 * 1000
"""Every zone on Earth is a multiple of this away from UTC."""

_OUTCOMES: Final = {
    Handoff.PENDING: Outcome.PENDING,
    Handoff.UNCONFIRMED: Outcome.PENDING,
    Handoff.DEFERRED: Outcome.DEFERRED,
    Handoff.REFUSED: Outcome.REFUSED,
}
_SPEAKS_TO_SES: Final = (Accepted, Deferred, Refused)
"""Lines that name SES's endpoint, and so its region."""
_ENDS: Final = {
    Accepted: Handoff.ACCEPTED,
    Deferred: Handoff.DEFERRED,
    Refused: Handoff.REFUSED,
    Unconfirmed: Handoff.UNCONFIRMED,
    Elsewhere: Handoff.ELSEWHERE,
}


_SETTLED: Final = frozenset({Handoff.ACCEPTED, Handoff.ELSEWHERE, Handoff.REFUSED})


class Leg(msgspec.Struct):
    """One recipient on the way to SES. `at` is when the state was entered, by record time."""

    state: Handoff = Handoff.PENDING
    at: Instant = 0
    fact: Fact | None = None
    ses_id: str = ""
    found: bool = False
    refused_at: Instant | None = None


class Submission(msgspec.Struct, frozen=True):
    """What a life's lines add up to. Times named `_seen` are record times; the others are the log's, corrected."""

    life: Life
    mail_id: str
    legs: dict[str, Leg]
    sender: str | None
    message_id: str
    application: str
    started_seen: Instant
    asked_for: bool
    """Something was handed over for sending: without it there is nothing to miss. (A mail that an operator has put
    back into the queue goes on under another queue id.)"""
    correction: int
    lost: tuple[str, ...]
    """Recipients of whom SES may have taken a copy whose id is known to be lost, whatever a later attempt brought."""
    found: dict[str, tuple[str, ...]]
    """The SES ids that its Message-ID found, and SES's recipients of each."""
    ended: bool
    """The mail server is done with it: no further line will come."""
    expected: int
    """How many recipients the queue said there are; 0 where no line said so."""

    @property
    def notice(self) -> bool:
        """The mail server's own bounce notice (null sender): no application waits for it."""
        return self.sender == ""

    @property
    def missing(self) -> list[str]:
        """Recipients without an SES id, whose business it is."""
        return [a for a, leg in self.legs.items() if leg.state not in (Handoff.ACCEPTED, Handoff.ELSEWHERE)]

    @property
    def complete(self) -> bool:
        """As far as one can know, no recipient is left of whom no line has spoken yet."""
        return self.ended or len(self.legs) >= self.expected

    @property
    def in_flight(self) -> bool:
        """Another line must come: an attempt, or what became of one."""
        if self.notice or not self.asked_for or self.ended:
            return False
        return not self.legs or any(self.legs[address].state is not Handoff.REFUSED for address in self.missing)


def read(life: Life, mail_id: str) -> Submission:
    """Adds up a life's facts."""
    legs: dict[str, Leg] = {}
    found: dict[str, tuple[str, ...]] = {}
    lost = _lost(life)
    expected = min((fact.recipient_count for fact, _ in life.facts if isinstance(fact, Queued)), default=0)
    sender, message_id, application, queued, ended = None, "", "", False, ""
    for fact, seen in life.facts:
        match fact:
            case Started():
                application = application or fact.application
            case Identified():
                message_id = message_id or fact.message_id
            case Queued():
                sender, queued = fact.sender if sender is None else sender, True
            case Closed():
                ended = fact.how
            case Answered() if fact.ses_id and _answer(legs, lost, expected, fact):
                found[fact.ses_id] = fact.recipients
            case Accepted() | Deferred() | Refused() | Unconfirmed() | Elsewhere():
                _attempt(legs, fact, seen)
    lines = [(fact, seen.seen) for fact, seen in life.facts if not isinstance(fact, Answered)]
    attempts = [seen for fact, seen in lines if type(fact) in _ENDS]
    return Submission(
        life,
        mail_id,
        legs,
        sender,
        message_id,
        application,
        started_seen=min(attempts or [seen for _, seen in lines]),
        asked_for=ended != "requeued" and (bool(attempts) or ((queued or bool(message_id)) and ended != "discarded")),
        correction=correction(life),
        lost=lost,
        found=found,
        ended=bool(ended),
        expected=expected,
    )


def correction(life: Life) -> int:
    """What a stamp without a zone must be moved by: SES's own clock settles it, else the record's timestamp."""
    floating = [(fact, seen) for fact, seen in life.facts if getattr(fact, "floating", False)]
    for fact, _ in floating:
        clock = id_clock(fact.ses_id) if isinstance(fact, Accepted) else None
        if clock is not None:
            return zone(clock - fact.at)
    return zone(min((seen.seen - fact.at for fact, seen in floating), key=abs, default=0))


def zone(difference: int) -> int:
    """The nearest distance that a zone can have."""
    return round(difference / ZONE_STEP) * ZONE_STEP


def _attempt(
    legs: dict[str, Leg], fact: Accepted | Deferred | Refused | Unconfirmed | Elsewhere, seen: Sighting
) -> None:
    end = _ENDS[type(fact)]
    # What names nobody (an expired mail) is about those who were SES's business.
    for address in fact.recipients or [a for a, leg in legs.items() if leg.state is not Handoff.ELSEWHERE]:
        leg = legs.setdefault(address, Leg())
        state = next_handoff(leg.state, end)
        if state is not leg.state or state is end is Handoff.DEFERRED:
            entered = _entered(fact, seen)
            refused = entered if end is Handoff.REFUSED else leg.refused_at
            legs[address] = Leg(state, entered, fact, getattr(fact, "ses_id", ""), refused_at=refused)


def _entered(fact: Fact, seen: Sighting) -> Instant:
    """Record time, but an acceptance is dated by SES's own clock, however late its line was shipped."""
    clock = id_clock(fact.ses_id) if isinstance(fact, Accepted) else None
    return seen.seen if clock is None else min(clock, seen.seen)


def _answer(legs: dict[str, Leg], lost: tuple[str, ...], expected: int, fact: Answered) -> bool:
    """An id for those recipients of SES's mail that have none; whether it is of any use.

    It may name recipients of whom no line has spoken, where the queue said that there are more. A recipient that SES
    refused stays refused, unless that was no more than a lost connection: whether somebody had asked before the refusal
    came must not matter.
    """
    spoken_of, unsaid = list(legs), not legs or len(legs) < expected
    useful = not legs and not fact.recipients
    for address in fact.recipients or spoken_of:
        if address not in legs and not unsaid:
            continue
        leg = legs.get(address, Leg())
        useful = useful or address in lost
        if leg.state not in _SETTLED or (leg.state is Handoff.REFUSED and address in lost):
            legs[address] = Leg(Handoff.ACCEPTED, fact.at, fact, fact.ses_id, found=True)
            useful = True
    return useful


def _lost(life: Life) -> tuple[str, ...]:
    return tuple(sorted({a for fact, _ in life.facts if _is_lost(fact) for a in getattr(fact, "recipients", ())}))


def _is_lost(fact: Fact) -> bool:
    return isinstance(fact, Unconfirmed) or (isinstance(fact, Deferred | Refused) and fact.cause is Cause.AMBIGUOUS)


def judge(sub: Submission, marks: Watermarks, policy: Policy) -> Verdict:
    """The verdict on one life."""
    stream = stream_of(sub, policy)
    deadline = sub.started_seen + stream.deadlines.handoff
    waiting = waits(sub)
    past = marks.of(Source.SMTP) >= deadline + policy.grace
    due_past = waiting and past
    held = due_past and sub.in_flight and _broke_off(sub, marks, policy)
    known_absent = not _joins(sub, marks, policy) or any(_is_absence(f) for f, _ in sub.life.facts)
    late = _late(sub, deadline)
    gap = _gap(sub, deadline, late=late and past, silence_counts=due_past and not held and known_absent)
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
        recipients=tuple(_recipient(address, sub.legs[address], sub.correction) for address in sub.missing),
        gaps=(gap,) if gap else (),
        held=held,
        facts=tuple((_corrected(f, sub.correction), f, seen) for f, seen in sub.life.facts if _is_evidence(f, sub)),
        due=_due(deadline, marks, policy, held=held) if waiting or late else (),
        ses_mails=ids,
        superseded_by=ids[0] if ids and not sub.missing and sub.complete else None,
        found=bool(sub.found),
        settled=not waiting and sub.complete,
        worth_publishing=gap is not None or any(leg.state is Handoff.REFUSED for leg in sub.legs.values()),
    )


def _broke_off(sub: Submission, marks: Watermarks, policy: Policy) -> bool:
    """The host's whole log fell silent, this mail's lines with it (rule 15)."""
    return marks.silent_host(sub.life.submission, last_line(sub), policy.grace, policy.stall_mails)


def _is_absence(fact: Fact) -> bool:
    return isinstance(fact, Answered) and not fact.ses_id


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
        len(legs) >= max(sub.expected, 1)
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


def _gap(sub: Submission, deadline: Instant, *, late: bool, silence_counts: bool) -> Gap | None:
    """One gap a submission: from the first refusal or the deadline, to the instant when the last one had its id."""
    if sub.notice or not sub.asked_for:
        return None
    refused_at = [leg.refused_at for leg in sub.legs.values() if leg.refused_at is not None]
    accepted = [leg.at for leg in sub.legs.values() if leg.state is Handoff.ACCEPTED and not leg.found]
    if not refused_at and not late and not silence_counts:
        return None
    opened = min([*refused_at, deadline])  # a refusal after the deadline ends no silence that had not been one
    over = not sub.missing and bool(sub.legs) and sub.complete
    if over and not late and not refused_at:
        return None
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
    return who[0] if len(who) == 1 else None


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
                tuple(sorted(addresses)),
                sub.application,
            ),
            sighting,
        )
        for ses_id, addresses in by_id.items()
    ]


def ask(sub: Submission, marks: Watermarks, policy: Policy) -> tuple[Message | None, tuple[Due, ...]]:
    """The question under the Message-ID, once it is time to ask; and when to look again (rule 10).

    A refused recipient needs no answer. A copy whose id was lost is asked for even where a retry was accepted since:
    whether it was asked must not hang on which line was read first.
    """
    without = [address for address in sub.missing if sub.legs[address].state is not Handoff.REFUSED]
    wanted = {*without, *sub.lost}
    known = bool(sub.legs) and len(sub.legs) >= sub.expected
    if sub.notice or not sub.asked_for or not _joins(sub, marks, policy) or (known and not wanted):
        return None, ()
    handoff = stream_of(sub, policy).deadlines.handoff
    half = sub.started_seen + handoff // 2
    if not sub.lost and marks.of(Source.SMTP) < half:
        return None, (Due(half, Source.SMTP),)
    lost = [seen.seen for fact, seen in sub.life.facts if _is_lost(fact)]
    fact = Asked(
        _began(sub),
        sub.mail_id,
        b"Q:" + sub.life.submission.encode(),
        domain(sub.sender or ""),
        tuple(sorted(wanted)) if known else (),
        max([sub.started_seen, *lost]) + handoff + policy.grace,
    )
    return Message(message_id_name(sub.message_id), fact, sub.life.facts[0][1]), ()


def _began(sub: Submission) -> Instant:
    """The earliest instant at which SES may have taken it: a log that was shipped late has late records."""
    lines = [(fact, seen) for fact, seen in sub.life.facts if not isinstance(fact, Answered)]
    return min(min(_corrected(fact, sub.correction), seen.seen) for fact, seen in lines)
