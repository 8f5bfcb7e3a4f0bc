"""Adds up one life of a submission: how far each recipient came on the way to SES, and what is known of the mail.

It counts and dates, and judges nothing; `service.judge_submission` does. Pure, and independent of the order of arrival.
"""

from __future__ import annotations

from typing import Final

import msgspec

from service.facts import (
    Accepted,
    Answered,
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
    Started,
    Unconfirmed,
)
from service.lifecycle import Handoff, next_handoff
from service.lives import Life, is_of_application
from service.parsing.ses_id import id_clock

ZONE_STEP: Final = 15 * 60 * 1000
"""Every zone on Earth is a multiple of this away from UTC."""


_ENDS: Final = {
    Accepted: Handoff.ACCEPTED,
    Deferred: Handoff.DEFERRED,
    Refused: Handoff.REFUSED,
    Unconfirmed: Handoff.UNCONFIRMED,
    Elsewhere: Handoff.ELSEWHERE,
}


UNNAMED: Final = ""
"""The leg of recipients whom no line has named: most applications log what SES answered and not for whom."""

_TAKEN_OUT: Final = frozenset({"discarded", "deleted"})
"""Ends of a mail that a rule or an operator took out of the queue: nobody waits for it any more."""

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
    carrier: str
    """The mail server's submission that has this application's mail, and answers for it; empty where none has."""
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
    def by_application(self) -> bool:
        """An application's own statement, not a mail server's: it is nobody's notice."""
        return is_of_application(self.life.submission)

    @property
    def missing(self) -> list[str]:
        """Recipients without an SES id, whose business it is."""
        return [a for a, leg in self.legs.items() if leg.state not in (Handoff.ACCEPTED, Handoff.ELSEWHERE)]

    @property
    def complete(self) -> bool:
        """As far as one can know, no recipient is left of whom no line has spoken yet."""
        return self.ended or UNNAMED in self.legs or len(self.legs) >= self.expected

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
    expected = min([fact.recipient_count for fact, _ in life.facts if type(fact) is Queued], default=0)
    sender, message_id, application, carrier, queued, ended = None, "", "", "", False, ""
    for fact, seen in life.facts:
        match fact:
            case Started():
                application = application or fact.application
            case Identified():
                message_id = message_id or fact.message_id
            case Queued():
                sender, queued = fact.sender if sender is None else sender, True
            case Closed():
                ended = ended if ended == "discarded" else fact.how  # `removed` follows
            case Answered() if fact.carrier:
                carrier = carrier or fact.carrier
            case Answered() if fact.ses_id and _answer(legs, lost, expected, fact):
                found[fact.ses_id] = fact.recipients
            case Accepted() | Deferred() | Refused() | Unconfirmed() | Elsewhere():
                _attempt(legs, fact, seen)
    lines = [(fact, seen.seen) for fact, seen in life.facts if type(fact) is not Answered]
    attempts = [seen for fact, seen in lines if type(fact) in _ENDS]
    return Submission(
        life,
        mail_id,
        legs,
        sender,
        message_id,
        application,
        started_seen=min(attempts or [seen for _, seen in lines]),
        asked_for=ended != "requeued"
        and not carrier
        and (bool(attempts) or ((queued or bool(message_id)) and ended not in _TAKEN_OUT)),
        correction=correction(life),
        lost=lost,
        carrier=carrier,
        found=found,
        ended=bool(ended),
        expected=expected,
    )


def correction(life: Life) -> int:
    """What a stamp without a zone must be moved by: SES's own clock settles it, else the record's timestamp."""
    floating = [(fact, seen) for fact, seen in life.facts if getattr(fact, "floating", False)]
    if not floating:
        return 0
    for fact, _ in floating:
        clock = id_clock(fact.ses_id) if isinstance(fact, Accepted) else None
        if clock is not None:
            return zone(clock - fact.at)
    return zone(min([seen.seen - fact.at for fact, seen in floating], key=abs))


def zone(difference: int) -> int:
    """The nearest distance that a zone can have."""
    return round(difference / ZONE_STEP) * ZONE_STEP


def _attempt(
    legs: dict[str, Leg], fact: Accepted | Deferred | Refused | Unconfirmed | Elsewhere, seen: Sighting
) -> None:
    end = _ENDS[type(fact)]
    # What names nobody (an expired mail) is about those who were SES's business, and what was said so is about those
    # who are named later.
    before = legs.pop(UNNAMED, None) if fact.recipients else None
    for address in fact.recipients or _others(legs):
        leg = legs.setdefault(address, before or Leg())
        state = next_handoff(leg.state, end)
        if state is not leg.state or state is end is Handoff.DEFERRED:
            entered = _entered(fact, seen)
            refused = entered if end is Handoff.REFUSED else leg.refused_at
            legs[address] = Leg(state, entered, fact, getattr(fact, "ses_id", ""), refused_at=refused)


def _others(legs: dict[str, Leg]) -> list[str]:
    return [a for a, leg in legs.items() if leg.state is not Handoff.ELSEWHERE] or ([] if legs else [UNNAMED])


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
    if fact.recipients and UNNAMED in legs and legs[UNNAMED].state not in _SETTLED:
        del legs[UNNAMED]
    spoken_of, unsaid = list(legs), not legs or len(legs) < expected
    useful = not legs and not fact.recipients
    written = {address.casefold(): address for address in legs}  # SES may write an address in another case
    for address in [written.get(a.casefold(), a) for a in fact.recipients] or spoken_of:
        if address not in legs and not unsaid:
            continue
        leg = legs.get(address, Leg())
        useful = useful or address in lost
        if leg.state not in _SETTLED or (leg.state is Handoff.REFUSED and address in lost):
            legs[address] = Leg(Handoff.ACCEPTED, fact.at, fact, fact.ses_id, found=True)
            useful = True
    return useful


def _lost(life: Life) -> tuple[str, ...]:
    lost = [getattr(fact, "recipients", ()) or (UNNAMED,) for fact, _ in life.facts if is_lost(fact)]
    return tuple(sorted({address for some in lost for address in some}))


def is_lost(fact: Fact) -> bool:
    """The attempt may have left a copy with SES, under an id that nobody will tell."""
    return isinstance(fact, Unconfirmed) or (isinstance(fact, _FAILED) and fact.cause is Cause.AMBIGUOUS)


_FAILED: Final = (Deferred, Refused)
