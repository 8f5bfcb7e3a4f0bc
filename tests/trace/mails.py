"""Correlated records for the store's tests: one well-formed record, and what a test says is different."""

from __future__ import annotations

from msgspec.structs import replace

from service.contract.correlated import Correlated, Detail, GapEntry, Recipient, TrailEntry, VerdictEntry
from service.contract.enums import GapKind, Outcome, Stage, VerdictCause
from service.contract.wire import encode, timestamp
from service.facts import Cause, Source
from service.trace.entry import Entry, entry

T0 = 1_773_237_600_000
"""2026-03-11T14:00:00Z, the beginning of an hour."""
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def ses_id(number: int, at: int = T0) -> str:
    return f"0100{at:012x}-{number:08x}-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000"


def mail(number: int = 1, *, at: int = T0, **changes: object) -> Correlated:
    """A mail that was delivered two seconds after SES took it."""
    identity = ses_id(number, at)
    document = Correlated(
        mail_id=identity,
        ses_message_id=identity,
        message_id_header=f"<{number}.1@app.example>",
        queue_ids=(f"mx1/4DQX{number}",),
        stream="transactional",
        region="us-east-1",
        sender="shop@app.example",
        submitted_at=timestamp(at - SECOND),
        accepted_at=timestamp(at),
        revision=1,
        recipients=(to(f"ann{number}@gmail.com", Outcome.DELIVERED, at + 2 * SECOND),),
        verdict=VerdictEntry(
            stage=Stage.RECIPIENT, cause=VerdictCause.DELIVERED, explanation="It is there.", next_step="Nothing."
        ),
        trail=(
            TrailEntry(at=timestamp(at - SECOND), source=Source.SMTP, fact="queued", evidence="smtp/0/1"),
            TrailEntry(at=timestamp(at), source=Source.SMTP, fact="accepted", evidence="smtp/0/2"),
            TrailEntry(at=timestamp(at + 2 * SECOND), source=Source.SES, fact="delivered", evidence="ses/0/9"),
        ),
    )
    return replace(document, **changes)


def to(address: str, outcome: Outcome, at: int | None = None, **detail: str) -> Recipient:
    return Recipient(
        address=address,
        domain=address.rpartition("@")[2],
        outcome=outcome,
        at=None if at is None else timestamp(at),
        detail=Detail(**detail),
    )


def gap(number: int = 1, *, at: int = T0, **changes: object) -> GapEntry:
    opened = GapEntry(
        gap_id=f"{number:032x}",
        kind=GapKind.ACCEPTED_NOT_DELIVERED,
        cause=Cause.SENT_THEN_SILENT,
        recipient=f"ann{number}@gmail.com",
        deadline=timestamp(at),
        opened_at=timestamp(at),
    )
    return replace(opened, **changes)


def silent(number: int = 1, *, at: int = T0, **changes: object) -> Correlated:
    """A mail that SES took and of which nothing more was heard, with its gap open."""
    document = mail(
        number,
        at=at,
        recipients=(to(f"ann{number}@gmail.com", Outcome.PENDING),),
        gaps=(gap(number, at=at + 14 * HOUR),),
        trail=mail(number, at=at).trail[:2],
        verdict=VerdictEntry(
            stage=Stage.SES, cause=VerdictCause.SENT_THEN_SILENT, explanation="It fell silent.", next_step="Ask SES."
        ),
    )
    return replace(document, **changes)


def entry_of(document: Correlated, key: str | None = None) -> Entry:
    return entry(key or document.mail_id, encode(document))
