"""What is open now, by what alerts are about: rebuilt from the gaps topic, of which the latest record of a key counts.

Old news (`historic`) is not on it (rule 21). Of each open gap only what a notification needs is kept, so that a million
of them fit.
"""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import msgspec

from service.contract import condition, gap
from service.contract.condition import ConditionRecord
from service.contract.enums import ConditionState, GapState
from service.contract.gap import GapRecord
from service.contract.notification import AlertState, Example, Notification
from service.contract.wire import instant_of, timestamp
from service.explanations.conditions import region_of
from service.notifications.subject import CONDITION, GAP, STREAMS, Subject, summary
from service.notifications.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.facts import Instant

EXAMPLES: Final = 5
REGIONS: Final = 3
"""Regions that SES is asked about for one alert: it takes a question a second."""
_LONGEST_NAME: Final = 60
"""Characters of a stream's name in a list of streams: the next step stands behind it, and must not be cut off."""
MAIL_ID: Final = "{mail_id}"
"""What in --trace-url stands for a mail's id."""

_gap: Final = msgspec.json.Decoder(GapRecord).decode
_condition: Final = msgspec.json.Decoder(ConditionRecord).decode


class _Any(msgspec.Struct):
    schema: str


_any: Final = msgspec.json.Decoder(_Any).decode


class Open(NamedTuple):
    """One gap, or one condition."""

    since: Instant
    mail_id: str | None
    recipient: str | None
    about: str | None


class Words(NamedTuple):
    """What the latest record of a subject said about it."""

    explanation: str
    next_step: str
    runbook_url: str
    region: str | None = None


_NO_WORDS: Final = Words("", "", "")


class Board:
    """All that is open. `trace_url` is the trace page's address with `{mail_id}` in it, or nothing."""

    def __init__(self, prefix: str, trace_url: str = "") -> None:
        """Nothing is open yet."""
        self._prefix, self._trace_url = prefix, trace_url
        self._of: dict[str, Subject] = {}
        self._open: dict[Subject, dict[str, Open]] = {}
        self._words: dict[Subject, Words] = {}

    def take(self, key: str, value: bytes | None) -> bool:
        """A record of the gaps topic. False where it is none of ours, which changes nothing."""
        if value is None:
            self._end(key)
            return True
        try:
            schema = _any(value).schema
            if schema == gap.SCHEMA:
                self._take_gap(_gap(value))
            elif schema == condition.SCHEMA:
                self._take_condition(_condition(value))
            else:
                return False
        except (msgspec.MsgspecError, ValueError):
            return False
        return True

    def subjects(self) -> Iterator[tuple[Subject, int]]:
        """What is open, and how many of each."""
        return ((subject, len(found)) for subject, found in self._open.items())

    def regions(self, subject: Subject) -> tuple[str | None, ...]:
        """Where SES refuses the account, at most `REGIONS`; None where no record says it. Empty of other alerts."""
        if not subject.of_account:
            return ()
        if subject.what != CONDITION:
            return (self._words_of(subject).region,)
        found = {region_of(each.about or "") for each in self._open.get(subject, {}).values()}
        return tuple(sorted(found, key=lambda region: region or ""))[:REGIONS]

    def notification(
        self, subject: Subject, since: Instant, *, firing: bool = True, evidence: tuple[str, ...] = ()
    ) -> Notification:
        """What there is to say now; `since` is for what is resolved, of which nothing is known any more.

        Not `firing`: a sink that wants to hear no more of it is told that it is over. `evidence`: what AWS says.
        """
        parts = self._parts(subject) if firing else {}
        found = [each for part in parts.values() for each in part.values()]
        words = self._words_of(subject)
        oldest = nsmallest(EXAMPLES, found, key=lambda each: (each.since, each.mail_id or each.about or ""))
        return Notification(
            alert_id=subject.alert_id(self._prefix),
            state=AlertState.FIRING if found else AlertState.RESOLVED,
            prefix=self._prefix,
            kind=subject.kind,
            cause=subject.cause or None,
            stream=subject.where if subject.what == GAP else None,
            source=subject.where if subject.what == CONDITION else None,
            severity=subject.severity,
            number=len(found),
            since=timestamp(oldest[0].since if oldest else since),
            summary=summary(subject, len(found), len(parts)),
            explanation=words.explanation + _largest(subject, parts) if found else "",
            next_step=words.next_step if found else "",
            evidence=evidence if found else (),
            runbook_url=words.runbook_url,
            examples=tuple(self._example(each) for each in oldest),
        )

    def _parts(self, subject: Subject) -> dict[Subject, dict[str, Open]]:
        """What is open of it, by stream."""
        if subject.what == STREAMS:
            return {each: found for each, found in self._open.items() if each.what == GAP and each.together == subject}
        return {subject: self._open[subject]} if subject in self._open else {}

    def _words_of(self, subject: Subject) -> Words:
        if subject.what != STREAMS:
            return self._words.get(subject, _NO_WORDS)
        return next((said for each, said in self._words.items() if each.together == subject), _NO_WORDS)

    def _example(self, each: Open) -> Example:
        link = self._trace_url.replace(MAIL_ID, quote(each.mail_id, safe="")) if each.mail_id else ""
        return Example(
            mail_id=each.mail_id,
            recipient=each.recipient,
            about=each.about,
            since=timestamp(each.since),
            url=link or None,
        )

    def _take_gap(self, record: GapRecord) -> None:
        subject = Subject(GAP, record.kind, record.cause, record.stream)
        if record.state is not GapState.OPENED or record.historic:
            self._end(record.gap_id)
            return
        each = Open(instant_of(record.opened_at), record.mail_id, record.recipient, None)
        self._begin(record.gap_id, subject, each, record, record.region)

    def _take_condition(self, record: ConditionRecord) -> None:
        subject = Subject(CONDITION, record.condition, record.cause or "", record.source)
        if record.state is not ConditionState.RAISED:
            self._end(record.condition_id)
            return
        each = Open(instant_of(record.since), None, None, record.about)
        self._begin(record.condition_id, subject, each, record)

    def _begin(
        self,
        identity: str,
        subject: Subject,
        each: Open,
        record: GapRecord | ConditionRecord,
        region: str | None = None,
    ) -> None:
        self._end(identity)  # a record that says another stream or cause than before moves
        self._of[identity] = subject
        self._open.setdefault(subject, {})[identity] = each
        self._words[subject] = Words(record.explanation, record.next_step, record.runbook_url, region)

    def _end(self, identity: str) -> None:
        subject = self._of.pop(identity, None)
        if subject is not None:
            found = self._open[subject]
            del found[identity]
            if not found:
                del self._open[subject]


def _largest(subject: Subject, parts: dict[Subject, dict[str, Open]]) -> str:
    """Which streams, of many, and how many of each."""
    if subject.what != STREAMS:
        return ""
    largest = nsmallest(EXAMPLES, parts.items(), key=lambda part: (-len(part[1]), part[0].where))
    named = ", ".join(f"{clean(part.where, _LONGEST_NAME)} ({len(found):,})" for part, found in largest)
    more = f" and {len(parts) - len(largest):,} more" if len(parts) > len(largest) else ""
    return f" Streams: {named}{more}."
