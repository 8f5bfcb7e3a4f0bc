"""The gap record, version 1: one when a gap opens, one when it is resolved or closed, under the same `gap_id`.

It carries all that a notification or a dashboard needs, so that nobody has to look the mail up to be paged.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from service.contract.enums import GapKind, GapState, Resolution
from service.contract.wire import Timestamp
from service.facts import Cause

SCHEMA: Final = "mailgap.gap/1"


class GapRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A gap opened, resolved or closed."""

    schema: Literal["mailgap.gap/1"] = SCHEMA
    gap_id: Annotated[str, Meta(description="The same for all revisions; the record's key.")]
    state: GapState
    revision: Annotated[int, Meta(ge=1)]
    kind: GapKind
    cause: Cause
    mail_id: str
    ses_message_id: str | None
    message_id_header: Annotated[str | None, Meta(description="The mail's own Message-ID, in angle brackets.")]
    recipient: Annotated[str | None, Meta(description="Null where it is not exactly one, or nobody knows.")]
    provider: Annotated[str, Meta(description="The recipient's mailbox provider, if it is a big one, else other.")]
    stream: Annotated[str, Meta(description="The stream it opened with.")]
    region: str | None
    deadline: Timestamp
    opened_at: Annotated[Timestamp, Meta(description="The deadline that passed, not when it was announced.")]
    resolved_at: Timestamp | None = None
    resolution: Resolution | None = None
    explanation: str
    next_step: str
    runbook_url: str
    historic: Annotated[bool, Meta(description="Old news: count it, page nobody.")] = False
    closed_by: Annotated[str | None, Meta(description="Who closed it, where somebody did (`mailgap gaps close`).")] = (
        None
    )
    close_reason: Annotated[str | None, Meta(description="Why, in their own words; `resolved_at` says when.")] = None
