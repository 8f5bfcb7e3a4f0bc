"""What an application says in its own words: `Message sent: <…>`, `Email sent! Message ID: 0100…`, Rails' log.

Decides whether a line that holds no reply at all tells that a mail was handed over: it has a word of sending, an id,
and nothing else that could be somebody else's text. A word of receiving makes it none of ours.
"""

from __future__ import annotations

import re
from typing import Final

from service.facts import Cause
from service.parsing.applications.accepted import message_id_in, recipients_in
from service.parsing.applications.api import api_error
from service.parsing.applications.faults import faulty
from service.parsing.applications.names import WRITTEN, own_message_id
from service.parsing.applications.refused import refused
from service.parsing.applications.said import Attempt, End, Said, fault
from service.parsing.applications.words import introduces, quotes

_SENT: Final = re.compile(r"\b(?:sent|sending|send|queued|submitted|dispatched|handed)\b", re.IGNORECASE).search
_BRACKETED: Final = re.compile(r"<([^\s<>]{1,900}@[^\s<>]{1,255})>").search
_ID: Final = re.compile(rf"(?<![\w@<-]){WRITTEN}(?![\w@-]|\.\w)").search
_ID_SAID: Final = re.compile(r"message[-_ ]?id|\bsent\b|\bsending\b|\baccepted\b", re.IGNORECASE).search
_EVENT: Final = re.compile(r"\b(?:delivery|delivered|notification|bounced?|complaint)\b", re.IGNORECASE).search


def stated(text: str) -> Said | None:
    """The statement that the line is; None where it is none."""
    return _with_ses_id(text) or _with_message_id(text)


def _with_ses_id(text: str) -> Said | None:
    """What SendEmail returned, as AWS's own examples print it: `Email sent! Message ID: 0100…`."""
    found = _ID(text) if "-" in text else None
    if found is None:
        return None
    before, after = text[: found.start()], text[found.end() :]
    words = before + after
    if not _ID_SAID(words) or _EVENT(words) or not (introduces(before) and introduces(after)):
        return None
    to = recipients_in(before) or recipients_in(after)
    return Said((Attempt(End.ACCEPTED, found[1], ses_id=found[1], recipients=to),), message_id_in(words))


def _with_message_id(text: str) -> Said | None:
    """Nodemailer's `Sending message <…> to <…>`, and its manual's `Message sent: <…>`."""
    found = _BRACKETED(text) if "<" in text else None
    if found is None:
        return None
    before, after = text[: found.start()], text[found.end() :]
    message_id = own_message_id(found[1])
    words = before + after
    if not message_id or not _SENT(words) or _RECIPIENT(before):
        return None
    return Said((), message_id) if introduces(before) and introduces(after) else None


_RECIPIENT: Final = re.compile(r"\b(?:to|for|from|by|via)[:= ]*$", re.IGNORECASE).search

# -- Rails -----------------------------------------------------------------------------------------------------------

_DELIVERED: Final = re.compile(r"Delivered mail (\S{3,998}@\S{1,255}) \(\d{1,9}(?:\.\d{1,9})?ms\)\s*$").search
_FAILED: Final = re.compile(
    r"Failed delivery of mail (\S{3,998}@\S{1,255}) error_class=([\w:]{1,200}) error_message=\"?"
).search


def rails(text: str) -> Said | None:
    """ActionMailer's log subscriber. Its older `Sent mail to …` names no mail."""
    if "elivery of mail " not in text and "Delivered mail " not in text:
        return None
    if (found := _DELIVERED(text)) and not quotes(text[: found.start()]):
        return Said((), own_message_id(found[1])) if own_message_id(found[1]) else None
    if (found := _FAILED(text)) and not quotes(text[: found.start()]):
        return _failed(own_message_id(found[1]), found[2], text[found.end() :].rstrip().removesuffix('"'))
    return None


def _failed(message_id: str, error: str, message: str) -> Said:
    said = api_error(f"{error}: {message}") or refused(f"{error}: {message}") or faulty(message)
    attempts = said.attempts if said else (fault(f"{error}: {message}", _RUBY.get(error)),)
    return Said(attempts, message_id)


_RUBY: Final = {
    "Net::OpenTimeout": Cause.UNREACHABLE,
    "Net::ReadTimeout": Cause.TIMEOUT,
    "Errno::ECONNREFUSED": Cause.UNREACHABLE,
    "Errno::ECONNRESET": Cause.UNREACHABLE,
    "SocketError": Cause.UNREACHABLE,
    "EOFError": Cause.UNREACHABLE,
    "OpenSSL::SSL::SSLError": Cause.UNREACHABLE,
}
