"""The condition record, version 1: something that concerns many mails at once, raised and cleared on the gaps topic.

Its id is made of what it is about, so that repeats collapse where readers keep the latest record of a key. The revision
rises by one with every change; a condition that comes back is raised again under its id.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from service.contract.enums import Condition, ConditionState
from service.contract.wire import Timestamp
from service.facts import Cause, Source

SCHEMA: Final = "mailgap.condition/1"


class ConditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A condition raised or cleared."""

    schema: Literal["mailgap.condition/1"] = SCHEMA
    condition_id: Annotated[str, Meta(description="The same for all revisions; the record's key.")]
    state: ConditionState
    revision: Annotated[int, Meta(ge=1)]
    condition: Condition
    source: Annotated[Source, Meta(description="Whose silence, refusal or loss it is: smtp or ses.")]
    about: Annotated[str, Meta(description="A host, a region, a feed of Delivery events, or a topic's partition.")]
    cause: Annotated[Cause | None, Meta(description="Of `account_refused`: why SES refuses.")] = None
    since: Annotated[Timestamp, Meta(description="When it began, as the evidence has it.")]
    cleared_at: Timestamp | None = None
    explanation: str
    next_step: str
    runbook_url: str
