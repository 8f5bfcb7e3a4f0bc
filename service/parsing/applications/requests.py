"""A mail that an application tries to send again and again, told by the request or job in which it does.

An attempt that SES throttled and the one that SES then took are two lines of one mail. Where neither names the mail,
the request's id (or the job's, or the trace's) joins them, if the application says that it tries again or gave up: a
job may send many mails, and one that failed must not hide behind another (`service.lives` tells them apart). A line
that promises another attempt, and names nothing at all, makes no fact: whoever tries again says how that ended, and
thousands of throttled attempts would be as many false gaps. So it is with a SDK's own retries, which its caller may
never see.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from service.parsing.applications.fields import plain

if TYPE_CHECKING:
    from service.parsing.applications.said import Said

_NAMES: Final = frozenset(
    (  # noqa: SIM905 -- words
        "requestid reqid xrequestid correlationid traceid jobid jid taskid awsrequestid invocationid"
    ).split()
)
_AROUND: Final = ("context", "extra", "ctx", "fields", "mdc", "contextMap", "properties")
"""Where loggers put what concerns the whole request. The result of a call has an id of AWS's, which is another."""
_LONGEST: Final = 128

_WRITTEN: Final = re.compile(
    r"\b(?:(?:x[-_])?req(?:uest)?|correlation|trace|job|task|invocation)(?:[-_]?id)?=\"?([\w.:/-]{4,128})"
    r"|\bjid=\"?([\w-]{4,128})|\[req(?:uest)?[-_: ]([\w.-]{4,128})\]",
    re.IGNORECASE,
).search
_AGAIN: Final = re.compile(
    r"\bre-?trying\b|\bwill (?:be )?re-?tr(?:y|ied)\b|\bre-?try (?:in|after|at|needed|#?\d)|\bbacking off\b"
    r"|\bnext (?:attempt|try) (?:in|at|after)\b|\btry(?:ing)? again in\b|\bretryable error detected\b",
    re.IGNORECASE,
).search
_OVER: Final = re.compile(
    r"\bgiv(?:es?|ing|en) up\b|\bgave up\b|\bexhausted\b|\bmax(?:imum)?(?: number of)? (?:retries|attempts)\b"
    r"|\bno more (?:retries|attempts)\b|\bnot (?:be )?re-?tr(?:y|ied|ying)\b|\bafter \d+ (?:attempts|retries|tries)\b",
    re.IGNORECASE,
).search


def of_request(said: Said, words: str, request: str, host: str) -> Said | None:
    """The statement under the submission of its request; None where it only promises another attempt.

    `words`: what the line says of it. A statement that names its mail, or tells of several, stays as it is.
    """
    if said.message_id or said.submission or len(said.attempts) != 1:
        return said
    over = _OVER(words) is not None
    again = not over and _AGAIN(words) is not None
    if request and (said.accepts or over or again):
        return replace(said, submission=_submission(host, request))
    return None if again and not said.accepts else said


def request_of(document: dict[str, Any]) -> str:
    """The request's id in a structured entry; empty where there is none."""
    around = (document[key] for key in _AROUND if isinstance(document.get(key), dict))
    for each in (document, *around):
        for key, value in each.items():
            if plain(key) in _NAMES and isinstance(value, str | int) and 0 < len(str(value)) <= _LONGEST:
                return str(value)
    return ""


def request_in(text: str) -> str:
    """The request's id in a line of text. AWS's own stands behind a colon and names one attempt, not the request."""
    found = _WRITTEN(text)
    return next(filter(None, found.groups()), "") if found else ""


def _submission(host: str, request: str) -> str:
    said = blake2b(f"request {request}".encode(errors="replace"), digest_size=8).hexdigest()
    return f"{host.lower() or '-'}/request:{said}"
