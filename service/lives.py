"""Cuts a submission's trail into the lives of its queue id, since a mail server uses an id again (rule 8).

A life begins at a start mark (`client=`, `pickup`, `<=`) and ends at an end mark (`removed`, `Completed`). A request of
an application's has no marks and may send several mails: what comes after an acceptance that may be of the same mail
only as long as both name recipients is another mail. Pure, and independent of the order in which the lines came.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from service.facts import (
    Accepted,
    Answered,
    Closed,
    Deferred,
    Elsewhere,
    Fact,
    Identified,
    Instant,
    Name,
    Queued,
    Refused,
    Sighting,
    Started,
    Unconfirmed,
    ses_name,
    submission_name,
)
from service.trail import Trail, in_order, order

# Lines of one second are put into the order in which a mail server writes them.
_RANK: Final[dict[type, int]] = {
    Started: 0,
    Identified: 1,
    Queued: 2,
    Deferred: 3,
    Unconfirmed: 4,
    Accepted: 4,
    Elsewhere: 4,
    Refused: 5,
    Closed: 6,
}


class Life(msgspec.Struct, frozen=True):
    """One mail's facts under a queue id, in order of the log's own clock."""

    submission: str
    facts: tuple[tuple[Fact, Sighting], ...]
    first: Instant
    last: Instant

    @property
    def mail_id(self) -> str:
        """`host[/instance]/QID@<first second>`; a submission of an application has but one life, and its own name."""
        return self.submission if is_one_mail(self.submission) else f"{self.submission}@{self.first // 1000}"


def lives(submission: str, trail: Trail) -> list[Life]:
    """The lives in order of time; answers from the Message-ID go to the life that asked."""
    known = trail.facts
    spoken = in_order([fact for fact in known if type(fact) in _RANK], _rank)
    lines = [(fact, known[fact]) for fact in spoken]
    if is_one_mail(submission):
        return [_life(submission, lines, trail)] if lines else []
    runs = _of_request(lines) if _REQUEST in submission else _by_marks(lines)
    return [_life(submission, run, trail) for run in runs]


_Run: TypeAlias = list[tuple[Fact, Sighting]]


def _by_marks(lines: _Run) -> list[_Run]:
    runs: list[_Run] = []
    open_ = False
    for item in lines:
        starts = type(item[0]) is Started
        ends = type(item[0]) is Closed
        over = not open_ or (starts and not _only_started(runs[-1]))
        if not runs or (over and (starts or not ends)):  # a second `removed` is of the life that ended
            runs.append([])
        runs[-1].append(item)
        open_ = not ends
    return runs


def _of_request(lines: _Run) -> list[_Run]:
    runs: list[_Run] = []
    taken: Accepted | None = None
    for item in lines:
        fact = item[0]
        nameless = isinstance(fact, Accepted | Deferred | Refused | Unconfirmed) and not fact.recipients
        if not runs or (taken is not None and (nameless or not taken.recipients)):
            runs.append([])
            taken = None
        runs[-1].append(item)
        taken = fact if isinstance(fact, Accepted) else taken
    return runs


_REQUEST: Final = "/request:"


def is_of_application(submission: str) -> bool:
    """An application's submission, and no mail server's: one mail, or `host/request:<hash>` for the mails of one."""
    return _REQUEST in submission or is_one_mail(submission)


def is_one_mail(submission: str) -> bool:
    """An application's submission: `mid:<hash of its Message-ID>`, or `host/app:<hash>`. It is never used again."""
    return submission.startswith("mid:") or "/app:" in submission


def name_of(mail_id: str, ses_id: str | None) -> Name:
    """The name under which a mail's row stands: that of SES's mail, or of the submission."""
    if mail_id == ses_id:
        return ses_name(mail_id)
    return submission_name(mail_id if is_one_mail(mail_id) else mail_id.rpartition("@")[0])


def _rank(fact: Fact) -> int:
    return _RANK[type(fact)]


def _only_started(run: list[tuple[Fact, Sighting]]) -> bool:
    return all(isinstance(fact, Started) for fact, _ in run)


def _life(submission: str, run: list[tuple[Fact, Sighting]], trail: Trail) -> Life:
    first, last = run[0][0].at, run[-1][0].at
    answers = [
        (fact, seen)
        for fact, seen in trail.facts.items()
        if type(fact) is Answered and bears(fact.submission, first, last)
    ]
    answers.sort(key=lambda item: order(item[0]))
    return Life(submission, (*run, *answers), first, last)


def bears(mail_id: str, first: Instant, last: Instant) -> bool:
    """Whether the mail id is that of a life between these instants: it names the second of its first known line."""
    if is_one_mail(mail_id):
        return True
    second = mail_id.rpartition("@")[2]
    return second.removeprefix("-").isdecimal() and first // 1000 <= int(second) <= last // 1000
