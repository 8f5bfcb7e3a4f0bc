"""Whether a configuration set publishes what the deadlines rely on, and whether the account may send. Pure.

A gap is silence, so what a set does not publish looks like mail that went missing: without Delivery events every mail
of it becomes a gap. `mailgap doctor` says it before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.edges.doctor_finding import Finding, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from service.aws.ses import Account, Destination

PART: Final = "aws"
NEARLY: Final = 0.8
"""Of the quota of 24 hours, from which on it is worth a look."""
_NO_WAY: Final = frozenset({"CloudWatch", "Pinpoint"})
"""Destinations that count events or keep them, and from which none comes to Kafka."""
_PUBLISH: Final = "add the event type to the set's event destination"

_WITHOUT: Final = {
    "DELIVERY": (State.WRONG, "every mail of it becomes a gap, since no delivery is ever heard of"),
    "BOUNCE": (State.WRONG, "every mail that bounces or is suppressed becomes a gap"),
    "SEND": (State.LOOK, "mails that are slow become gaps as if SES had said nothing of them at all"),
    "REJECT": (State.LOOK, "mails that SES drops for a virus become gaps"),
    "RENDERING_FAILURE": (State.LOOK, "mails whose template fails become gaps"),
    "DELIVERY_DELAY": (State.LOOK, "until when SES goes on trying is not known, and why it is slow is not seen"),
    "COMPLAINT": (State.LOOK, "complaints are not seen"),
}
"""Event types that something relies on, by what is wrong without them."""


def of_set(name: str, destinations: Collection[Destination] | None) -> Iterator[Finding]:
    """What is wrong with one configuration set."""
    what = f"configuration set {name}"
    if destinations is None:
        yield Finding(PART, what, State.WRONG, "is not there", "correct its name, or --region")
        return
    ways = [each for each in destinations if each.enabled and each.kind not in _NO_WAY]
    if not ways:
        said = ", ".join(f"{each.name} ({_how(each)})" for each in destinations) or "it has no event destination"
        found = f"publishes nothing that comes to Kafka, so every mail of it becomes a gap: {said}"
        yield Finding(PART, what, State.WRONG, found, "give it an event destination: SNS, EventBridge or Firehose")
        return
    published = frozenset[str]().union(*(each.events for each in ways))
    for event, (state, consequence) in _WITHOUT.items():
        if event not in published:
            yield Finding(PART, what, state, f"does not publish {event}: {consequence}", _PUBLISH)
    if published.issuperset(_WITHOUT):
        yield Finding(PART, what, State.OK, f"publishes all that is needed, by {', '.join(each.kind for each in ways)}")


def _how(destination: Destination) -> str:
    return destination.kind if destination.enabled else "disabled"


def of_account(account: Account) -> Iterator[Finding]:
    """What keeps the account from sending, or soon will."""
    what = f"account in {account.region}"
    if not account.sending:
        yield Finding(
            PART, what, State.WRONG, "may not send: it is paused", "see AWS's notice to the account's address"
        )
    if account.enforcement != "HEALTHY":
        found = f"its enforcement status is {account.enforcement or 'not said'}"
        yield Finding(PART, what, State.LOOK, found, "see the reputation dashboard, and AWS's notice")
    if not account.production:
        found = "is in the sandbox, so mails to addresses that are not verified are refused"
        yield Finding(PART, what, State.LOOK, found, "ask AWS for production access, if this is no test account")
    used = account.sent / account.quota if account.quota > 0 else 0.0
    found = f"{account.sent:,.0f} mails sent in the last 24 hours"
    if account.quota > 0:
        found += f", of {account.quota:,.0f}"
    state, advice = (State.LOOK, "ask AWS for a higher quota in time") if used >= NEARLY else (State.OK, "")
    yield Finding(PART, what, state, found, advice)
