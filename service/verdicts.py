"""What a judgement is: values that the judge makes and everything after it reads."""

from __future__ import annotations

import hashlib

import msgspec

from service.contract.enums import GapKind, Outcome, Resolution
from service.facts import Cause, Fact, Instant, Name, Sighting, Source


class RecipientVerdict(msgspec.Struct, frozen=True):
    """What became of one recipient. `fact` is the evidence that decided it, `None` where there is none yet."""

    address: str
    outcome: Outcome
    at: Instant | None
    fact: Fact | None


class Gap(msgspec.Struct, frozen=True):
    """A deadline that passed in silence, by the facts alone; `resolved_at` is None while it is open."""

    kind: GapKind
    which: str
    recipient: str | None
    cause: Cause
    deadline: Instant
    opened_at: Instant
    resolved_at: Instant | None = None
    resolution: Resolution | None = None

    def gap_id(self, mail_id: str, subject: str | None) -> str:
        """Stable for ever: kind, which deadline, mail and recipient (rule 3). One of a submission has no recipient."""
        text = "\0".join((self.kind, self.which, mail_id, subject or ""))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class Due(msgspec.Struct, frozen=True):
    """An instant at which the mail must be judged again, once the source's watermark has passed it."""

    at: Instant
    source: Source


class Verdict(msgspec.Struct, frozen=True):
    """A judged mail. Times are corrected: what a log without a zone said is in UTC here."""

    mail_id: str
    ses_id: str | None
    message_id: str | None
    queue_ids: tuple[str, ...]
    stream: str
    region: str | None
    sender: str
    submitted_at: Instant | None
    accepted_at: Instant | None
    recipients: tuple[RecipientVerdict, ...]
    gaps: tuple[Gap, ...]
    held: bool
    facts: tuple[tuple[Instant, Fact, Sighting], ...]
    """The evidence in order of time."""
    due: tuple[Due, ...]
    ses_mails: tuple[str, ...] = ()
    superseded_by: str | None = None
    worth_publishing: bool = True
    """False for a submission that is well: its facts stand in the SES mail's record (rule 11)."""
    found: bool = False
    """A submission of which at least one id was found by its Message-ID."""
    settled: bool = False
    """A submission for whose id nobody waits: it has it, it was never SES's business, or it is a bounce notice."""


class Message(msgspec.Struct, frozen=True):
    """A fact that one name's judgement tells another name (a told, an ask or an answer)."""

    name: Name
    fact: Fact
    sighting: Sighting
