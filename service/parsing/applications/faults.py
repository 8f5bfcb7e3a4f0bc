"""A hand-off that failed without any reply: no connection, a broken one, no answer in time, a wrong password.

Decides by what mail clients themselves write, or by a network fault in a line that names an SES endpoint. A timeout or
a refused connection alone says nothing of mail. Lost after the end of the data means that SES may have the mail.
"""

from __future__ import annotations

import re
from typing import Final

from service.facts import Cause
from service.parsing.addresses import address
from service.parsing.applications.accepted import message_id_in, recipients_in
from service.parsing.applications.said import Said, fault
from service.parsing.applications.words import identifying, quotes
from service.parsing.replies import cause_of

FAULTS: Final[tuple[tuple[re.Pattern[str], Cause | None], ...]] = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        # The whole mail was written, and no answer came.
        (r"DATA END command failed|closing SMTP DATA writer: ", Cause.AMBIGUOUS),
        # PHPMailer
        (r"SMTP Error: Could not authenticate", Cause.AUTH_FAILED),
        (r"SMTP Error: (?:Could not connect to SMTP host|SMTP connect\(\) failed)|SMTP connect\(\) failed",
         Cause.UNREACHABLE),
        (r"SMTP Error: (?:[Dd]ata not accepted|DATA command not accepted)", Cause.OTHER_REFUSAL),
        (r"SMTP Error: The following recipients failed: ", Cause.BAD_ADDRESS),
        (r"SMTP Error: The following From address failed: ", None),
        # smtplib and aiosmtplib
        # "please run connect() first" is what closing the lost connection adds.
        (r"(?<!\w)(?<!raise )(?<!raise smtplib\.)SMTPServerDisconnected(?:: |\()(?!['\"]?please run connect)",
         Cause.UNREACHABLE),
        (r"(?<!\w)(?<!raise )SMTPConnect(?:Timeout)?Error(?:: |\()", Cause.UNREACHABLE),
        (r"(?<!\w)SMTP(?:Read)?TimeoutError(?:: |\()", Cause.TIMEOUT),
        # JavaMail
        (r"(?<!\w)(?:MailConnectException|SocketConnectException): ", Cause.UNREACHABLE),
        (r"MessagingException: (?:Could not connect to|Can't send command to|Got bad greeting from|Unknown) SMTP host",
         Cause.UNREACHABLE),
        (r"MessagingException: (?:Could not convert socket to TLS|\[EOF\])", Cause.UNREACHABLE),
        (r"MessagingException: Exception reading response", None),
        # Symfony Mailer and SwiftMailer
        (r"Connection could not be established with host |Connection to \"[^\"\s]{1,300}\" has been closed unexpect",
         Cause.UNREACHABLE),
        (r"Connection to (?:\"[^\"\s]{1,300}\"|\S{1,300}) [Tt]imed [Oo]ut", Cause.TIMEOUT),
        (r"Failed to authenticate on SMTP server with username", Cause.AUTH_FAILED),
        # gomail
        (r"gomail: could not send email \d{1,4}: EOF", Cause.UNREACHABLE),
        (r"gomail: could not send email \d{1,4}: ", None),
    )
)  # fmt: skip
# Nodemailer's codes for what has no reply; its error objects hold them beside a `command`.
NODEMAILER: Final = {
    "ECONNECTION": Cause.UNREACHABLE,
    "ETIMEDOUT": Cause.TIMEOUT,
    "ESOCKET": Cause.UNREACHABLE,
    "EDNS": Cause.UNREACHABLE,
    "EENVELOPE": Cause.BAD_ADDRESS,
    "ETLS": Cause.UNREACHABLE,
    "EAUTH": Cause.AUTH_FAILED,
    "EPROTOCOL": Cause.OTHER_REFUSAL,
}


def nodemailer(code: str, message: str) -> Cause:
    """What Nodemailer's code stands for; one of them is for connections that were never made, too."""
    return Cause.UNREACHABLE if code == "ETIMEDOUT" and "Connection timeout" in message else NODEMAILER[code]


_NODEMAILER: Final = re.compile(rf"\bcode: '({'|'.join(NODEMAILER)})'(?=.{{0,400}}\bcommand: ')", re.DOTALL).search
# What each of all these holds, so that most lines are done with at once.
_HINTS: Final = ("SMTP", "MailConnect", "SocketConnect", "Messaging", "Connection ", "gomail", "code: '", "amazonaws")
_ENDPOINT: Final = re.compile(
    r"\bemail(?:-smtp)?(?:-fips)?\.[a-z0-9-]{4,32}\.(?:vpce\.)?amazonaws\.com", re.IGNORECASE
).search
_WRONG: Final = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})
_READ_TIMEOUT: Final = re.compile(
    r"[Rr]ead timeout on endpoint|Read timed out|request canceled.{0,80}awaiting headers"
).search
_FAILED: Final = re.compile(
    r"error|exception|fail|refused|timed?[ -]?out|timeout|deadline|unreachable|no such host|could not|cannot|unable|"
    r"enotfound",
    re.IGNORECASE,
).search
_TRACE: Final = re.compile(r"\sat (?:async )?[\w.$<>\[\]/]{1,200} ?\(").search
_LONGEST: Final = 2000


def faulty(text: str) -> Said | None:
    """The fault that the line tells of; None where it tells of none, or of none that concerns a mail."""
    text = text[:_LONGEST]
    if not any(word in text for word in _HINTS):
        return None
    for pattern, cause in FAULTS:
        if found := pattern.search(text):
            return _said(text, found.start(), cause)
    if printed := _NODEMAILER(text):
        return _said(text, 0, nodemailer(printed[1], text))
    if _ENDPOINT(text) and _FAILED(text):
        cause = Cause.AMBIGUOUS if _READ_TIMEOUT(text) else cause_of(_without_trace(text))
        return _said(text, 0, cause) if cause in _WRONG or cause is Cause.AMBIGUOUS else None
    return None


def _said(text: str, start: int, cause: Cause | None) -> Said | None:
    before = text[:start]
    if quotes(before):
        return None
    account = _without_trace(text[start:])
    by_text = cause_of(account) if cause is None else cause
    to = recipients_in(before) or recipients_in(account) or _failed_recipients(account)
    return Said((fault(account, by_text, to),), message_id_in(text), essence=identifying(before))


def _failed_recipients(account: str) -> tuple[str, ...]:
    """PHPMailer's `The following recipients failed: a@b: Invalid RCPT TO …`."""
    if "The following recipients failed: " not in account:
        return ()
    return tuple(address(to) for to in _FAILED_TO.findall(account))


_FAILED_TO: Final = re.compile(r"(?:failed: |\s|,)([^\s:,<>]{1,255}@[^\s:,<>]{1,255})(?=:|,|\s|$)")


def _without_trace(text: str) -> str:
    cut = _TRACE(text)
    return (text[: cut.start()] if cut else text).strip()
