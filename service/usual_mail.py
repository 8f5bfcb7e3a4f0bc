"""The SES mails that are well, as nearly all are: one recipient, no more than one fact of a kind, no deadline missed.

Decides nothing of its own: of what it takes, `service.judge_mail` would give the same verdict, and a property holds it
to that. What is odd in any way it leaves to that.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.contract.enums import Outcome
from service.facts import Accepted, Delivered, Described, Fact, Sent, Source, Told
from service.parsing.addresses import domain
from service.parsing.ses_id import accepted_at
from service.parsing.ses_id import region as region_of
from service.policy import Attributes
from service.verdicts import Due, RecipientVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.facts import Instant, Sighting
    from service.policy import Policy
    from service.watermarks import Watermarks

_KINDS: Final = (Described, Sent, Delivered, Accepted, Told)
_at_and_kind: Final = itemgetter(0, 1)


class UsualMail(NamedTuple):
    """The verdict, and whether SES has spoken of the mail."""

    verdict: Verdict
    heard_of: bool


class _Known(NamedTuple):
    """What is known of a mail with one recipient; None where a kind of fact is missing."""

    recipient: str
    described: Described | None
    sent: Sent | None
    delivered: Delivered | None
    accepted: Accepted | None
    told: Told | None


_NOTHING: Final = Described(0, "", (), "", "", "", "", "", ())


def usual_mail(ses_id: str, facts: Mapping[Fact, Sighting], marks: Watermarks, policy: Policy) -> UsualMail | None:
    """The verdict on the mail; None where it is not a usual one."""
    if policy.unlogged_send or Source.SES not in marks.configured:
        return None
    known = _read(facts)
    if known is None:
        return None
    recipient, described, sent, delivered, accepted, told = known
    said = described or _NOTHING
    first_event = min([event.at for event in (sent, delivered) if event is not None], default=None)
    heard_of = described is not None or first_event is not None
    message_id = (told.message_id if told is not None else "") or said.message_id
    if first_event is not None and message_id and not said.message_id:
        return None  # it has to be told under which Message-ID it stands
    taken = _accepted(ses_id, facts, [fact for fact in (described, accepted) if fact is not None])
    sender = said.sender or (told.sender if told is not None else "")
    region = region_of(ses_id) or said.region or (accepted.region if accepted is not None else "")
    application = said.application or (told.application if told is not None else "")
    stream = policy.stream(Attributes(said.configuration_set, application, domain(sender), region, said.tags))
    first, last = taken + stream.deadlines.first_event, stream.deadlines.delivery(taken, 0)
    if (first_event is not None and first_event > first) or (delivered is not None and delivered.at > last):
        return None
    awaited = None if delivered is not None else (last if heard_of else first) + policy.grace
    if awaited is not None and marks.of(Source.SES) >= awaited:
        return None
    outcome, at = (Outcome.PENDING, None) if delivered is None else (Outcome.DELIVERED, delivered.at)
    verdict = Verdict(
        mail_id=ses_id,
        ses_id=ses_id,
        message_id=message_id or None,
        queue_ids=tuple(sorted({line.submission for line in (accepted, told) if line is not None} - {""})),
        stream=stream.name,
        region=region or None,
        sender=sender,
        submitted_at=told.at if told is not None else None,
        accepted_at=taken,
        recipients=(RecipientVerdict(recipient, outcome, at, delivered),),
        gaps=(),
        held=False,
        facts=_evidence(facts),
        due=() if awaited is None else (Due(awaited, Source.SES),),
    )
    return UsualMail(verdict, heard_of)


def _read(facts: Mapping[Fact, Sighting]) -> _Known | None:
    if not facts or len(facts) > len(_KINDS):
        return None
    found: dict[type, Any] = {type(fact): fact for fact in facts}
    described, sent, delivered, accepted, told = [found.pop(kind, None) for kind in _KINDS]
    named = described or accepted or told
    if found or named is None or len(named.recipients) != 1:
        return None
    count = 0
    for fact in (described, sent, delivered, accepted, told):
        if fact is not None:
            count += 1
            if fact is not sent and fact.recipients != named.recipients:
                return None
    if count != len(facts) or (delivered is not None and described is None):
        return None
    for line in (accepted, told):
        if line is not None and line.floating:
            return None
    return _Known(named.recipients[0], described, sent, delivered, accepted, told)


def _accepted(ses_id: str, facts: Mapping[Fact, Sighting], dated: list[Any]) -> Instant:
    seens = [seen.seen for fact, seen in facts.items() if type(fact) is not Told]
    seen = min(seens or [sighting.seen for sighting in facts.values()])
    return accepted_at(ses_id, min([fact.at for fact in dated], default=seen), seen)


def _evidence(facts: Mapping[Fact, Sighting]) -> tuple[tuple[Instant, Fact, Sighting], ...]:
    dated = [(fact.at, type(fact).__name__, fact, seen) for fact, seen in facts.items()]
    dated.sort(key=_at_and_kind)
    return tuple([(at, fact, seen) for at, _, fact, seen in dated])
