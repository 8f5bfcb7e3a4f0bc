"""What the named fields of a structured log entry, or of a printed object, say about a mail.

Decides what holds where fields say several things: an acceptance before a refusal, a field that is the reply before a
text that has one. A Message-ID alone counts where the entry speaks of sending, and not of receiving; three digits and
some text count as a refusal where the entry is about mail, since HTTP has such codes too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from service.facts import Cause
from service.parsing.applications.api import OWN_CODES, OWN_WORDS
from service.parsing.applications.bare_codes import throttled
from service.parsing.applications.credentials import error_in
from service.parsing.applications.faults import NODEMAILER, nodemailer
from service.parsing.applications.fields import (
    ACCEPTED,
    BULK_FAILURE,
    CODES,
    MESSAGE_IDS,
    RECIPIENTS,
    REJECTED,
    REPLIES,
    SES_IDS,
    TELLING,
    TEXTS,
    Field,
    first,
    recipients,
    sender,
    texts,
)
from service.parsing.applications.names import own_message_id, ses_id_of
from service.parsing.applications.network import error_in as network_error_in
from service.parsing.applications.refused import is_ses_reply
from service.parsing.applications.said import Attempt, End, Said, api_attempt, fault, reply_attempt
from service.parsing.applications.words import introduces_failure, tells_of_sending_mail
from service.parsing.replies import API_CODES, api_code

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str], Said | None]

_SENDING: Final = re.compile(
    r"\b(?:sent|send|sends|sending|deliver(?:ed|ing|s)?|delivery|dispatch(?:ed|ing)?|submit(?:ted|ting)?|queued|"
    r"enqueued|handed|smtp|mailer|outbound|outgoing)\b",
    re.IGNORECASE,
).search
_RECEIVING: Final = re.compile(
    r"receiv|inbound|incoming|imap|pop3|fetch|bounce|complain|webhook|spam|milter|notification from|not sen[dt]|skip",
    re.IGNORECASE,
).search
_MAIL: Final = re.compile(r"mail|smtp", re.IGNORECASE).search

# What SES tells the application is not what the application told SES.
_EVENT_TYPES: Final = frozenset(
    "Send Delivery Bounce Complaint Reject Open Click DeliveryDelay Subscription Received".split()  # noqa: SIM905
) | {"Rendering Failure", "AmazonSnsSubscriptionSucceeded"}
_EVENTS: Final = frozenset({"eventtype", "notificationtype"})
_LONGEST_TEXT: Final = 64 * 1024
_LONGEST_TELLING: Final = 500


def said_by_fields(fields: list[Field], read: Reader, *, meant: bool = True) -> Said | None:
    """What the fields say; `read` understands a text. Not `meant`: they may be quoted, and so prove no acceptance."""
    if any(text in _EVENT_TYPES for text in texts(fields, _EVENTS.__contains__)):
        return None
    message_id = first(own_message_id(text) for text in texts(fields, lambda name: name.endswith(MESSAGE_IDS)))
    refused, bulk = _refused(fields, message_id), _bulk(fields)
    attempts = _accepted(fields, message_id) if meant else []
    by_text = None if attempts or refused or bulk else _by_text(fields, read, meant=meant)
    if attempts:
        attempts += bulk or _rejected(fields, refused)
    else:
        attempts = refused[:1] or bulk or list(by_text.attempts if by_text else ()) or _taken_apart(fields)
    by_text = by_text or Said()
    message_id = message_id or by_text.message_id
    if not attempts and not (message_id and meant and _is_sent(fields)):
        return None
    refused_to = () if any(attempt.end is End.ACCEPTED for attempt in attempts) else recipients(fields, REJECTED)
    to = refused_to or recipients(fields, ACCEPTED) or recipients(fields, RECIPIENTS) or by_text.recipients
    filled = tuple(attempt if attempt.recipients else replace(attempt, recipients=to) for attempt in attempts)
    return Said(filled, message_id, sender(fields) or by_text.sender, to, by_text.essence)


# -- replies ---------------------------------------------------------------------------------------------------------


def _accepted(fields: list[Field], message_id: str) -> list[Attempt]:
    """One acceptance an SES id, whichever fields hold it. Without an id, `250 Ok` may answer MAIL FROM as well."""
    found: dict[str, Attempt] = {}
    tells = _tells_of_sending(telling(fields))
    for field in fields:
        is_reply = field.name.endswith(REPLIES)
        text = _reply_text(field.value)
        attempt = reply_attempt(text) if is_reply else None
        if attempt and attempt.end in {End.ACCEPTED, End.UNCONFIRMED}:
            found.setdefault(attempt.ses_id, attempt)
        elif (ses_id := ses_id_of(text)) and tells and (field.name == "id" or field.name.endswith(SES_IDS)):
            found.setdefault(ses_id, Attempt(End.ACCEPTED, text, ses_id=ses_id))
    unconfirmed = found.pop("", None)
    return list(found.values()) or ([unconfirmed] if unconfirmed and message_id else [])


# Whoever handles SES's events, or looks a mail up, names its id as well, and hands nothing over.
_OF_EVENTS: Final = re.compile(
    r"\b(?:events?|webhooks?|bounced?|complain\w*|opened|clicked|ignor\w*|duplicates?|not found|look(?:ed)?[- ]?up|"
    r"feedback|sns|sqs)\b",
    re.IGNORECASE,
).search
# These are said of sending too, but then with the word itself.
_MAY_BE_OF_EVENTS: Final = re.compile(
    r"\b(?:delivered|delivery|notifications?|status|updat\w*|track\w*|get|found|open|click)\b", re.IGNORECASE
).search
_SENT: Final = re.compile(r"\b(?:sent|sends?|sending)\b", re.IGNORECASE).search


def _tells_of_sending(telling: str) -> bool:
    """Whether an entry with an SES id may tell of the hand-off; it need not say so in words."""
    if _RECEIVING(telling) or _OF_EVENTS(telling):
        return False
    return not _MAY_BE_OF_EVENTS(telling) or _SENT(telling) is not None


def _bulk(fields: list[Field]) -> list[Attempt]:
    """The mails of a bulk call that were refused, each one of its own."""
    failed = dict.fromkeys(field.value for field in fields if field.name == BULK_FAILURE)
    known = [(status, why) for status, why in failed if _is_of_ses(api_code(status), why)]
    return [replace(api_attempt(status, why), entry=f"{number}") for number, (status, why) in enumerate(known, 1)]


def _is_of_ses(code: str, message: str) -> bool:
    return code in OWN_CODES or (code in API_CODES and OWN_WORDS(message) is not None)


def _reply_text(value: Any) -> str:
    """A reply as text; smtplib's pair of code and text too."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):  # noqa: PLR2004 -- a pair
        value = f"{value[0]} {value[1]}"
    return value.strip().strip("'\"").removesuffix("\\r\\n").strip() if isinstance(value, str) else ""


def _refused(fields: list[Field], message_id: str) -> list[Attempt]:
    replies = [_reply_text(field.value) for field in fields if field.name.endswith(REPLIES)]
    found = [(text, attempt) for text in replies if text and (attempt := reply_attempt(text))]
    refused = [(text, attempt) for text, attempt in found if attempt.end in {End.DEFERRED, End.REFUSED}]
    if not refused or message_id or _mails(fields):
        return [attempt for _, attempt in refused]
    return [attempt for text, attempt in refused if is_ses_reply(text)]


def _mails(fields: list[Field]) -> bool:
    """Whether the entry is about mail at all."""
    return _MAIL(telling(fields)) is not None or any(_MAIL(field.name) or field.name in REJECTED for field in fields)


def _rejected(fields: list[Field], refused: list[Attempt]) -> list[Attempt]:
    """The recipients that the server did not take, beside those that it took."""
    rejected = recipients(fields, REJECTED)
    if not rejected:
        return []
    why = refused[0] if refused else fault("rejected", Cause.OTHER_REFUSAL)
    return [replace(why, recipients=rejected)]


# -- texts and errors ------------------------------------------------------------------------------------------------


def _by_text(fields: list[Field], read: Reader, *, meant: bool) -> Said | None:
    """The first text that says something, in the order of `TEXTS`."""
    for name in TEXTS:
        for text in texts(fields, name.__eq__):
            said = read_lines(text, read)
            if said and (meant or not said.accepts) and (name not in _WORDS or is_own(said, fields, text)):
                return said
    return None


_WORDS: Final = frozenset({"message", "msg", "event"})
_OF_USERS: Final = re.compile(
    r"receiv|\b(?:forms?|contact|comments?|tickets?|reviews?|chat|search|inputs?|support|posted)\b", re.IGNORECASE
).search


def is_own(said: Said, fields: list[Field], text: str) -> bool:
    """Whether what `text` says is the entry's own word. Beside another text it may be what a user typed."""
    others = [other for other in texts(fields, _WORDS.__contains__) if not other.endswith(text)]
    beside = " ".join(other[:_LONGEST_TELLING] for other in others)
    if said.attempts and not said.accepts:
        return not _OF_USERS(beside)
    about_mail = _SENDING(beside) is not None or _MAIL(beside) is not None
    return not beside or (about_mail and not _RECEIVING(beside))


def read_lines(text: str, read: Reader) -> Said | None:
    """What the first line of `text` that says something says; an indented line continues the one before it."""
    text = text[:_LONGEST_TEXT].replace("\r", "").replace("\n ", "  ").replace("\n\t", "  ")
    return next(filter(None, (read(line) for line in text.split("\n") if line)), None)


def _taken_apart(fields: list[Field]) -> list[Attempt]:
    """A library's error object, in which no text says all."""
    found = (_api_error(fields), _nodemailer(fields), _unsigned(fields), _nameless(fields))
    return [attempt for attempt in found if attempt][:1]


def _api_error(fields: list[Field]) -> Attempt | None:
    """An SDK's: its code in one field, its message in another."""
    message = first(texts(fields, frozenset({"message", "errormessage", "error", "value"}).__contains__))
    for field in fields:
        if field.name not in CODES or not isinstance(field.value, str):
            continue
        key = api_code(field.value)
        told = OWN_WORDS(message) is not None or _names_ses(fields)
        own = key in OWN_CODES and (field.name not in _OF_ANYBODY or _mails(fields) or _is_sdks(fields))
        if own or (key in API_CODES and told):
            return api_attempt(field.value, message)
    return None


_OF_ANYBODY: Final = frozenset({"name", "type", "status"})
"""Codes that may as well be a user's, who must not page anybody by calling himself AccountSuspendedException."""
_SDKS: Final = frozenset({"fault", "metadata", "retryable", "httpstatuscode", "responsemetadata"})


def _is_sdks(fields: list[Field]) -> bool:
    return any(field.name in _SDKS for field in fields)


_LEVELS: Final = frozenset({"level", "severity", "levelname", "loglevel", "lvl"})
_CALM: Final = frozenset({"info", "debug", "trace", "notice", "information", "fine"})
_CALM_NUMBERS: Final = frozenset({10, 20, 30})  # bunyan's and pino's


def _is_calm(fields: list[Field]) -> bool:
    """Whether a logger's level says that nothing failed."""
    levels = [field.value for field in fields if field.name in _LEVELS]
    return any(
        str(level).lower() in _CALM or level in _CALM_NUMBERS for level in levels if isinstance(level, str | int)
    )


_NAMES: Final = frozenset({"ses.amazonaws.com", "ses", "sesv2", "sesserviceexception"})


def _names_ses(fields: list[Field]) -> bool:
    return any(text.lower() in _NAMES for text in texts(fields, lambda _: True))


def _nodemailer(fields: list[Field]) -> Attempt | None:
    """Nodemailer's: `code` and `command` are its own."""
    if not first(texts(fields, "command".__eq__)):
        return None
    for code in texts(fields, "code".__eq__):
        if code in NODEMAILER:
            message = first(texts(fields, frozenset({"message", "stack"}).__contains__)) or code
            return fault(message.partition("\n")[0], nodemailer(code, message))
    return None


def _unsigned(fields: list[Field]) -> Attempt | None:
    """An SDK's that found no credentials, or those that AWS does not know, beside words of sending mail."""
    if not (_is_sent(fields) and _MAIL(telling(fields))) or _is_calm(fields):
        return None
    return next(filter(None, map(error_in, _errors(fields))), None)


def _nameless(fields: list[Field]) -> Attempt | None:
    """An error of the network, or AWS's for too many calls, beside words that say that a mail was not sent.

    All of these must be known ones: a mailer speaks with other servers as well, about a mail's status for one.
    """
    words = texts(fields, _WORDS.__contains__)
    if not any(tells_of_sending_mail(text) and introduces_failure(text) for text in words) or _is_calm(fields):
        return None
    by_network = next(filter(None, map(network_error_in, texts(fields, TEXTS.__contains__))), None)
    return by_network or next(filter(None, map(throttled, _errors(fields))), None)


def _errors(fields: list[Field]) -> list[str]:
    return list(texts(fields, lambda name: name in CODES or (name in TEXTS and name not in _WORDS)))


# -- sent, or received -----------------------------------------------------------------------------------------------


def telling(fields: list[Field]) -> str:
    """What an entry says in words of what it is about."""
    return " ".join(text[:_LONGEST_TELLING] for text in texts(fields, TELLING.__contains__)).replace("_", " ")


def _is_sent(fields: list[Field]) -> bool:
    said = telling(fields)
    return _SENDING(said) is not None and not _RECEIVING(said)
