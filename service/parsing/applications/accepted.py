"""SES's `250 Ok <id>` in a line of text, as mail clients of all languages print it.

Decides whether the line is that reply: smtplib's `reply: b'250 Ok …'` and `data: (250, b'Ok …')`, JavaMail's bare line,
PHPMailer's `SERVER -> CLIENT: 250 Ok …`, Nodemailer's `S: 250 Ok …`, an application's own `Message sent: 250 Ok …`. A
line that quotes the reply within other words says nothing.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from service.parsing.addresses import address
from service.parsing.applications.names import SES_ID, own_message_id
from service.parsing.applications.said import Attempt, End, Said
from service.parsing.applications.words import introduces

_ACCEPTED: Final = re.compile(
    rf"""(?:\b250[ -]"?|\(250,\ b?['"]|\(250\);\ Msg:\ b?['"]|['"]|:\ |^)Ok\ ({SES_ID})(?![\w-])""", re.VERBOSE
).search
# What smtplib prints of the answer to the mail itself; other lines with `250 Ok` answer MAIL FROM.
_WITHOUT_ID: Final = re.compile(r"(?:\d\d:\d\d:\d\d\.\d{1,9} )?data: \(250, b?'Ok\.?'\)").fullmatch
_XML: Final = re.compile(rf"<Send\w{{0,20}}EmailResult>\s{{0,20}}<MessageId>({SES_ID})</MessageId>").search
_RECIPIENTS: Final = re.compile(
    r"\b(?:to|for|recipients?)[:= ]+(<?[^\s<>,;\"']{1,320}@[^\s<>;\"']{1,255}[^\"']{0,2000})"
).search
_ADDRESS: Final = re.compile(r"(?:, ?| and |^)<?([^\s<>,;\"'@]{1,255}@[^\s<>,;\"'@]{1,255})>?").match
_NAMED: Final = re.compile(
    r"\b(?:message|mail|id)(?:[-_ ]?id)?[:= ]{1,3}<([^\s<>]{1,900}@[^\s<>]{1,255})>", re.IGNORECASE
).search


def accepted(text: str) -> Said | None:
    """The acceptance that the line is; None where it is anything else."""
    if found := _XML(text):
        before = text[: found.start()].partition("<")[0]
        return Said((Attempt(End.ACCEPTED, found[1], ses_id=found[1]),)) if introduces(before) else None
    found = _ACCEPTED(text) if "Ok " in text else None
    if found is None:
        return Said((Attempt(End.UNCONFIRMED, "250 Ok"),)) if _WITHOUT_ID(text) else None
    before, after = text[: found.start()], text[found.end() :].replace("\\r", "").replace("\\n", "")
    after = _without_context(after)
    if not (introduces(before) and introduces(after)):
        return None
    to = recipients_in(before) or recipients_in(after)
    attempt = Attempt(End.ACCEPTED, f"250 Ok {found[1]}", ses_id=found[1], recipients=to)
    return Said((attempt,), message_id_in(before) or message_id_in(after))


def _without_context(after: str) -> str:
    """What follows the reply, without the fields that winston and Monolog write behind a message: ` {"a":"b"} []`."""
    context = after.strip().rstrip("[] ")
    if not context.startswith('{"'):
        return "" if context in {"", "{}"} else after
    try:
        orjson.loads(context)
    except orjson.JSONDecodeError:
        return after
    return ""


def recipients_in(text: str) -> tuple[str, ...]:
    """The addresses after a `to`."""
    found = _RECIPIENTS(text)
    addresses, rest = [], found[1] if found else ""
    while part := _ADDRESS(rest):
        addresses.append(address(part[1].rstrip(".:!")))
        rest = rest[part.end() :]
    return tuple(addresses)


def message_id_in(text: str) -> str:
    """The application's Message-ID in brackets, after words that say that it is one."""
    found = _NAMED(text)
    return own_message_id(found[1]) if found else ""
