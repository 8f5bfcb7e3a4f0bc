"""A mail that no AWS SDK could sign: no credentials were found, or AWS does not know them (any more).

Such an error names no service, and often stands alone behind the application's own words: `send mail failed:
NoCredentialsError`. Decides by those words, of which all must be known ones (rule 28), since this cause is one that
pages: they speak of sending mail, and of no other service.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from service.facts import Cause
from service.parsing.applications.accepted import message_id_in, recipients_in
from service.parsing.applications.said import Attempt, Said, api_attempt
from service.parsing.applications.words import identifying, introduces_failure, quotes, tells_of_sending_mail
from service.parsing.replies import API_CODES, api_code

_CODES: Final = frozenset(code for code, cause in API_CODES.items() if cause is Cause.AUTH_FAILED)
_NAME: Final = re.compile(r"(?<![\w.$])(?:[A-Za-z][\w$]{0,60}(?:\.|::)){0,8}+([A-Z][A-Za-z]{9,60})(?!\w)")
_SAID: Final = re.compile(
    r"Unable to locate credentials|Could not load credentials from any providers|Missing credentials in config"
    r"|Unable to load (?:AWS )?credentials from any provider",
    re.IGNORECASE,
).search
_NAMELESS: Final = "NoCredentialsError"
_HINTS: Final = ("oken", "redentials", "UnrecognizedClient", "Signature", "Request", "OptIn")

_TAIL: Final = re.compile(r"[\r\n]|\\n|\sat (?:async )?[\w.$<>\[\]/]{1,200} ?\(").search
_LONGEST: Final = 2000


def unsigned(text: str) -> Said | None:
    """The mail that could not be signed, in a line of text; None where it tells of none."""
    text = text[:_LONGEST]
    found = _error(text)
    if found is None:
        return None
    start, end, attempt = found
    words = text[:start] if tells_of_sending_mail(text[:start]) else f"{text[:start]} {text[end:]}"
    if not tells_of_sending_mail(words) or quotes(text[:start]) or not introduces_failure(words):
        return None
    attempt = replace(attempt, recipients=recipients_in(words))
    return Said((attempt,), message_id_in(words), essence=identifying(words))


def error_in(text: str) -> Attempt | None:
    """The error that a field of a structured entry is; None where it is none of these."""
    found = _error(text[:_LONGEST])
    return found[2] if found and not found[0] else None


def _error(text: str) -> tuple[int, int, Attempt] | None:
    """Where the error's name stands, or its well-known words without it."""
    if not any(hint in text for hint in _HINTS):
        return None
    for found in _NAME.finditer(text):
        if api_code(found[1]) in _CODES:
            return found.start(), found.end(), _attempt(found[1], text[found.end() :].lstrip(":() "))
    said = _SAID(text)
    return (said.start(), said.end(), _attempt(_NAMELESS, text[said.start() :])) if said else None


def _attempt(code: str, message: str) -> Attempt:
    cut = _TAIL(message)
    return api_attempt(code, (message[: cut.start()] if cut else message).strip())
