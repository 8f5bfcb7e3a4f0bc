"""What applications and SES API clients log about the mails that they hand to SES.

`said_by_line` reads a line of text, `said_by_document` a structured entry; both give facts under the mail's own names,
and none where nothing is said. Mail servers have dialects of their own and never come here. A statement is believed
only in the shape in which a mail client makes it (rule 28): what merely quotes a reply is no fact.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec.structs import replace

from service.parsing.applications.accepted import accepted
from service.parsing.applications.api import api_error
from service.parsing.applications.bare_codes import bare_code
from service.parsing.applications.credentials import unsigned
from service.parsing.applications.entries import is_own, said_by_fields, telling
from service.parsing.applications.faults import faulty
from service.parsing.applications.fields import Field, document_fields, plain
from service.parsing.applications.network import unreached
from service.parsing.applications.printed import is_printed, printed
from service.parsing.applications.refused import refused
from service.parsing.applications.requests import of_request, request_in, request_of
from service.parsing.applications.said import End, Facts, Said, facts_of
from service.parsing.applications.statements import rails, stated
from service.parsing.applications.words import LEVELS, headless, quotes
from service.parsing.syslog import Line

__all__ = ["Facts", "entry_of", "headless", "is_printed", "may_concern_mail", "said_by_document", "said_by_line"]

# What is without all of these says nothing about a mail, and is done with: most of what an application logs.
_HINTS: Final = (
    *("mail", "smtp", "250 ok", "(250", "messageid", "message_id", "message-id", "message id", "msgid", "msg_id"),
    *(
        "ok 0",
        "sent",
        "messagerejected",
        "sending",
        "throttling",
        "exceededexception",
        "toomanyrequests",
        "aws",
        "service: ses",
        "command",
    ),
    *("connection could not", "connection to", "configurationset", "accountsuspended"),
    *("421", "451", "454", "501", "530", "535", "552", "553", "554"),
)


def may_concern_mail(text: str) -> bool:
    """Whether a text deserves a closer look; must cost next to nothing."""
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


def said_by_line(line: Line) -> Facts:
    """The facts in a line of a program that is no mail server."""
    if not may_concern_mail(line.message) and not may_concern_mail(line.program):
        return []
    said = _said(line)
    said = of_request(said, line.message, request_in(line.message), line.host) if said else None
    return facts_of(said, _placed(line)) if said else []


def said_by_document(document: dict[str, Any], line: Line) -> Facts:
    """The facts in a structured entry; `line` says when and where it was made, and what its text is."""
    fields = document_fields(document)
    said = said_by_fields(fields, _read)
    if said is None and may_concern_mail(line.message):
        said = _said(line)
        said = said if said and is_own(said, fields, line.message) else None
    said = of_request(said, f"{line.message} {telling(fields)}", request_of(document), line.host) if said else None
    return facts_of(replace(said, essence=_essence(document)), _placed(line)) if said else []


# What shippers say of themselves may differ when they say an entry again.
_OF_SHIPPERS: Final = frozenset("@metadata agent ecs input offset log_offset kubernetes docker container _p".split())  # noqa: SIM905


def _essence(document: dict[str, Any]) -> str:
    """What tells an entry from others of the same words: each of its fields, its stamp above all."""
    return repr([(key, value) for key, value in document.items() if key not in _OF_SHIPPERS])


def entry_of(document: dict[str, Any]) -> dict[str, Any]:
    """The fields of an entry where loguru put them: its `record`, the time of which is an object."""
    record = document.get("record")
    if not isinstance(record, dict) or "text" not in document:
        return document
    time = record.get("time")
    return record | {"time": time.get("repr") if isinstance(time, dict) else time}


def _said(line: Line) -> Said | None:
    """Where a logger's level or class stood in the place of host and program, they are part of what is said."""
    if quotes(line.program + ": "):
        return None
    if said := _read(line.message):
        return replace(said, essence=said.essence + _own_stamp(line))
    if line.program and (not line.host or _is_level(line.host)):
        return _read(f"{line.program}: {line.message}")
    return None


# A trace that tells of the same mail follows where an exception is named, and has no stamp or a later one.
_EXCEPTION: Final = re.compile(r"[a-z]Error\b|Exception\b|\braised?\b|Traceback").search
_FRACTION: Final = re.compile(r"\d\d:\d\d:\d\d([.,]\d{3,9})").search
_STAMPED: Final = 64


def _own_stamp(line: Line) -> str:
    """What of its stamp tells a line from others of the same second; nothing where only a shipper dated it."""
    if _EXCEPTION(line.message):
        return ""
    found = _FRACTION(line.message[:_STAMPED])
    return found[1] if found else str(line.at) if _is_level(line.host) else ""


def _placed(line: Line) -> Line:
    return Line(line.at, line.floating, "", line.program, line.message) if _is_level(line.host) else line


def _is_level(host: str) -> bool:
    return host.strip("[]").lower() in LEVELS


# One line of an object that was printed over several, each shipped alone. Of an error the first line has said all; and
# `messageId` with an id of SES's is a line of an event (SendEmail returns a `MessageId`).
_MEMBER: Final = re.compile(
    r"['\"]?(?:[\w$\[\]()]{1,64}+['\"]?: (['\"])[A-Za-z]{1,64}+\1|messageId['\"]?: (['\"])[\w-]{16,128}+\2),?\s*+"
).fullmatch


def _read(text: str) -> Said | None:
    """What a text says. An object that was printed with its acceptance says more than any words around it."""
    if _MEMBER(text):
        return None
    by_pairs = _by_pairs(text)
    if by_pairs and any(attempt.end is End.ACCEPTED for attempt in by_pairs.attempts):
        return by_pairs
    by_words = _by_words(text)
    if by_pairs is None or by_words is None:
        return by_pairs or by_words
    if not by_words.attempts:
        return by_pairs
    to = by_pairs.recipients
    filled = tuple(attempt if attempt.recipients else replace(attempt, recipients=to) for attempt in by_words.attempts)
    return replace(by_words, attempts=filled, message_id=by_words.message_id or by_pairs.message_id)


def _by_pairs(text: str) -> Said | None:
    found = printed(text)
    if found is None:
        return None
    fields = [Field(plain(pair.name), pair.value) for pair in found.pairs]
    return said_by_fields(fields, _by_words, meant=found.meant)


def _by_words(text: str) -> Said | None:
    return (
        rails(text)
        or accepted(text)
        or api_error(text)
        or refused(text)
        or faulty(text)
        or unsigned(text)
        or bare_code(text)
        or unreached(text)
        or stated(text)
    )
