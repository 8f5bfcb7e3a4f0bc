"""The notification, version 1: all that is open of one kind, cause and stream, said once; what a webhook is sent.

`alert_id` stays the same for as long as there is a mailgap of this prefix: a receiver that keeps the latest one of
each id knows what is open. It may come twice; it is never taken back silently.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from service.contract.wire import Timestamp

SCHEMA: Final = "mailgap.notification/1"


class Severity(StrEnum):
    """Whether somebody has to be woken, or a ticket is enough."""

    PAGE = "page"
    TICKET = "ticket"


class AlertState(StrEnum):
    """Something is open, or nothing is any more."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One of what is open."""

    mail_id: Annotated[str | None, Meta(description="Null where a condition is meant.")] = None
    recipient: Annotated[str | None, Meta(description="Pseudonymous, unless raw addresses were chosen.")] = None
    about: Annotated[str | None, Meta(description="What a condition is about: a host, a region, a topic.")] = None
    since: Timestamp
    url: Annotated[str | None, Meta(description="The mail's trace page, where --trace-url was given.")] = None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What is said to a sink of one alert."""

    schema: Literal["mailgap.notification/1"] = SCHEMA
    alert_id: Annotated[str, Meta(description="A hash of prefix, kind, cause and stream, or of none.")]
    state: AlertState
    prefix: str
    kind: Annotated[str, Meta(description="The kind of gap, or the condition.")]
    cause: str | None
    stream: Annotated[
        str | None, Meta(description="Null where a condition is meant, or many streams that share a kind and a cause.")
    ]
    source: Annotated[str | None, Meta(description="Of a condition: smtp or ses. Null where gaps are meant.")]
    severity: Severity
    number: Annotated[int, Meta(ge=0, description="How many are open.")]
    since: Annotated[Timestamp, Meta(description="When the oldest of them opened.")]
    summary: str
    explanation: Annotated[str, Meta(description="Of one of them; empty once nothing is open.")]
    next_step: str
    runbook_url: str
    evidence: Annotated[
        tuple[str, ...],
        Meta(
            description="Where --ask-aws was given and SES refuses the account: what AWS said of it when this was sent."
        ),
    ] = ()
    examples: Annotated[tuple[Example, ...], Meta(description="The oldest five.")] = ()
