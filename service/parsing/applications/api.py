"""Errors of the SES API in a line of text, as the AWS SDKs print them.

Decides which text is one: boto3, the SDKs for Java (1 and 2), JavaScript (2 and 3), Go (1 and 2), PHP, Ruby and .NET
and the command line each write code and message in their own way. A code that every AWS service gives (`AccessDenied`,
`Throttling`) counts only where the line names SES or an operation of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from service.parsing.applications.accepted import message_id_in, recipients_in
from service.parsing.applications.said import Said, api_attempt, fault
from service.parsing.applications.words import identifying, introduces_failure, quotes
from service.parsing.replies import API_CODES, api_code

if TYPE_CHECKING:
    from collections.abc import Callable

_SENDS: Final = r"Send(?:Raw|Templated|BulkTemplated|Bulk)?Email|SendBounce|SendCustomVerificationEmail"
OWN_CODES: Final = frozenset(
    (  # noqa: SIM905 -- words
        "messagerejected mailfromdomainnotverified accountsendingpaused sendingpaused accountsuspended "
        "configurationsetdoesnotexist configurationsetsendingpaused fromemailaddressnotverified"
    ).split()
)
"""Codes that no other service of AWS gives."""
OWN_WORDS: Final = re.compile(
    r"maximum sending rate exceeded|daily message quota exceeded|email address is not verified|"
    r"sending (?:paused|suspended) for this account|ses:Send(?:Raw)?Email",
    re.IGNORECASE,
).search
"""Messages that no other service of AWS gives."""

_BOTO: Final = re.compile(
    rf"An error occurred \(([\w.]{{1,80}})\) when calling the (?:{_SENDS}) operation(?: \([^()]{{0,80}}\))?"
    r"(?:: |[:.]?\s*$)"
).search
_RUBY: Final = re.compile(r"Aws::SES(?:V2)?::Errors::(\w{1,80})(?:: | \(|\s*$)").search
_PHP: Final = re.compile(rf"Error executing \"(?:{_SENDS})\" on ").search
_PHP_CODE: Final = re.compile(r"\b([A-Z]\w{2,80}) \((?:client|server)\): ").search
# The code comes some lines later, which may be records of their own.
_GOES_ON: Final = re.compile(r"response:(?:\s{1,8}<ErrorResponse\b[^<>]{0,200}>?|\s{0,8}\{[^{}]{0,400}\}?)?\s*$").search
_LARAVEL: Final = re.compile(r"Request to AWS SES(?: V2)? API failed\. Reason: ").search
_SYMFONY: Final = re.compile(r"Unable to send an email: (.{1,2000}?) \(code (\w{1,80})\)").search
_GO: Final = re.compile(rf"operation error SES(?:v2)?: (?:{_SENDS}), ", re.IGNORECASE).search
_GO_CODE: Final = re.compile(r"(?:^|, )(?:api error )?(?!RequestID)([A-Z]\w{2,80})(?:: |:?\s*$)").search
_GO_STATUS: Final = re.compile(r"StatusCode: (\d{1,3})").search
_JAVA: Final = re.compile(
    r"\(Service: (?:AmazonSimpleEmailService(?:V2)?|Ses(?:V2)?)[;,] Status Code: (\d{1,3})"
).search
_JAVA_CODE: Final = re.compile(r"Error Code: (\w{1,80})").search
_DOTNET: Final = re.compile(r"Amazon\.SimpleEmail(?:V2)?\.(?:Model\.)?(\w{1,80}Exception)(?:: |\s*$)").search
_ANY_CODE: Final = re.compile(r"(?<![\w:])([\w.$]{1,200}[.$])?([A-Z][A-Za-z]{3,60})\]?(?: \((?:client|server)\))?: ")
_THROWN: Final = re.compile(r"([\w.$]{1,200}Exception): ").search
_TAIL: Final = re.compile(
    r"\sat (?:async )?[\w.$<>\[\]/]{1,200} ?\(|[\r\n]|\\n| \(Service: |\sstatus code: \d"
    r"| -(?: [<{]|\s*$)|\s\{\s|\"\s*$|'\)\s*$"
).search
_LONGEST: Final = 16_000


def api_error(text: str) -> Said | None:
    """The error of a call that should have sent a mail; None where the line tells of none."""
    if ":" not in text and "Email" not in text:
        return None
    text = text[:_LONGEST]
    for reader in _READERS:
        if found := reader(text):
            return found
    return None


def _boto(text: str) -> Said | None:
    found = _BOTO(text)
    return _said(text, found.start(), found[1], text[found.end() :]) if found else None


def _ruby(text: str) -> Said | None:
    found = _RUBY(text)
    if not found:
        return None
    message = text[found.end() :]
    message = message.rpartition(")")[0] if found[0].endswith("(") else message
    return _said(text, found.start(), found[1], "" if message == found[0].rstrip(" (") else message)


def _php(text: str) -> Said | None:
    found = _PHP(text)
    if not found:
        return None
    code = _PHP_CODE(text, found.end())
    if code:
        return _said(text, found.start(), code[1], text[code.end() :])
    return None if _GOES_ON(text, found.end()) else _fault(text, found.start(), text[found.end() :])


def _laravel(text: str) -> Said | None:
    """Laravel's transport gives SES's message without its code."""
    found = _LARAVEL(text)
    return _said(text, found.start(), "", _ENTRY_GOES_ON.sub("", text[found.end() :]).rstrip(".")) if found else None


_ENTRY_GOES_ON: Final = re.compile(r" (?:\{\"|\[\] ?\[\]|\[\]).*$", re.DOTALL)  # Monolog's context


def _symfony(text: str) -> Said | None:
    """Symfony's bridges to other providers say it too, with codes that are not SES's."""
    found = _SYMFONY(text)
    if not found or not (api_code(found[2]) in API_CODES or OWN_WORDS(found[1])):
        return None
    return _said(text, found.start(), found[2] if api_code(found[2]) in API_CODES else "", found[1])


def _go(text: str) -> Said | None:
    found = _GO(text)
    if not found:
        return None
    status = _GO_STATUS(text, found.end())
    code = _GO_CODE(text, status.end() if status else found.end() - 2)
    if code:
        return _said(text, found.start(), code[1], text[code.end() :], int(status[1]) if status else 0)
    return _fault(text, found.start(), text[found.end() :])


def _java(text: str) -> Said | None:
    found = _JAVA(text)
    if not found:
        return None
    named, code = _THROWN(text), _JAVA_CODE(text, found.end())
    start = named.end() if named and named.end() <= found.start() else 0
    name = code[1] if code else named[1] if named and start else ""
    known = api_code(name) in API_CODES
    return _said(text, named.start() if named and start else 0, name if known else "", text[start:], int(found[1]))


def _dotnet(text: str) -> Said | None:
    found = _DOTNET(text)
    return _said(text, found.start(), found[1], text[found.end() :]) if found else None


def _by_code(text: str) -> Said | None:
    """JavaScript and Go 1 write no more than `MessageRejected: …`; Node `Error [MessageRejected]: …`."""
    for found in _ANY_CODE.finditer(text):
        code = api_code(found[2])
        own = code in OWN_CODES and is_of_aws(found[1] or "")
        if own or (code in API_CODES and OWN_WORDS(text, found.end(), found.end() + 400)):
            return _said(text, found.start(), found[2], text[found.end() :])
    return None


def is_of_aws(path: str) -> bool:
    """Whether a class may be an SDK's, by the packages before its name: an application has exceptions of its own."""
    return not path or _AWS(path) is not None


_AWS: Final = re.compile(r"aws|amazon|botocore|(?<![a-z])ses|types|errors|model", re.IGNORECASE).search


def _xml(text: str) -> Said | None:
    """The answer of version 1 as it came."""
    found = _XML(text) if "<Code>" in text else None
    if not found or not (api_code(found[1]) in OWN_CODES or OWN_WORDS(found[2])):
        return None
    return _said(text, text.find("<"), found[1], found[2])


def _by_words(text: str) -> Said | None:
    """An answer of version 2 as it came, or its message alone, behind words about mail."""
    found = OWN_WORDS(text)
    before = text[: found.start()] if found else ""
    if not found or not _MAIL(before) or not introduces_failure(before):
        return None
    return _said(text, found.start(), "", text[found.start() :].partition('"')[0])


_XML: Final = re.compile(r"<Code>(\w{1,80})</Code>\s{0,20}<Message>([^<>]{0,2000})</Message>").search
_MAIL: Final = re.compile(r"mail|(?<![A-Za-z])SES(?:v2)?(?![A-Za-z])", re.IGNORECASE).search

_READERS: Final[tuple[Callable[[str], Said | None], ...]] = (
    *(_boto, _ruby, _php, _laravel, _symfony, _go, _java, _dotnet, _by_code, _xml, _by_words),
)


def _said(text: str, start: int, code: str, message: str, status: int = 0) -> Said | None:
    before = text[:start]
    if quotes(before):
        return None
    cut = _TAIL(message)
    attempt = api_attempt(code, (message[: cut.start()] if cut else message).strip(), status, recipients_in(before))
    return Said((attempt,), message_id_in(before), essence=identifying(before))


def _fault(text: str, start: int, message: str) -> Said | None:
    """The call never got an answer from SES."""
    if quotes(text[:start]):
        return None
    return Said((fault(message.strip()),), message_id_in(text[:start]), essence=identifying(text[:start]))
