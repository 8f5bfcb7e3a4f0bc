"""What an alert is about, and how urgent it is: one alert for all gaps of one stream, kind and cause.

Where many streams share a kind and a cause, they are one alert: what fails everywhere at once has one reason.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from service.contract.enums import Condition, GapKind
from service.contract.notification import Severity
from service.facts import Cause

GAP: Final = "gap"
CONDITION: Final = "condition"
STREAMS: Final = "streams"
"""The gaps of one kind and cause, of all streams together."""

ACCOUNT: Final = frozenset({Cause.QUOTA_EXCEEDED, Cause.ACCOUNT_PAUSED, Cause.AUTH_FAILED, Cause.ACCESS_DENIED})
"""Causes that are the account's: every mail that follows fails too. (As in the alert MailgapAccountRefused.)"""

_PAGES: Final[frozenset[str]] = frozenset({*ACCOUNT, Condition.ACCOUNT_REFUSED, Condition.SOURCE_STALLED})
_AT_ONCE: Final[frozenset[str]] = frozenset({Condition.ACCOUNT_REFUSED})


class Subject(msgspec.Struct, frozen=True, order=True):
    """`where` is the stream of gaps, and the source of conditions; empty of all streams together.

    `cause` is empty where a condition has none.
    """

    what: str
    kind: str
    cause: str
    where: str

    def alert_id(self, prefix: str) -> str:
        """Stable for ever: the key by which every sink knows the alert again."""
        said = (prefix, self.what, self.kind, self.cause, self.where)
        return hashlib.sha256("\0".join(said).encode()).hexdigest()[:32]

    @property
    def together(self) -> Subject:
        """The same of all streams."""
        return Subject(STREAMS, self.kind, self.cause, "")

    @property
    def of_account(self) -> bool:
        """SES refuses the account, and may be asked why."""
        return self.kind == Condition.ACCOUNT_REFUSED or self.cause in ACCOUNT

    @property
    def severity(self) -> Severity:
        """A page for what concerns every mail that follows."""
        return Severity.PAGE if self.kind in _PAGES or self.cause in ACCOUNT else Severity.TICKET

    @property
    def urgent(self) -> bool:
        """Known for certain from the first line: nothing is gained by waiting for more of it."""
        return self.kind in _AT_ONCE


def summary(subject: Subject, number: int, streams: int = 1) -> str:
    """One line for people; no name in it is escaped yet."""
    why = f" ({subject.cause})" if subject.cause else ""
    of = _some(streams, "stream", "streams") if subject.what == STREAMS else f"stream {subject.where}"
    if not number:
        return f"Resolved: {_subject_words(subject)}{why}"
    match subject.kind:
        case GapKind.SENT_NO_SES_ID:
            return f"{_some(number, 'mail', 'mails')} of {of} got no id from SES{why}"
        case GapKind.ACCEPTED_NOT_DELIVERED:
            some = _some(number, "recipient", "recipients")
            return f"{some} of {of} without a final event from SES{why}"
        case GapKind.UNLOGGED_SEND:
            return f"{_some(number, 'mail', 'mails')} of {of} that no log mentions{why}"
        case Condition.SOURCE_STALLED:
            return f"Source {subject.where} has fallen silent ({_some(number, 'feed', 'feeds')})"
        case Condition.FEED_MISSING:
            return f"{_some(number, 'feed', 'feeds')} of source {subject.where} never spoke"
        case Condition.ACCOUNT_REFUSED:
            return f"SES refuses the account{why}"
        case _:
            return f"Input of source {subject.where} was removed unread, in {_some(number, 'place', 'places')}"


def _subject_words(subject: Subject) -> str:
    where = {GAP: f"stream {subject.where}", STREAMS: "any stream"}.get(subject.what, f"source {subject.where}")
    return f"no {subject.kind} of {where} is open any more"


def _some(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
