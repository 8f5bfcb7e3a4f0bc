"""A refusal by SES in a line of text, as mail clients of all languages print it.

Decides where the server's reply begins and ends: smtplib's `SMTPDataError: (454, b'…')`, JavaMail's
`SMTPSendFailedException: 554 …`, Ruby's `Net::SMTPServerBusy: 454 …`, Symfony's `got code "554", with message "…"`,
PHPMailer's `Detail: … SMTP code: 554`, Go's `454 "…"`. It needs SES's own words or a mail client's exception: three
digits and some text are no reply.
"""

from __future__ import annotations

import re
from typing import Final

from service.parsing.addresses import address
from service.parsing.applications.accepted import message_id_in, recipients_in
from service.parsing.applications.said import Attempt, Said, reply_attempt
from service.parsing.applications.words import identifying, introduces, quotes

# How SES's replies go on after their code (FACTS section 3). Nobody else writes these.
_SES_REPLY: Final = re.compile(
    r"(?<![\w.])([45]\d\d)[ -]\"?(?:[245]\.\d{1,3}\.\d{1,3} )?"
    r"(?:throttling failure|temporary (?:service|authentication) failure|message rejected|transaction failed|"
    r"access denied: user|authentication (?:credentials invalid|required)|account not subscribed|"
    r"invalid (?:mail from|rcpt to) address|message is too long|too many concurrent smtp|timeout waiting for data|"
    r"<[^<>]{0,320}> (?:invalid email address|address unknown))",
    re.IGNORECASE,
).search
_TUPLE: Final = re.compile(
    r"\(([45]\d\d), (?:b?'((?:[^'\\]|\\.){0,2000}+)'|b?\"((?:[^\"\\]|\\.){0,2000}+)\")", re.DOTALL
)
_ONE_RECIPIENT: Final = re.compile(
    r"['\"]([^'\"\s]{1,320}@[^'\"\s]{1,255})['\"]: \(([45]\d\d), b?(['\"])((?:[^'\"\\]|\\.){0,2000}+)\3\)", re.DOTALL
)
# What clients call it. After these, whatever reply comes is the server's.
_THROWN: Final = re.compile(
    r"(?<!\w)(?:"
    r"SMTP(?:Data|Connect|Helo|Authentication)Error|SMTPSenderRefused|SMTPResponseException|SMTPRecipients?Refused"
    r"|SMTP(?:Send|Address|Sender)FailedException|AuthenticationFailedException|SendFailedException"
    r"|Net::SMTP(?:ServerBusy|FatalError|SyntaxError|AuthenticationError|UnknownError)"
    r"|SmtpException|SmtpCommandException|SmtpFailedRecipientException"
    r"|Message failed|Invalid login|(?:Mail|Recipient|Data) command failed|all recipients were rejected"
    r"|(?:DATA END|RCPT TO|MAIL FROM|AUTH) command failed"
    r"|[Ee]xpected response code [\"\d/ ]{1,32}but got code \"\d{3}\", with message \""
    r"|(?:closing SMTP DATA writer|sending SMTP (?:RCPT TO|MAIL FROM|DATA) command|could not send email \d{1,4})"
    r")[:;( ]{0,3}"
).search
_PLAIN: Final = re.compile(r"\"?([45]\d\d)[ -]\"?(?=\S)").match
_CODE_BEHIND: Final = re.compile(r"SMTP code: ([45]\d\d)").search
_THROWN_BEHIND: Final = re.compile(r" \(Net::SMTP\w{1,40}\)").search
# Where a client or a logger goes on after the reply.
_TAIL: Final = re.compile(
    r"\sat (?:async )?[\w.$<>\[\]/]{1,200} ?\(|\\r|\\n|[\r\n]|\"[.,]?(?:\s|\"|$)|',\s*$"
    r"|; (?:nested exception|message exceptions)| \(Net::SMTP|, affected (?:message|recipient)"
    r"|\s\{\s|\sCaused by: |\s\.\.\. \d|\sfrom /"
).search


def is_ses_reply(text: str) -> bool:
    """Whether a text begins as only SES's refusals do."""
    found = _SES_REPLY(text)
    return found is not None and not found.start()


def refused(text: str) -> Said | None:
    """The refusal that the line tells of; None where it tells of none."""
    thrown = _THROWN(text)
    if thrown and "Refused" in thrown[0] and (each := _each_recipient(text)):
        return None if quotes(text[: thrown.start()]) else Said(each)
    if behind := _CODE_BEHIND(text):
        return _coded_behind(text, behind)
    reply = _TUPLE.search(text)
    if reply and (thrown or _stands_alone(text, reply)):
        start = min(reply.start(), thrown.start()) if thrown else reply.start()
        return _refusal(text, start, f"{reply[1]} {_unescaped(reply[2] or reply[3] or '')}")
    if found := _SES_REPLY(text):
        start = min(found.start(), thrown.start()) if thrown else found.start()
        return _refusal(text, start, text[found.start() :])
    if thrown and (found := _PLAIN(text, thrown.end())):
        return _refusal(text, thrown.start(), text[thrown.end() :])
    if thrown_behind := _THROWN_BEHIND(text):
        start = text.rfind(": ", 0, thrown_behind.start())
        return _refusal(text, start, text[start + 2 : thrown_behind.start()]) if start >= 0 else None
    return None


def _each_recipient(text: str) -> tuple[Attempt, ...]:
    """Smtplib's `{'a@b': (501, b'…'), …}`."""
    found = (
        reply_attempt(f"{one[2]} {_unescaped(one[4])}", (address(one[1]),)) for one in _ONE_RECIPIENT.finditer(text)
    )
    return tuple(attempt for attempt in found if attempt)


def _coded_behind(text: str, code: re.Match[str]) -> Said | None:
    """PHPMailer's `DATA END command failed Detail: Throttling failure: …  SMTP code: 454`."""
    start = text.rfind("Detail: ", 0, code.start())
    reply = text[start + len("Detail: ") : code.start()] if start >= 0 else ""
    return _refusal(text, max(start, 0), f"{code[1]} {reply.strip()}")


def _stands_alone(text: str, reply: re.Match[str]) -> bool:
    """`(454, b'…')` alone or after `data:` is smtplib's; anywhere else it needs the exception's name."""
    return introduces(text[: reply.start()]) and text[reply.end() :].strip() in {")", "))"}


def _refusal(text: str, start: int, reply: str) -> Said | None:
    before = text[:start]
    if quotes(before):
        return None
    reply = reply.removeprefix('"')
    cut = _TAIL(reply)
    reply = (reply[: cut.start()] if cut else reply).replace('"', "").rstrip().removesuffix("):")
    if reply.endswith(")") and reply.count("(") < reply.count(")"):
        reply = reply[:-1]  # Ruby's: Net::SMTPServerBusy (454 …)
    attempt = reply_attempt(reply, recipients_in(before))
    if attempt is None:
        return None
    return Said((attempt,), message_id_in(before) or _affected(text), essence=identifying(before))


def _affected(text: str) -> str:
    """go-mail's `affected message ID: <…>` comes after the reply."""
    at = text.find("affected message ID: ")
    return message_id_in(text[at:]) if at >= 0 else ""


def _unescaped(text: str) -> str:
    return re.sub(r"\\(?:([rn])|(.))", lambda escape: " " if escape[1] else escape[2], text, flags=re.DOTALL).strip()
