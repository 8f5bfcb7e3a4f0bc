"""Named fields of a structured log entry or a printed object: which name means what.

Decides by their names which field holds SES's reply, the application's Message-ID, the id that SendEmail returned, the
sender and the recipients; another library is another name in a table. A field that is not named here is never looked
into: subjects and bodies are other people's words.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.parsing.addresses import address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# All in plain form: letters and digits, in lower case.
REPLIES: Final = ("response", "reply", "result", "answer", "smtpmessage", "smtpmsg", "smtpstatus")
"""Ends of names."""
MESSAGE_IDS: Final = ("messageid", "msgid", "mailid", "emailid", "rfc822id")
"""Ends of names. Their values are Message-IDs or, from an SES call, SES ids."""
SES_IDS: Final = (*MESSAGE_IDS, *REPLIES, "sesid", "providerid", "externalid", "awsid")
"""Ends of names; and `id` itself."""
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
ACCEPTED: Final = frozenset({"accepted"})
REJECTED: Final = frozenset({"rejected"})
TEXTS: Final = (
    *("excvalue", "message", "msg", "event", "value", "error", "err", "errormessage", "errmsg", "errorinfo", "reason"),
    *("cause", "detail", "details", "exception", "excinfo", "throwable", "stack", "stacktrace", "errorstack"),
    *("errorstacktrace", "errorverbose", "log", "shortmessage", "fullmessage", "m", "mt"),  # the last are Serilog's
)
"""Texts in which a library puts a reply or an error, in the order in which they are looked into."""
CODES: Final = frozenset("code errorcode name type exctype errortype status".split())  # noqa: SIM905 -- words
BULK_FAILURE: Final = "<bulk failure>"
"""No field's name: a status and an error that stand side by side."""
TELLING: Final = frozenset(
    (  # noqa: SIM905 -- words
        "message msg m mt event action operation type name logger loggername component tnx function status state"
    ).split()
)
"""Where an entry says in words what it is about."""

# What an exception's class and text are called, wherever a logger takes an exception apart.
_CLASSES: Final = ("type", "exctype", "class", "exceptionclass", "errorclass", "name")
_CLASS_TEXTS: Final = ("message", "value", "excvalue", "exceptionmessage", "errormessage")
_NOT_OURS: Final = frozenset({"frames", "locals", "headers", "tags", "kubernetes", "httpheaders"})

_MOST_FIELDS: Final = 2000
_DEEPEST: Final = 8
_MOST_ITEMS: Final = 1000


class Field(NamedTuple):
    """A name in plain form and its value: a text, a number or a list."""

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
            own = [Field(plain(key), value) for key, value in islice(each.items(), _MOST_FIELDS)]
            found += own
            found += _exception(own)
            found += _bulk_failure(own)
            if len(found) > _MOST_FIELDS:
                return found[:_MOST_FIELDS]
            below += [inner for name, value in own if name not in _NOT_OURS for inner in _objects(value)]
        level = below
    return found


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value[:100] if isinstance(each, dict))


def _exception(fields: list[Field]) -> Iterator[Field]:
    """An exception that was taken apart, put together again: `SMTPDataError: (454, …)`."""
    known = {name: value for name, value in fields if isinstance(value, str)}
    kind = first(known.get(name, "") for name in _CLASSES)
    text = first(known.get(name, "") for name in _CLASS_TEXTS)
    if kind and text and " " not in kind:
        yield Field("excvalue", f"{kind}: {text}")


def _bulk_failure(fields: list[Field]) -> Iterator[Field]:
    """What a bulk call says of one mail: `{"Status": "MESSAGE_REJECTED", "Error": "…"}`."""
    known = {name: value for name, value in fields if isinstance(value, str)}
    if "status" in known and "error" in known:
        yield Field(BULK_FAILURE, (known["status"], known["error"]))


def texts(fields: list[Field], is_named: Callable[[str], bool]) -> Iterator[str]:
    """The values that are texts, of the fields whose names satisfy `is_named`."""
    return (field.value for field in fields if isinstance(field.value, str) and is_named(field.name))


def first(found: Iterator[str]) -> str:
    """The first that is not empty."""
    return next((text for text in found if text), "")


def sender(fields: list[Field]) -> str:
    """The first field that holds the sender's address."""
    return first(_address(text) for text in texts(fields, SENDERS.__contains__))


def recipients(fields: list[Field], names: frozenset[str]) -> tuple[str, ...]:
    """The addresses in the first field of these names that holds some."""
    return next((found for field in fields if field.name in names and (found := addresses(field.value))), ())


def addresses(value: Any) -> tuple[str, ...]:
    """The addresses in a text, a list of texts, or Nodemailer's `{name, address}`; each once."""
    each = value if isinstance(value, list) else [value]
    found = [
        item.get("address") or item.get("email") if isinstance(item, dict) else item for item in each[:_MOST_ITEMS]
    ]
    split = [part for text in found if isinstance(text, str) for part in re.split(r"[,;](?=\s*\S+@)", text)]
    return tuple(dict.fromkeys(one for part in split if (one := _address(part.strip("'\" ")))))


def _address(text: str) -> str:
    found = address(text[:2000])
    return found if _IS_ADDRESS(found) else ""


_IS_ADDRESS: Final = re.compile(r"(?:[^\s@]{1,255}|\"[^\"]{1,255}\")@[^\s@<>,]{1,255}").fullmatch
