"""What pages and API stand on, and the questions that both ask: who may see what is decided here, once for both."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from service.aws.evidence import wanted
from service.edges.lookup import grouped
from service.logs import fields
from service.policy import Policy
from service.privacy import Pseudonyms
from service.story import tell
from service.trace import summary
from service.trace.access import Access, Role, Visitor
from service.trace.awaited import awaited
from service.trace.limits import Limiter
from service.trace.masking import is_raw, masked
from service.trace.sources import Health, health
from service.trace.store.questions import Answers, Cursor, CursorError, Gaps, Mails
from service.trace.typed import questions
from service.trace.web.answers import (
    AwsAnswer,
    GapGroups,
    GapHistory,
    GapList,
    MailAnswer,
    MailList,
    gap_groups,
    gap_history,
    gap_line,
    mail_answer,
    mail_line,
)
from service.trace.web.parameters import (
    DAY,
    HOUR,
    MOST_SPANS,
    GapsAsked,
    GroupsAsked,
    HistoryAsked,
    MailsAsked,
    StatisticsAsked,
    instant,
    span,
)
from service.trace.web.problems import bad_request, forbidden, not_found
from service.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from service.aws.evidence import Evidence, Wanted
    from service.contract.correlated import Correlated
    from service.facts import Instant
    from service.trace.store.mails import Found
    from service.trace.store.store import Store

log: Final = logging.getLogger("mailgap.trace")

MOST_RECORDS: Final = 20
"""Records that one mail's story is made of: a submission a server that it passed, and an SES mail each."""

_OPEN: Final = {"open": True, "ended": False, "all": None}


@dataclass(frozen=True)
class Site:
    """One trace page. `now` gives Unix milliseconds."""

    store: Store
    now: Callable[[], Instant]
    access: Access = field(default_factory=Access)
    keys: Sequence[Pseudonyms] = ()
    """What typed addresses are hidden with before they are looked for: the worker's key, and former ones."""
    policy: Policy = field(default_factory=Policy)
    runbooks: str | None = None
    """What links to runbooks begin with; None: our own copies."""
    marks: Watermarks = field(default_factory=lambda: Watermarks(configured=()))
    waiting: Callable[[], int | None] = lambda: None
    aws: Callable[[Wanted], tuple[Evidence, ...]] | None = None
    """Asks AWS, where that was wanted. Blocks for about a second a question."""
    searches: Limiter = field(default_factory=lambda: Limiter(10, 40))
    requests: Limiter = field(default_factory=lambda: Limiter(50, 200))
    sign_ins: Limiter = field(default_factory=lambda: Limiter(0.2, 10))
    _own_mask: Pseudonyms = field(default_factory=lambda: Pseudonyms(os.urandom(32)))
    """Hides what a worker published raw, where there is no key: the same while this process lives."""

    @property
    def hide(self) -> Pseudonyms:
        """What hides raw addresses from those who may not see them."""
        return self.keys[0] if self.keys else self._own_mask

    def mails(self, visitor: Visitor, asked: MailsAsked) -> MailList:
        """A page of mails. Raises `ProblemError`."""
        self.may_see(visitor, asked.addresses)
        found = self._found(asked)
        documents = self._shown(visitor, asked.addresses, [each.document for each in found.items])
        lines = tuple(mail_line(each, document) for each, document in zip(found.items, documents, strict=True))
        return MailList(items=lines, next=None if found.next is None else str(found.next))

    def _found(self, asked: MailsAsked) -> Answers[Found]:
        """The first of the questions that finds anything answers all pages; its number goes along in the cursor."""
        sets = questions(asked.q, self.keys) if asked.q.strip() else [frozenset[str]()]
        after, first = None, 0
        if asked.cursor is not None:
            after, first = _cursor(asked.cursor, len(sets))
        for number, names in enumerate(sets[first:], first):
            wanted = Mails(names, asked.stream, asked.state, instant(asked.since), instant(asked.until))
            try:
                found = self.store.mails.find(wanted, asked.limit, after)
            except CursorError as error:
                raise bad_request("cursor is none of ours; begin without one") from error
            if found.items or found.next or after is not None:
                following = found.next and Cursor(found.next.at, f"{number}.{found.next.key}")
                return Answers(found.items, following)
        return Answers([])

    def mail(self, visitor: Visitor, mail_id: str, addresses: str) -> MailAnswer:
        """One mail with its story. Raises `ProblemError`."""
        self.may_see(visitor, addresses)
        document, late = self.store.mails.mail(mail_id), self.store.mails.late(mail_id)
        if document is None and not late:
            raise not_found(f"no mail has the id {mail_id[:200]}: search for it, since it may go by another name now")
        if document is None:
            document, *late = late
        shown, *later = self._shown(visitor, addresses, [document, *late])
        story = tell(*self._records(visitor, addresses, document), *later)
        return mail_answer(shown, later, awaited(shown, self.policy), story)

    def ask_aws(self, visitor: Visitor, mail_id: str) -> AwsAnswer:
        """What AWS says now, of addresses as they are. It is logged, by mail. Raises `ProblemError`."""
        self.may_see(visitor, "raw")
        if self.aws is None:
            raise not_found("This page does not ask AWS: whoever runs it may start it with --ask-aws.")
        document = self.store.mails.mail(mail_id)
        if document is None:
            raise not_found(f"no mail has the id {mail_id[:200]}")
        log.warning("asked AWS", extra=fields("asked_aws", visitor=visitor.name, mails=[document.mail_id]))
        return AwsAnswer(mail_id=document.mail_id, evidence=self.aws(wanted(self._records(visitor, "raw", document))))

    def may_ask_aws(self, visitor: Visitor, mail_id: str) -> bool:
        """Whether there is anything about the mail that AWS may know, and the visitor may ask."""
        document = self.store.mails.mail(mail_id)
        return (
            self.aws is not None and visitor.role is Role.UNMASK and document is not None and bool(wanted([document]))
        )

    def hides(self, mail_id: str) -> bool:
        """Whether the mail's record holds addresses that are masked for those who may not see them."""
        document = self.store.mails.mail(mail_id)
        return document is not None and is_raw(document)

    def _records(self, visitor: Visitor, addresses: str, document: Correlated) -> list[Correlated]:
        """All records of the mail, as `mailgap explain` would put them together: also those of its submissions."""
        named = frozenset({*document.queue_ids, *document.ses_mails, document.superseded_by or "", document.mail_id})
        near = [each.document for each in self.store.mails.find(Mails(named - {""}), MOST_RECORDS).items]
        others = [each for each in near if each.mail_id != document.mail_id]
        [together] = [group for group in grouped([document, *others]) if document in group]
        return self._shown(visitor, addresses, together)

    def gaps(self, visitor: Visitor, asked: GapsAsked) -> GapList:
        """A page of gaps. Raises `ProblemError`."""
        self.may_see(visitor, asked.addresses)
        try:
            after = None if asked.cursor is None else Cursor.read(asked.cursor)
        except CursorError as error:
            raise bad_request("cursor is none of ours; begin without one") from error
        found = self.store.gaps.find(_gaps(asked), asked.limit, after)
        hide = self.hide if asked.addresses == "masked" else None
        if hide is None:
            self._log_unmasked(visitor, [gap.mail_id for gap in found.items])
        lines = tuple(gap_line(gap, hide, self.runbooks) for gap in found.items)
        return GapList(items=lines, next=None if found.next is None else str(found.next))

    def groups(self, asked: GroupsAsked) -> GapGroups:
        """Gaps by what they share."""
        return gap_groups(asked.by, self.store.gaps.groups(_gaps(asked), asked.by))

    def history(self, asked: HistoryAsked) -> GapHistory:
        """Gaps over time. Raises `ProblemError`."""
        since, until = span(asked.since, asked.until, self.now())
        step = HOUR if asked.step == "hour" else DAY
        if (until - since) // step > MOST_SPANS:
            raise bad_request(f"more than {MOST_SPANS} spans: take step=day, or a shorter time")
        wanted = Gaps(None, asked.stream, asked.kind, asked.cause, asked.provider)
        return gap_history(self.store.gaps.history(wanted, since, until, step))

    def statistics(self, asked: StatisticsAsked) -> summary.Statistics:
        """Sums over recipients. Raises `ProblemError`."""
        since, until = span(asked.since, asked.until, self.now())
        tallies = self.store.statistics.tallies(since, until, asked.stream, asked.provider)
        return summary.summarize(tallies, since, until)

    def health(self) -> Health:
        """Sources, conditions and the store."""
        return health(self.marks, self.store.conditions(), self.store.size(), self.waiting(), self.now())

    def may_see(self, visitor: Visitor, addresses: str) -> None:
        """Raises `ProblemError` for somebody who asks for raw addresses and may not see them."""
        if addresses == "raw" and visitor.role is not Role.UNMASK:
            raise forbidden("Raw addresses take the role `unmask`: ask whoever runs this page for such a token.")

    def _shown(self, visitor: Visitor, addresses: str, documents: list[Correlated]) -> list[Correlated]:
        """The records as this visitor sees them; what is unmasked is logged, by mail and never by address."""
        if addresses == "raw":
            self._log_unmasked(visitor, [document.mail_id for document in documents if is_raw(document)])
            return documents
        return [masked(document, self.hide) for document in documents]

    def _log_unmasked(self, visitor: Visitor, mail_ids: list[str]) -> None:
        if mail_ids:
            log.warning("unmasked", extra=fields("unmasked", visitor=visitor.name, mails=list(dict.fromkeys(mail_ids))))


def _cursor(text: str, sets: int) -> tuple[Cursor, int]:
    try:
        at, key = Cursor.read(text)
    except CursorError as error:
        raise bad_request("cursor is none of ours; begin without one") from error
    number, _, key = key.partition(".")
    if not number.isascii() or not number.isdigit() or int(number) >= sets:
        raise bad_request("cursor is of another question; begin without one")
    return Cursor(at, key), int(number)


def _gaps(asked: GapsAsked | GroupsAsked) -> Gaps:
    return Gaps(
        open=_OPEN[asked.state],
        stream=asked.stream,
        kind=asked.kind,
        cause=asked.cause,
        provider=asked.provider,
        since=instant(asked.since),
        until=instant(asked.until),
    )
