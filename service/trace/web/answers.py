"""What the API answers: structs that are sent as JSON and written into the OpenAPI, made from what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from service.aws.evidence import Evidence
from service.contract.correlated import Correlated
from service.contract.enums import GapKind, Outcome, Resolution
from service.contract.wire import Timestamp, timestamp
from service.explain import RUNBOOKS, Circumstances, explain
from service.facts import Cause
from service.story import Story
from service.trace.entry import State, state_of
from service.trace.masking import masked_address

if TYPE_CHECKING:
    from service.privacy import Pseudonyms
    from service.trace.awaited import Awaited
    from service.trace.entry import GapRow
    from service.trace.store.gaps import Group, Span
    from service.trace.store.mails import Found

Next = Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last.")]


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient in a list."""

    address: str
    outcome: Outcome


class MailLine(msgspec.Struct, frozen=True, kw_only=True):
    """A mail in a list."""

    mail_id: str
    at: Annotated[Timestamp, Meta(description="When SES took it, else when it was submitted.")]
    state: State
    stream: str
    sender: str
    recipients: tuple[Fate, ...]
    superseded_by: str | None


class MailList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of mails, the newest first."""

    items: tuple[MailLine, ...]
    next: Next


class AwaitedGap(msgspec.Struct, frozen=True, kw_only=True):
    """A silence that becomes a gap at its deadline."""

    kind: GapKind
    recipient: str | None
    deadline: Timestamp


class AwsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What AWS says now of what concerns one mail; it is beside the verdict, and never changes it."""

    mail_id: str
    evidence: tuple[Evidence, ...]


class MailAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One mail: its record, what came after that was closed, and the story that people read."""

    mail: Correlated
    state: State
    late: tuple[Correlated, ...]
    awaited: tuple[AwaitedGap, ...]
    story: Story


class GapLine(msgspec.Struct, frozen=True, kw_only=True):
    """A gap, with what to do about it."""

    gap_id: str
    mail_id: str
    kind: GapKind
    cause: Cause
    stream: str
    provider: str
    recipient: str | None
    deadline: Timestamp
    opened_at: Timestamp
    resolved_at: Timestamp | None
    resolution: Resolution | None
    explanation: str
    next_step: str
    runbook_url: str


class GapList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of gaps, the newest first."""

    items: tuple[GapLine, ...]
    next: Next


class GapGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Gaps that have this value in common."""

    value: str
    gaps: Annotated[int, Meta(ge=1)]
    oldest: Annotated[Timestamp, Meta(description="When the oldest of them opened.")]


class GapGroups(msgspec.Struct, frozen=True, kw_only=True):
    """The largest first."""

    by: str
    groups: tuple[GapGroup, ...]


class GapSpan(msgspec.Struct, frozen=True, kw_only=True):
    """An hour or a day of gaps."""

    start: Timestamp
    opened: int
    ended: int


class GapHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Spans without any gap are there too."""

    spans: tuple[GapSpan, ...]


def mail_line(found: Found, document: Correlated) -> MailLine:
    """A found mail, masked as its reader may see it."""
    return MailLine(
        mail_id=document.mail_id,
        at=timestamp(found.at),
        state=found.state,
        stream=document.stream,
        sender=document.sender,
        recipients=tuple(Fate(address=each.address, outcome=each.outcome) for each in document.recipients),
        superseded_by=document.superseded_by,
    )


def mail_answer(document: Correlated, late: list[Correlated], awaited: list[Awaited], story: Story) -> MailAnswer:
    """One mail, masked as its reader may see it."""
    return MailAnswer(
        mail=document,
        state=state_of(document),
        late=tuple(late),
        awaited=tuple(
            AwaitedGap(kind=each.kind, recipient=each.recipient, deadline=timestamp(each.deadline)) for each in awaited
        ),
        story=story,
    )


def gap_line(gap: GapRow, hide: Pseudonyms | None, runbooks: str | None) -> GapLine:
    """A gap, masked by `hide` if that is given."""
    recipient = gap.recipient if hide is None else masked_address(gap.recipient, hide)
    domain = (recipient or "").rpartition("@")[2]
    known = Circumstances(recipient=recipient or "", domain=domain, mail_id=gap.mail_id)
    said = explain(gap.cause, known, runbooks=runbooks or RUNBOOKS)
    return GapLine(
        gap_id=gap.gap_id,
        mail_id=gap.mail_id,
        kind=gap.kind,
        cause=gap.cause,
        stream=gap.stream,
        provider=gap.provider,
        recipient=recipient,
        deadline=timestamp(gap.deadline),
        opened_at=timestamp(gap.opened_at),
        resolved_at=None if gap.resolved_at is None else timestamp(gap.resolved_at),
        resolution=gap.resolution,
        explanation=said.explanation,
        next_step=said.next_step,
        runbook_url=said.runbook_url,
    )


def gap_groups(by: str, groups: list[Group]) -> GapGroups:
    """Groups as they are sent."""
    made = (GapGroup(value=each.value, gaps=each.gaps, oldest=timestamp(each.oldest)) for each in groups)
    return GapGroups(by=by, groups=tuple(made))


def gap_history(spans: list[Span]) -> GapHistory:
    """Spans as they are sent."""
    made = (GapSpan(start=timestamp(each.start), opened=each.opened, ended=each.ended) for each in spans)
    return GapHistory(spans=tuple(made))
