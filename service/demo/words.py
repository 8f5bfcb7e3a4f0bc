"""mailgap's words in everyday language, for people who see them for the first time."""

from __future__ import annotations

import re
from typing import Final

from service.contract.enums import Cause, GapKind, Outcome, Resolution
from service.demo.findings import UNKNOWN

OUTCOMES: Final[dict[str, str]] = {
    Outcome.DELIVERED: "delivered",
    Outcome.COMPLAINED: "delivered, and reported as spam",
    Outcome.BOUNCED: "bounced: no such mailbox",
    Outcome.SOFT_BOUNCED: "bounced: mailbox full",
    Outcome.SUPPRESSED: "dropped by SES: suppression list",
    Outcome.RENDERING_FAILED: "dropped by SES: template error",
    Outcome.REFUSED: "refused by SES",
    Outcome.DEFERRED: "not taken by SES, still queued",
    UNKNOWN: "queued, and then not a word",
    Outcome.PENDING: "taken by SES, and then silence",
    Outcome.DELAYED: "delayed, SES still tries",
    Outcome.REJECTED: "dropped by SES: virus",
}
"""In the order in which they are shown."""

MISSING: Final = frozenset({Outcome.REFUSED, Outcome.DEFERRED, Outcome.PENDING, UNKNOWN})
"""Where nobody has got the mail, and no log line says so."""

KINDS: Final[dict[GapKind, str]] = {
    GapKind.SENT_NO_SES_ID: "the application sent it, and SES did not take it",
    GapKind.ACCEPTED_NOT_DELIVERED: "SES took it, and did not say what became of it",
    GapKind.UNLOGGED_SEND: "SES sent it, and no log knows of it",
}

CAUSES: Final[dict[Cause, str]] = {
    Cause.UNVERIFIED_IDENTITY: "sender not verified",
    Cause.RATE_EXCEEDED: "throttled by SES",
    Cause.SILENT: "mail server fell silent",
    Cause.SENT_THEN_SILENT: "sent, and then silence",
    Cause.NO_EVENTS: "not a single event",
}
"""In the order in which they are shown."""

RESOLUTIONS: Final[dict[Resolution, str]] = {
    Resolution.ACCEPTED: "taken",
    Resolution.FOUND_BY_MESSAGE_ID: "found by its Message-ID",
    Resolution.DELIVERED: "arrived",
}


_ID: Final = re.compile(r" \(id [^)]{1,256}\)")


def cause(word: Cause) -> str:
    """A gap's cause."""
    return CAUSES.get(word, word.replace("_", " "))


def place(word: Cause) -> int:
    """Where a gap's cause is shown among the others."""
    return list(CAUSES).index(word) if word in CAUSES else len(CAUSES)


def resolution(word: Resolution) -> str:
    """How a gap ended."""
    return RESOLUTIONS.get(word, word.replace("_", " "))


def first_sentence(text: str) -> str:
    """The first sentence (a dot inside a name ends none), without an id in brackets: the next step has it too."""
    head, dot, _ = text.partition(". ")
    return _ID.sub("", head) + dot.strip()
