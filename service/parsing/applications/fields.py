"""Named fields of a structured log entry or a printed object, and what they say about a mail.

Decides by their names which field holds SES's reply, the application's Message-ID, the id that SendEmail returned, the
sender and the recipients; another library is another name in a table. A field that is not named there is never looked
into: subjects and bodies are other people's words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.facts import Cause
from service.parsing.addresses import address
from service.parsing.applications.api import OWN_CODES, OWN_WORDS
from service.parsing.applications.faults import NODEMAILER
from service.parsing.applications.names import own_message_id, ses_id_of
from service.parsing.applications.said import Attempt, End, Said, api_attempt, fault, reply_attempt
from service.parsing.replies import API_CODES, api_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# In plain form: letters and digits, in lower case.
REPLIES: Final = ("response", "reply", "result", "answer", "smtpmessage", "smtpmsg", "smtpstatus")
"""Ends of names."""
MESSAGE_IDS: Final = ("messageid", "msgid", "mailid", "emailid", "rfc822id")
"""Ends of names. Their values are Message-IDs or, from an SES call, SES ids."""
SENDERS: Final = frozenset(
    (  # noqa: SIM905 -- words
        "from sender mailfrom envelopefrom source fromaddress fromemailaddress smtpfrom returnpath emailfrom"
    ).split()
)
RECIPIENTS: Final = frozenset(
    (  # noqa: SIM905 -- words
        "to recipient recipients rcpt rcptto rcpts mailto toaddress toaddresses destination destinations "
        "envelopeto smtpto emailto toemail recipientemail recipientaddress"
    ).split()
)
TEXTS: Final = (
    *("excvalue", "message", "msg", "event", "value", "error", "err", "errormessage", "errmsg", "errorinfo", "reason"),
    *("cause", "detail", "details", "exception", "excinfo", "throwable", "stack", "stacktrace", "errorstack"),
    *("errorstacktrace", "errorverbose", "text", "log", "shortmessage", "fullmessage"),
)
"""Texts in which a library puts a reply or an error, in the order in which they are looked into."""
_CODES: Final = ("code", "errorcode", "name", "type", "exctype", "errortype", "status")
_NOT_OURS: Final = frozenset({"frames", "locals", "headers", "tags", "kubernetes", "httpheaders"})
_EVENTS: Final = frozenset({"eventtype", "notificationtype"})

_SENDING: Final = re.compile(
    r"\b(?:sent|send|sends|sending|deliver(?:ed|ing|s)?|delivery|dispatch(?:ed|ing)?|submit(?:ted|ting)?|queued|"
    r"enqueued|handed|smtp|mailer|outbound|outgoing)\b",
    re.IGNORECASE,
).search
_RECEIVING: Final = re.compile(
    r"receiv|inbound|incoming|imap|pop3|fetch|bounce|complain|webhook|spam|milter|notification from|not sen[dt]|skip",
    re.IGNORECASE,
).search

_MOST_FIELDS: Final = 2000
_DEEPEST: Final = 8
_LONGEST_TEXT: Final = 64 * 1024


class Field(NamedTuple):
    """A name in plain form and its value, a text, a number or a list."""

    name: str
    value: Any


def plain(name: str) -> str:
    """`smtp_response`, `smtpResponse` and `SMTP-Response` are one name; of `mail.message_id` the last part counts."""
    return re.sub(r"[^a-z0-9]", "", name[-64:].rpartition(".")[2].lower())


def document_fields(document: dict[str, Any]) -> list[Field]:
    """All fields of a document, those of objects inside it too; the outer ones first."""
    found: list[Field] = []
    level: list[dict[str, Any]] = [document]
    for _ in range(_DEEPEST):
        below: list[dict[str, Any]] = []
        for each in level:
            for key, value in each.items():
                if len(found) >= _MOST_FIELDS:
                    return found
                name = plain(key)
                found.append(Field(name, value))
                if name not in _NOT_OURS:
                    below += _objects(value)
        level = below
    return found


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value[:100] if isinstance(each, dict))


def said_by_fields(fields: list[Field], read: Callable[[str], Said | None], *, meant: bool = True) -> Said | None:
    """What the fields say; `read` understands a text. Not `meant`: they may be quoted, and so prove no acceptance."""
    if any(field.name in _EVENTS for field in fields):
        return None  # what SES tells, not what the application told SES
    message_id = _first(own_message_id(text) for text in _texts(fields, _is_message_id))
    to = _recipients(fields)
    attempts = [*_accepted(fields, named=bool(message_id))] if meant else []
    refused = _refused(fields)
    by_text = None if attempts or refused else _by_text(fields, read)
    if attempts:
        attempts += _rejected(fields, refused)
    elif by_text is not None:
        message_id = message_id or by_text.message_id
        attempts = [each for each in by_text.attempts if meant or each.end is not End.ACCEPTED]
    attempts = attempts or refused[:1] or [each for each in (_api_error(fields), _nodemailer(fields)) if each][:1]
    if not attempts and not (message_id and meant and _is_sent(fields)):
        return None
    filled = tuple(_for(attempt, to) for attempt in attempts)
    essence = by_text.essence if by_text else ""
    return Said(filled, message_id, _sender(fields), to, essence)


def _for(attempt: Attempt, to: tuple[str, ...]) -> Attempt:
    if attempt.recipients or not to:
        return attempt
    return Attempt(attempt.end, attempt.reply, attempt.cause, attempt.ses_id, to)


# -- replies ---------------------------------------------------------------------------------------------------------


def _is_reply(name: str) -> bool:
    return name.endswith(REPLIES)


def _is_message_id(name: str) -> bool:
    return name.endswith(MESSAGE_IDS)


def _accepted(fields: list[Field], *, named: bool) -> Iterator[Attempt]:
    """One acceptance an SES id, whichever fields hold it. Without an id, `250 Ok` may answer MAIL FROM as well."""
    seen: set[str] = set()
    unconfirmed: list[Attempt] = []
    for field in fields:
        text = _reply_text(field.value)
        attempt = reply_attempt(text) if _is_reply(field.name) else None
        ses_id = ses_id_of(text) if field.name.endswith("id") or _is_reply(field.name) else ""
        if ses_id or (attempt and attempt.end is End.ACCEPTED):
            ses_id = ses_id or (attempt.ses_id if attempt else "")
            if ses_id not in seen:
                seen.add(ses_id)
                yield Attempt(End.ACCEPTED, text, ses_id=ses_id)
        elif attempt and attempt.end is End.UNCONFIRMED:
            unconfirmed.append(attempt)
    if named and not seen:
        yield from unconfirmed[:1]


def _reply_text(value: Any) -> str:
    """A reply as text; smtplib's pair of code and text too."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):  # noqa: PLR2004 -- a pair
        value = f"{value[0]} {value[1]}"
    return value.strip().strip("'\"").removesuffix("\\r\\n").strip() if isinstance(value, str) else ""


def _refused(fields: list[Field]) -> list[Attempt]:
    found = [reply_attempt(_reply_text(field.value)) for field in fields if _is_reply(field.name)]
    return [attempt for attempt in found if attempt and attempt.end in {End.DEFERRED, End.REFUSED}]


def _rejected(fields: list[Field], refused: list[Attempt]) -> list[Attempt]:
    """The recipients that the server did not take, beside those that it took."""
    rejected = _recipients(fields, frozenset({"rejected"}))
    if not rejected:
        return []
    why = refused[0] if refused else fault("rejected", Cause.OTHER_REFUSAL)
    return [Attempt(why.end, why.reply, why.cause, recipients=rejected)]


def _api_error(fields: list[Field]) -> Attempt | None:
    """An SDK's error object: its code in one field, its message in another."""
    message = _first(_texts(fields, frozenset({"message", "excvalue", "errormessage", "error", "value"}).__contains__))
    for code in _texts(fields, _CODES.__contains__):
        key = api_code(code)
        if key in OWN_CODES or (key in API_CODES and (OWN_WORDS(message) or _names_ses(fields))):
            known = _first(
                text for text in _texts(fields, frozenset({"message", "excvalue"}).__contains__) if OWN_WORDS(text)
            )
            return api_attempt(code, known or message)
    return None


def _names_ses(fields: list[Field]) -> bool:
    return any(
        isinstance(field.value, str)
        and field.value.lower() in {"ses.amazonaws.com", "ses", "sesv2", "sesserviceexception"}
        for field in fields
    )


def _nodemailer(fields: list[Field]) -> Attempt | None:
    """Nodemailer's error object: `code` and `command` are its own."""
    if not any(field.name == "command" and isinstance(field.value, str) for field in fields):
        return None
    for code in _texts(fields, frozenset({"code"}).__contains__):
        if code in NODEMAILER:
            message = _first(_texts(fields, frozenset({"message", "stack"}).__contains__)) or code
            return fault(message.partition("\n")[0], NODEMAILER[code])
    return None


def _by_text(fields: list[Field], read: Callable[[str], Said | None]) -> Said | None:
    """The first text that says something, in the order of `TEXTS`."""
    for name in TEXTS:
        for text in _texts(fields, name.__eq__):
            if said := read_lines(text, read):
                return said
    return None


def read_lines(text: str, read: Callable[[str], Said | None]) -> Said | None:
    """What the first line of `text` that says something says; an indented line continues the one before it."""
    text = text[:_LONGEST_TEXT].replace("\r", "").replace("\n ", "  ").replace("\n\t", "  ")
    return _first_said(read(line) for line in text.split("\n") if line)


def _first_said(found: Iterable[Said | None]) -> Said | None:
    return next((said for said in found if said is not None), None)


# -- who and what ----------------------------------------------------------------------------------------------------


def _texts(fields: list[Field], is_named: Callable[[str], Any]) -> Iterator[str]:
    return (field.value for field in fields if is_named(field.name) is True and isinstance(field.value, str))


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _sender(fields: list[Field]) -> str:
    return _first(_address(text) for text in _texts(fields, SENDERS.__contains__))


def _recipients(fields: list[Field], names: frozenset[str] | None = None) -> tuple[str, ...]:
    """Nodemailer's `accepted` is what the server took; else the first field that holds addresses."""
    for wanted in (names,) if names else (frozenset({"accepted"}), RECIPIENTS):
        for field in fields:
            if wanted and field.name in wanted and (found := addresses(field.value)):
                return found
    return ()


def addresses(value: Any) -> tuple[str, ...]:
    """The addresses in a text, a list of texts, or Nodemailer's `{name, address}`; each once."""
    each = value if isinstance(value, list) else [value]
    texts = [item.get("address") or item.get("email") if isinstance(item, dict) else item for item in each[:1000]]
    split = [part for text in texts if isinstance(text, str) for part in re.split(r"[,;](?=\s*\S+@)", text)]
    return tuple(dict.fromkeys(found for part in split if (found := _address(part.strip("'\" ")))))


def _address(text: str) -> str:
    found = address(text[:2000])
    return found if _IS_ADDRESS(found) else ""


_IS_ADDRESS: Final = re.compile(r"[^\s@]{1,255}@[^\s@<>,]{1,255}|\".{1,255}\"@[^\s@<>,]{1,255}").fullmatch


def _is_sent(fields: list[Field]) -> bool:
    """A Message-ID alone counts where the entry speaks of sending, and not of receiving."""
    said = " ".join(text[:500] for text in _texts(fields, _TELLING.__contains__))
    return _SENDING(said.replace("_", " ")) is not None and not _RECEIVING(said)


_TELLING: Final = frozenset(
    (  # noqa: SIM905 -- words
        "message msg event text action operation type name logger loggername component tnx function status state"
    ).split()
)
