"""What really became of the sample application's mails, written down as each mail is made up: the demo's yardstick.

Nothing of it is read from mailgap, and mailgap never sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.contract.enums import Cause, GapKind, Outcome, Resolution


class Fate(StrEnum):
    """What the sample application lets happen to a mail."""

    DELIVERED = "delivered"
    DELAYED = "delayed, then delivered"
    THROTTLED = "throttled, then accepted"
    THROTTLED_LATE = "throttled, and accepted too late"
    THROTTLED_FOR_GOOD = "throttled for good"
    UNVERIFIED = "identity not verified"
    NEVER_TAKEN = "no word after the queue"
    LOST_REPLY = "SES's reply lost from the log"
    SUPPRESSED = "on the suppression list"
    BOUNCED = "address does not exist"
    MAILBOX_FULL = "mailbox full"
    HALF_BOUNCED = "two recipients, one bounced"
    LATE = "delivered too late"
    SILENT = "silence after Send"
    NO_EVENTS = "no events at all"
    NOT_RENDERED = "template could not be rendered"
    COMPLAINED = "delivered, then a complaint"


@dataclass(frozen=True, slots=True)
class ExpectedGap:
    """A gap that must be found. `mail` is the SES id or the submission; `resolution` says how it ends, if it does."""

    mail: str
    kind: GapKind
    cause: Cause
    recipient: str | None
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True)
class SampleMail:
    """One mail of the story: when it was sent, under which name its record stands, and what must stand there."""

    at: float
    fate: Fate
    name: str
    outcomes: tuple[tuple[str, Outcome], ...]
    gaps: tuple[ExpectedGap, ...] = ()
