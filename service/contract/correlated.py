"""The correlated record, version 1: all that is known about one mail, published at every change of its verdict.

The latest revision of a `mail_id` is the truth, so the topic can be compacted. Fields are only ever added; one that
changes its meaning makes version 2. Addresses and free text come in as they shall be seen: privacy is not done here.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from service.contract.enums import GapKind, Outcome, Resolution, Stage, VerdictCause
from service.contract.wire import Timestamp
from service.facts import Cause, Source

SCHEMA: Final = "mailgap.correlated/1"


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What SES or its SMTP reply said about a recipient, in its own words. A key is there only if it was said."""

    bounce_type: str = ""
    bounce_subtype: str = ""
    status: Annotated[str, Meta(description="The enhanced status code, as in 5.1.1.")] = ""
    diagnostic: Annotated[str, Meta(description="The diagnostic code of a bounce or a delay, scrubbed.")] = ""
    delay_type: str = ""
    expires: Annotated[str, Meta(description="Until when SES goes on trying.")] = ""
    smtp_response: Annotated[str, Meta(description="The reply of the recipient's server to SES, scrubbed.")] = ""
    complaint_subtype: str = ""
    feedback: Annotated[str, Meta(description="The kind of a complaint, as in abuse.")] = ""
    reason: Annotated[str, Meta(description="Why SES dropped the mail (Reject).")] = ""
    template: str = ""
    error: Annotated[str, Meta(description="Why the template could not be rendered.")] = ""
    reply: Annotated[str, Meta(description="What the application's client got instead of an id, scrubbed.")] = ""


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recipient, and since when."""

    address: Annotated[str, Meta(description="A pseudonym at the real domain, unless raw addresses were chosen.")]
    domain: str
    outcome: Outcome
    at: Annotated[Timestamp | None, Meta(description="When the outcome came about; null while nothing was said.")]
    detail: Detail = Detail()


class GapEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline that passed in silence."""

    gap_id: str
    kind: GapKind
    cause: Cause
    recipient: Annotated[str | None, Meta(description="Null where it is not exactly one, or nobody knows.")]
    deadline: Timestamp
    opened_at: Timestamp
    resolved_at: Timestamp | None = None
    resolution: Resolution | None = None


class VerdictEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Which stage has to act, why, and what a person should do next."""

    stage: Stage
    cause: VerdictCause
    explanation: str
    next_step: str


class TrailEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that one source said. What it said in its own words, and of whom, is there only if it was said."""

    at: Timestamp
    source: Source
    fact: Annotated[str, Meta(description="The kind of fact, as in accepted, delivered, bounced.")]
    evidence: Annotated[str, Meta(description="Where it was read: topic/partition/offset, or file:line.")]
    recipients: Annotated[
        tuple[str, ...], Meta(description="Whom it is about, where that is not all of the record's recipients.")
    ] = ()
    cause: Annotated[str, Meta(description="Why an attempt to hand the mail to SES failed: a word of the causes.")] = ""
    said: Annotated[str, Meta(description="The words of whoever said it, cut and scrubbed; or the id it gave.")] = ""


class Correlated(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known about one mail."""

    schema: Literal["mailgap.correlated/1"] = SCHEMA
    mail_id: Annotated[str, Meta(description="The SES message id where known, else the submission; the record's key.")]
    ses_message_id: str | None
    message_id_header: Annotated[str | None, Meta(description="The mail's own Message-ID, in angle brackets.")]
    queue_ids: Annotated[tuple[str, ...], Meta(description="The submissions, host[/instance]/queue-id.")]
    stream: str
    region: str | None
    sender: Annotated[str, Meta(description="The envelope sender; empty where it is the null sender or unknown.")]
    submitted_at: Timestamp | None
    accepted_at: Timestamp | None
    revision: Annotated[int, Meta(ge=1, description="Rises by one with every published change.")]
    recipients: tuple[Recipient, ...]
    gaps: tuple[GapEntry, ...] = ()
    ses_mails: Annotated[tuple[str, ...], Meta(description="The SES ids that a submission yielded.")] = ()
    superseded_by: Annotated[str | None, Meta(description="The mail_id whose record counts instead of this one.")] = (
        None
    )
    partial: Annotated[bool, Meta(description="One late fact only: add it to what you have.")] = False
    held: Annotated[bool, Meta(description="Judgement waits, since a source has gone quiet.")] = False
    historic: Annotated[bool, Meta(description="Old news: count it, page nobody.")] = False
    verdict: VerdictEntry
    trail: tuple[TrailEntry, ...] = ()
