"""Judges an SES mail, recipient by recipient: its outcomes, and where SES's silence has become a gap.

The gap is `accepted_not_delivered`: no event at all by the first deadline, or no final one by the last. Pure; never
looks at a clock, and dates every fact by its own time, never by its arrival.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from service.contract.enums import FINAL, GapKind, Outcome, Resolution
from service.facts import (
    SECOND,
    Accepted,
    Bounced,
    Cause,
    Complained,
    Deferred,
    Delayed,
    Delivered,
    Described,
    Engaged,
    Fact,
    Instant,
    Linked,
    OtherEvent,
    Refused,
    Rejected,
    RenderingFailed,
    Sent,
    SesFact,
    Sighting,
    Source,
    Told,
    Unconfirmed,
    message_id_name,
)
from service.lifecycle import Signal, after, signal
from service.parsing.addresses import domain
from service.parsing.ses_id import accepted_at, id_clock
from service.parsing.ses_id import region as region_of
from service.policy import Attributes, Policy, Stream
from service.submission import zone
from service.trail import Trail, in_order, order
from service.verdicts import Due, Gap, Message, RecipientVerdict, Verdict

if TYPE_CHECKING:
    from service.watermarks import Watermarks

# Facts of one millisecond are read in AWS's own order of "last delivery event" (botocore: MessageInsightsFilters).
_RANK: Final[dict[type, int]] = {
    Sent: 0,
    Delayed: 1,
    Rejected: 2,
    RenderingFailed: 2,
    Bounced: 3,
    Delivered: 4,
    Complained: 5,
    Engaged: 6,
    OtherEvent: 7,
}


_BEFORE_SES: Final = frozenset({Told, Deferred, Refused, Unconfirmed})
"""What a submission tells of the time before SES took the mail, which may be days."""

_F = TypeVar("_F", Described, Accepted, Told)


class Fate(msgspec.Struct):
    """One recipient's state, since when, by which fact; and when it first became final."""

    outcome: Outcome = Outcome.PENDING
    at: Instant | None = None
    fact: Fact | None = None
    final_at: Instant | None = None
    final: Outcome | None = None
    """The first final outcome: what ended a silence, whatever came after it."""
    expires: Instant = 0
    delayed_at: Instant | None = None

    def apply(self, event: Signal, fact: Fact) -> None:
        """Takes in one fact that is about this recipient."""
        outcome = after(self.outcome, event)
        if isinstance(fact, Delayed):
            self.expires = max(self.expires, fact.expires)
            self.delayed_at = fact.at if self.delayed_at is None else self.delayed_at
        if outcome is self.outcome and not (isinstance(fact, Delayed) and outcome is Outcome.DELAYED):
            return
        self.outcome, self.at, self.fact = outcome, fact.at, fact
        if self.final_at is None and outcome in FINAL:
            self.final_at, self.final = fact.at, outcome


class Mail(msgspec.Struct, frozen=True):
    """What a mail's facts add up to."""

    ses_id: str
    accepted: Instant
    sender: str
    account: str
    region: str
    configuration_set: str
    application: str
    message_id: str
    tags: tuple[tuple[str, str], ...]
    submissions: tuple[str, ...]
    submitted: Instant | None
    fates: dict[str, Fate]
    first_event: Instant | None
    heard_of: bool
    """SES has spoken of it, and be it by an event of which nothing but the mail could be understood."""
    logged: bool
    templated: bool
    """Sent with a template, so by SES's API: no mail server has a line of it."""
    linked: bool
    """SES's events carry the mail's own Message-ID."""
    facts: tuple[tuple[Instant, Fact, Sighting], ...]


def read(ses_id: str, trail: Trail) -> Mail:
    """Adds up a mail's facts."""
    kinds: dict[type, list[Any]] = {Described: [], Accepted: [], Told: []}
    spoken: list[Fact] = []
    for fact in trail.facts:
        kind = type(fact)
        if kind in _RANK:
            spoken.append(fact)
        elif kind in kinds:
            kinds[kind].append(fact)
    described: list[Described] = _in_order(kinds[Described])
    accepted_lines: list[Accepted] = _in_order(kinds[Accepted])
    told: list[Told] = _in_order(kinds[Told])
    events = in_order(spoken, _rank)
    accepted = _accepted(ses_id, trail, [*described, *accepted_lines])
    offset = _correction(ses_id, accepted_lines, [(fact, trail.facts[fact]) for fact in told])
    repeated = _repeated(told)
    fates = {address: Fate() for address in _recipients(described, accepted_lines, told)}
    for event in events:
        _apply(fates, event)
    return Mail(
        ses_id=ses_id,
        accepted=accepted,
        sender=_first([d.sender for d in described] + [t.sender for t in told]),
        account=_first([d.account for d in described]),
        region=region_of(ses_id) or _first([d.region for d in described] + [a.region for a in accepted_lines]),
        configuration_set=_first([d.configuration_set for d in described]),
        application=_first([d.application for d in described] + [t.application for t in told]),
        message_id=_first([t.message_id for t in told] + [d.message_id for d in described]),
        tags=next((d.tags for d in described if d.tags), ()),
        submissions=tuple(sorted(({a.submission for a in accepted_lines} | {t.submission for t in told}) - {""})),
        submitted=min([t.at + (offset if t.floating else 0) for t in told], default=None),
        fates=fates,
        first_event=min([event.at for event in events], default=None),
        heard_of=bool(events or described),
        linked=bool(_first([d.message_id for d in described])),
        logged=bool(accepted_lines or told),
        templated=RenderingFailed in map(type, events),
        facts=_evidence(trail, offset, repeated),
    )


def _rank(fact: Fact) -> int:
    return _RANK[type(fact)]


def _evidence(trail: Trail, offset: int, repeated: frozenset[Fact]) -> tuple[tuple[Instant, Fact, Sighting], ...]:
    """All facts by corrected time; those of one instant in a fixed order of their kinds, then by content."""
    dated = [
        (f.at + (offset if offset and getattr(f, "floating", False) else 0), type(f).__name__, f, s)
        for f, s in trail.facts.items()
        if not repeated or f not in repeated
    ]
    dated.sort(key=_time_and_kind)
    if len(set(map(_time_and_kind, dated))) < len(dated):
        dated.sort(key=lambda item: (item[0], item[1], order(item[2])[1]))
    return tuple([(at, fact, sighting) for at, _, fact, sighting in dated])


_time_and_kind: Final = itemgetter(0, 1)


def _in_order(facts: list[_F]) -> list[_F]:
    return sorted(facts, key=order) if len(facts) > 1 else facts


def _first(texts: list[str]) -> str:
    return next(filter(None, texts), "")


def _accepted(ses_id: str, trail: Trail, dated: list[Fact]) -> Instant:
    """SES's own clock in the id, where it is plausible; else what the payload says; else when it was first read."""
    seens = [sighting.seen for fact, sighting in trail.facts.items() if type(fact) not in _BEFORE_SES]
    seen = min(seens or [sighting.seen for sighting in trail.facts.values()])
    return accepted_at(ses_id, min([fact.at for fact in dated], default=seen), seen)


def _correction(ses_id: str, lines: list[Accepted], told: list[tuple[Told, Sighting]]) -> int:
    """What a stamp without a zone must be moved by; where SES's reply was lost, by the timestamps of the records."""
    clock = id_clock(ses_id)
    floating = [line for line in lines if line.floating]
    if clock is not None and floating:
        return zone(clock - floating[0].at)
    return zone(min([seen.seen - fact.at for fact, seen in told if fact.floating], key=abs, default=0))


def _repeated(told: list[Told]) -> frozenset[Fact]:
    """A submission tells anew whenever it knows more, and how often hangs on batches: one of it is evidence enough."""
    first = {fact.submission: fact for fact in reversed(told)}
    return frozenset([fact for fact in told if first[fact.submission] is not fact])


def _recipients(described: list[Described], lines: list[Accepted], told: list[Told]) -> dict[str, None]:
    """The envelope's recipients in SES's order where SES has said them, else as the log has them."""
    named = dict.fromkeys([address for d in described for address in d.recipients])
    return named or dict.fromkeys(
        sorted({a for line in lines for a in line.recipients} | {a for t in told for a in t.recipients})
    )


def _apply(fates: dict[str, Fate], event: Fact) -> None:
    meaning = signal(cast("SesFact", event))
    if meaning is None:
        return
    named = getattr(event, "recipients", ())
    if meaning is Signal.ENGAGED and not named:  # SES does not say who opened it: proof for a sole recipient only
        targets = list(fates) if len(fates) == 1 else []
    else:
        targets = _targets(fates, named)
    for address in targets:
        fates[address].apply(meaning, event)


def _targets(fates: dict[str, Fate], named: tuple[str, ...]) -> list[str]:
    """Whom an event is about. One that names nobody is about all; one that names a stranger is about a forwarded
    recipient, whom we know only where there is but one left whose fate is open (FACTS section 1.5).
    """
    if not named:
        return list(fates)
    found = [address for address in named if address in fates]
    strangers = [address for address in named if address not in fates]
    if strangers and not fates:
        fates.update((address, Fate()) for address in strangers)
        return strangers
    folded = {address.casefold(): address for address in fates} if strangers else {}
    for stranger in strangers:
        if stranger.casefold() in folded:
            found.append(folded[stranger.casefold()])
        else:
            open_ = [a for a, fate in fates.items() if fate.outcome not in FINAL] or list(fates)
            found += open_ if len(open_) == 1 else []
    return found


def links(mail: Mail) -> list[Message]:
    """What SES's events do not say where they carry no headers: under which Message-ID this mail can be found."""
    if mail.linked or not mail.message_id or mail.first_event is None:
        return []
    fact = Linked(mail.accepted, mail.ses_id, domain(mail.sender), tuple(mail.fates))
    return [Message(message_id_name(mail.message_id), fact, mail.facts[0][2])]


def judge(mail: Mail, marks: Watermarks, policy: Policy) -> Verdict:
    """The verdict on one SES mail."""
    stream = stream_of(mail, policy)
    spoken = marks.of(Source.SES)
    judged = Source.SES in marks.configured
    if mail.heard_of:
        verdicts = _undelivered(mail, stream, marks, policy)
    else:
        verdicts = [_unheard(mail, stream, marks, policy, spoken)]
    gaps = [gap for found, _ in verdicts for gap in found] if judged else []
    held = judged and any(is_held for _, is_held in verdicts)
    gaps += _late_first_event(mail, stream, spoken, policy.grace)
    unlogged, unlogged_due = _unlogged(mail, stream, marks, policy)
    return Verdict(
        mail_id=mail.ses_id,
        ses_id=mail.ses_id,
        message_id=mail.message_id or None,
        queue_ids=mail.submissions,
        stream=stream.name,
        region=mail.region or None,
        sender=mail.sender,
        submitted_at=mail.submitted,
        accepted_at=mail.accepted,
        recipients=tuple(RecipientVerdict(a, f.outcome, f.at, f.fact) for a, f in mail.fates.items()),
        gaps=tuple(gaps) + unlogged,
        held=held,
        facts=mail.facts,
        due=(_due(mail, stream, policy, spoken, held=held) if judged else ()) + unlogged_due,
    )


def stream_of(mail: Mail, policy: Policy) -> Stream:
    """The stream by what SES knows."""
    return policy.stream(
        Attributes(mail.configuration_set, mail.application, domain(mail.sender), mail.region, mail.tags)
    )


def _unheard(mail: Mail, stream: Stream, marks: Watermarks, policy: Policy, spoken: Instant) -> tuple[list[Gap], bool]:
    """No event at all: one gap a recipient, or one for nobody in particular where nobody knows the recipients."""
    deadline = mail.accepted + stream.deadlines.first_event
    if spoken < deadline + policy.grace:
        return [], False
    silent = marks.silent(f"ses:{mail.region}", mail.accepted, policy.grace, policy.stall_mails)
    if silent or marks.lost(Source.SES, mail.accepted, deadline + policy.grace):
        return [], True
    everyone: list[str | None] = [*mail.fates] or [None]
    return [_open("first_event", who, Cause.NO_EVENTS, deadline) for who in everyone], False


def _late_first_event(mail: Mail, stream: Stream, spoken: Instant, grace: int) -> list[Gap]:
    """The first event is dated after its deadline: the silence was real, and it is over.

    An earlier event may still be on its way; until SES has spoken past the deadline, nothing is known.
    """
    deadline = mail.accepted + stream.deadlines.first_event
    if mail.first_event is None or not mail.logged or mail.first_event <= deadline or spoken < deadline + grace:
        return []
    return [
        _closed(_open("first_event", who, Cause.NO_EVENTS, deadline), mail.first_event, _ended(fate, mail.first_event))
        for who, fate in mail.fates.items()
    ]


def _ended(fate: Fate, at: Instant) -> Resolution:
    return Resolution(fate.final) if fate.final is not None and fate.final_at == at else Resolution.EVENT_ARRIVED


def _undelivered(mail: Mail, stream: Stream, marks: Watermarks, policy: Policy) -> list[tuple[list[Gap], bool]]:
    feed = delivery_feed(mail.account, mail.region, mail.configuration_set)
    silent = marks.silent(feed, mail.accepted, policy.grace, policy.stall_mails)
    fates: list[tuple[str | None, Fate]] = [*mail.fates.items()] or [(None, Fate())]
    return [_late(who, fate, mail, stream, policy, marks, silent=silent) for who, fate in fates]


def _late(
    who: str | None, fate: Fate, mail: Mail, stream: Stream, policy: Policy, marks: Watermarks, *, silent: bool
) -> tuple[list[Gap], bool]:
    """One recipient without a final event by the last deadline."""
    deadline = stream.deadlines.delivery(mail.accepted, fate.expires)
    delayed = fate.delayed_at is not None and fate.delayed_at <= deadline
    gap = _open("delivery", who, Cause.DELAYED_THEN_SILENT if delayed else Cause.SENT_THEN_SILENT, deadline)
    if marks.of(Source.SES) < deadline + policy.grace:
        return [], False
    if fate.final_at is not None and fate.final is not None:
        late = fate.final_at > deadline
        return ([_closed(gap, fate.final_at, Resolution(fate.final))] if late else []), False
    return ([], True) if silent or marks.lost(Source.SES, mail.accepted, deadline + policy.grace) else ([gap], False)


def delivery_feed(account: str, region: str, configuration_set: str) -> str:
    """The feed of Delivery events: a set that does not publish them must not make every mail a gap (rule 15)."""
    return f"ses:{account}/{region}/{configuration_set}#delivery"


def _unlogged(mail: Mail, stream: Stream, marks: Watermarks, policy: Policy) -> tuple[tuple[Gap, ...], tuple[Due, ...]]:
    """SES speaks of a mail that no log mentions; only for sender domains that the logs have spoken of (rule 17)."""
    if not policy.unlogged_send or mail.logged or mail.templated or Source.SMTP not in marks.configured:
        return (), ()
    deadline = mail.accepted + stream.deadlines.handoff
    until = deadline + policy.grace
    due = (Due(until, Source.SMTP),)
    lost = marks.lost(Source.SMTP, mail.accepted - stream.deadlines.handoff, until)
    if marks.of(Source.SMTP) < until or lost or not marks.logged(domain(mail.sender), until):
        return (), due
    return (Gap(GapKind.UNLOGGED_SEND, "handoff", None, Cause.NO_LOG, deadline, deadline),), due


def _due(mail: Mail, stream: Stream, policy: Policy, spoken: Instant, *, held: bool) -> tuple[Due, ...]:
    """When to look again: at each deadline ahead that passed in silence, also where a later event has ended it."""
    if held:
        return (Due(spoken + max(policy.grace, SECOND), Source.SES),)
    first = mail.accepted + stream.deadlines.first_event
    late = mail.first_event is not None and mail.first_event > first
    instants = {first} if late or not mail.heard_of else set()
    if mail.heard_of:
        for fate in mail.fates.values() if mail.fates else (Fate(),):
            last = stream.deadlines.delivery(mail.accepted, fate.expires)
            if fate.final_at is None or fate.final_at > last:
                instants.add(last)
    return tuple(Due(at + policy.grace, Source.SES) for at in sorted(instants) if at + policy.grace > spoken)


def _open(which: str, who: str | None, cause: Cause, deadline: Instant) -> Gap:
    return Gap(GapKind.ACCEPTED_NOT_DELIVERED, which, who, cause, deadline, deadline)


def _closed(gap: Gap, at: Instant, resolution: Resolution) -> Gap:
    return Gap(gap.kind, gap.which, gap.recipient, gap.cause, gap.deadline, gap.opened_at, at, resolution)
