"""What an application said about one mail, and the facts that this makes.

Decides what a reply means for the mail: SES's `250 Ok <id>` is the only acceptance; a 2xx of another server says that
the mail is with that server, whose own log goes on, and makes no fact. It never guesses a sender: an empty one would
make the mail a bounce notice.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from service.facts import (
    Accepted,
    Cause,
    Deferred,
    Fact,
    Identified,
    Name,
    Queued,
    Refused,
    Unconfirmed,
    ses_name,
    submission_name,
)
from service.parsing.applications.names import mid_submission, refusal_submission
from service.parsing.replies import TRANSIENT, cause_of, cause_of_api, ses_id_in

if TYPE_CHECKING:
    from service.parsing.syslog import Line

Facts: TypeAlias = list[tuple[Name, Fact]]

_LONGEST_REPLY: Final = 1000
_CODE: Final = re.compile(r"([245])\d\d(?![0-9])[ -]?").match
_TAKEN: Final = re.compile(r"250 Ok\.?").fullmatch


class End(Enum):
    """How an attempt to hand a mail over ended."""

    ACCEPTED = auto()
    UNCONFIRMED = auto()
    DEFERRED = auto()
    REFUSED = auto()


class Attempt(msgspec.Struct, frozen=True):
    """One attempt for some recipients (none: nobody says which). `reply` is the server's text or the client's."""

    end: End
    reply: str = ""
    cause: Cause = Cause.OTHER_REFUSAL
    ses_id: str = ""
    recipients: tuple[str, ...] = ()
    entry: str = ""
    """Which of several mails of one call it is about; empty where there is one."""


class Said(msgspec.Struct, frozen=True):
    """A statement about one mail. `essence` tells a nameless refusal from others of the same words."""

    attempts: tuple[Attempt, ...] = ()
    message_id: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    essence: str = ""
    submission: str = ""

    @property
    def accepts(self) -> bool:
        """Whether some of it tells that SES has the mail."""
        return any(attempt.end in {End.ACCEPTED, End.UNCONFIRMED} for attempt in self.attempts)


def reply_attempt(reply: str, recipients: tuple[str, ...] = ()) -> Attempt | None:
    """What SES's reply, code first, says; None for another server's 2xx and for what is no reply."""
    reply = reply.strip()
    if ses_id := ses_id_in(reply):
        return Attempt(End.ACCEPTED, reply, ses_id=ses_id, recipients=recipients)
    if _TAKEN(reply):
        return Attempt(End.UNCONFIRMED, reply, recipients=recipients)
    code = _CODE(reply)
    if code is None or code[1] == "2":
        return None
    end = End.DEFERRED if code[1] == "4" else End.REFUSED
    return Attempt(end, reply[:_LONGEST_REPLY], cause_of(reply), recipients=recipients)


def api_attempt(code: str, message: str, status: int = 0, recipients: tuple[str, ...] = ()) -> Attempt:
    """What an error of the SES API says. `status` is that of HTTP, 0 where unknown."""
    cause = cause_of_api(code, message)
    if cause is Cause.OTHER_REFUSAL and (status >= 500 or status == 429):  # noqa: PLR2004 -- of HTTP
        cause = Cause.RATE_EXCEEDED if status == 429 else Cause.SES_UNAVAILABLE  # noqa: PLR2004
    name = code.rpartition(".")[2].removesuffix("Exception")
    reply = ": ".join(filter(None, (name, message)))
    return Attempt(_end(cause), reply[:_LONGEST_REPLY], cause, recipients=recipients)


def fault(text: str, cause: Cause | None = None, recipients: tuple[str, ...] = ()) -> Attempt:
    """A client's own account of what went wrong on the way, in which there is no reply."""
    cause = cause_of(text) if cause is None else cause
    return Attempt(_end(cause), text[:_LONGEST_REPLY], cause, recipients=recipients)


def _end(cause: Cause) -> End:
    return End.DEFERRED if cause in TRANSIENT else End.REFUSED


def facts_of(said: Said, line: Line) -> Facts:
    """The facts of a statement, under the names that it gives; `line` says when, where and by whom it was made."""
    submission = said.submission or (mid_submission(said.message_id) if said.message_id else "")
    facts: Facts = []
    if said.message_id:
        facts.append((submission_name(submission), Identified(line.at, line.floating, said.message_id)))
    if said.sender and submission:
        queued = Queued(line.at, line.floating, said.sender, len(said.recipients))
        facts.append((submission_name(submission), queued))
    for attempt in said.attempts:
        facts += _ended(attempt, submission or _nameless(said, attempt, line), line, named=bool(submission))
    return facts


def _nameless(said: Said, attempt: Attempt, line: Line) -> str:
    """The submission of a mail without a name: one for all of its attempts, each of which may be for one recipient."""
    same = [each for each in said.attempts if each.end is not End.ACCEPTED and each.entry == attempt.entry]
    words = "\0".join(f"{each.reply}\0{' '.join(each.recipients)}" for each in same)
    return refusal_submission(line.host, line.program, f"{words}\0{said.essence}{attempt.entry}", line.at)


def _ended(attempt: Attempt, submission: str, line: Line, *, named: bool) -> Facts:
    at, floating, recipients = line.at, line.floating, attempt.recipients
    if attempt.end is End.ACCEPTED:
        accepted = Accepted(at, floating, recipients, attempt.ses_id, submission if named else "", "")
        under = [(submission_name(submission), accepted)] if named else []
        return [*under, (ses_name(attempt.ses_id), accepted)]
    name = submission_name(submission)
    match attempt.end:
        case End.UNCONFIRMED:
            return [(name, Unconfirmed(at, floating, recipients, attempt.reply))]
        case End.DEFERRED:
            return [(name, Deferred(at, floating, recipients, attempt.cause, attempt.reply))]
        case End.REFUSED:
            return [(name, Refused(at, floating, recipients, attempt.cause, attempt.reply))]
