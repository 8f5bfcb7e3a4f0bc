"""One canary mail, and how far it has come by what the correlated topic says of it. Pure.

A flight is whole when SES took the mail, the expected outcome came, and, where it went by a mail server, that server's
log came too: then every part works, from the application's way to the worker. Anything less names the part that is
broken, in the words of the verdict where there is one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from service.contract.enums import FINAL, Outcome
from service.contract.wire import instant_of
from service.facts import Source
from service.finding import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from service.contract.correlated import Correlated, Recipient
    from service.facts import Instant


class Leg(StrEnum):
    """A part of the way, timed. Clocks of several machines are compared, so none is exact; none is below zero."""

    SUBMIT = "submit"
    """Handing the mail over, until the server or SES has answered."""
    ACCEPT = "accept"
    """From the send to SES's acceptance, by SES's clock: the mail server's queue lies in it."""
    DELIVER = "deliver"
    """From SES's acceptance to the outcome, both by SES's clock."""
    REPORT = "report"
    """From the outcome to its record on the correlated topic: SES's events, their way to Kafka, and the worker."""
    TOTAL = "total"


class Flight(NamedTuple):
    """A mail that was sent. `took` in seconds; `ses_id` is empty where only a mail server has answered so far."""

    sent_at: Instant
    message_id: str
    took: float
    ses_id: str = ""

    @property
    def names(self) -> frozenset[str]:
        """What records know it by."""
        return frozenset({self.message_id, self.ses_id} - {""})


class Expected(NamedTuple):
    """What makes a flight whole. `logged`: a mail server's log must speak of it, unless SES answered itself."""

    outcome: Outcome = Outcome.DELIVERED
    logged: bool = True


class Standing(NamedTuple):
    """How a flight stands. `broken`: why it is not whole (yet), in a sentence; empty where it is."""

    mail_id: str = ""
    broken: str = ""
    legs: Mapping[Leg, float] = {}


_NOTHING: Final = (
    "nothing of it has come to the correlated topic, no line of a log and no event: look at the shippers, at the events"
    " (`mailgap doctor --ask-aws`) and at the workers"
)
_UNLOGGED: Final = (
    "SES says what became of it, and no line of the mail server's log has come: look at its shipper, or say --unlogged"
    " where no log is shipped"
)


def speaks_of(flight: Flight, document: Correlated) -> bool:
    """Whether a record is of this mail."""
    return matches(document, flight.names)


def standing(flight: Flight, documents: Iterable[Correlated], expected: Expected, now: Instant) -> Standing:
    """By the latest records of the mail, of which the newest came at `now`."""
    documents = list(documents)
    taken = next((each for each in documents if each.ses_message_id and not each.partial), None)
    if taken is None:
        first = next(iter(documents), None)
        return Standing(broken=_NOTHING) if first is None else Standing(first.mail_id, _not_accepted(first))
    recipient = next(iter(taken.recipients), None)
    outcome = recipient.outcome if recipient else Outcome.PENDING
    if outcome is not expected.outcome:
        return Standing(taken.mail_id, _other(taken, outcome, expected))
    if expected.logged and not flight.ses_id and not any(e.source is Source.SMTP for d in documents for e in d.trail):
        return Standing(taken.mail_id, _UNLOGGED)
    return Standing(taken.mail_id, "", _legs(flight, taken, recipient, now))


def _not_accepted(document: Correlated) -> str:
    return f"SES has not accepted it ({document.verdict.cause}): {document.verdict.explanation}"


def _other(document: Correlated, outcome: Outcome, expected: Expected) -> str:
    if outcome not in FINAL:
        return f"SES accepted it, and it is {outcome}: {document.verdict.explanation}"
    return f"it was {outcome} and should have been {expected.outcome}: {document.verdict.explanation}"


def _legs(flight: Flight, document: Correlated, recipient: Recipient | None, now: Instant) -> dict[Leg, float]:
    accepted = instant_of(document.accepted_at) if document.accepted_at else flight.sent_at
    ended = instant_of(recipient.at) if recipient and recipient.at else now
    found = {
        Leg.ACCEPT: accepted - flight.sent_at,
        Leg.DELIVER: ended - accepted,
        Leg.REPORT: now - ended,
        Leg.TOTAL: now - flight.sent_at,
    }
    return {Leg.SUBMIT: flight.took} | {leg: max(milliseconds, 0) / 1000 for leg, milliseconds in found.items()}
