"""Records of the gaps topic and notifications, made up for tests."""

from __future__ import annotations

from service.contract.condition import ConditionRecord
from service.contract.enums import Condition, ConditionState, GapKind, GapState
from service.contract.gap import GapRecord
from service.contract.wire import encode, timestamp
from service.facts import Cause, Source
from service.notifications.board import Board
from service.notifications.ledger import Ledger, Pace, Scope

T0 = 1_700_000_000_000
PACE = Pace(wait=30_000, update=15 * 60_000)


def gap(identity, state="opened", *, at=T0, stream="otp", cause=Cause.SILENT, historic=False, **more):
    """A gap record as it stands on the topic: its key and its value."""
    fields = {
        "kind": GapKind.SENT_NO_SES_ID,
        "mail_id": f"mx1.shop.example/{identity}@1700000000",
        "recipient": f"p-0a1b-{identity}@client.example",
        "explanation": "The application sent it, and SES never answered.",
        "next_step": "Look at the mail server's queue.",
        **more,
    }
    record = GapRecord(
        gap_id=identity,
        state=GapState(state),
        revision=1 if state == "opened" else 2,
        cause=cause,
        ses_message_id=None,
        message_id_header=None,
        provider="other",
        stream=stream,
        region=None,
        deadline=timestamp(at),
        opened_at=timestamp(at),
        runbook_url="https://git.example/runbooks/silent.md",
        historic=historic,
        **fields,
    )
    return identity, encode(record)


def condition(identity, state="raised", *, kind=Condition.SOURCE_STALLED, about="the log of mx1", cause=None, at=T0):
    """A condition record: its key and its value."""
    record = ConditionRecord(
        condition_id=identity,
        state=ConditionState(state),
        revision=1,
        condition=kind,
        source=Source.SMTP,
        about=about,
        cause=cause,
        since=timestamp(at),
        explanation=f"Nothing more has come of {about}.",
        next_step="Look at the shipper.",
        runbook_url="https://git.example/runbooks/source_stalled.md",
    )
    return identity, encode(record)


def sink_ledger(pace=PACE, entries=None, **scope):
    """A sink's ledger; `scope` as in `Scope`."""
    return Ledger("mailgap", pace, Scope(**scope), entries)


def take_due(ledger, made, now):
    """What is due is told, and taken: the tasks."""
    tasks, _ = ledger.due(made, now)
    for task in tasks:
        ledger.intend(task, now)
        ledger.taken(task, now)
    return tasks


def board(*records, trace_url="https://trace.example/mails/{mail_id}"):
    """A board that was told these records."""
    made = Board("mailgap", trace_url)
    for key, value in records:
        assert made.take(key, value)
    return made


def notification(*records, **more):
    """What there is to say of the first subject of these records."""
    made = board(*records, **more)
    subject, _ = next(iter(made.subjects()))
    return made.notification(subject, 0)
