"""A mail that never reached SES: an error of the network behind an application's own words.

`Failed to send email: [Errno 111] Connection refused` names neither SES nor SMTP: the error is the system's, whatever
was connected to. Decides by the words before it, of which all must be known ones and tell of sending mail, and by the
error, which must begin as one does. Where it names another public host, the mail did not go by SES.
"""

from __future__ import annotations

import re
from typing import Final

from service.facts import Cause
from service.parsing.applications.accepted import message_id_in, recipients_in
from service.parsing.applications.said import Attempt, Said, fault
from service.parsing.applications.words import identifying, introduces_failure, quotes, tells_of_sending_mail
from service.parsing.delivering import relay_named
from service.parsing.replies import cause_of

# Python, Node, Go, Ruby, Java and PHP, in this order; the class that they were raised as is taken off before.
_ERROR: Final = re.compile(
    r"(?:\[Errno -?\d{1,4}\] )?(?:connection (?:refused|timed out|timeout|reset)|timed out\b|network is unreachable|"
    r"the read operation timed out|no route to host|name or service not known|nodename nor servname|"
    r"temporary failure in name resolution|\[ssl\b|certificate verify failed|"
    r"(?:connect|read|write) E[A-Z]{3,16}\b|getaddrinfo |query[A-Za-z]{0,8} E[A-Z]{3,16}\b|self[- ]signed certificate|"
    r"(?:dial|read|write) tcp |i/o timeout|(?:unexpected )?EOF$|broken pipe|(?:remote error: )?tls: |x509: |"
    r"context deadline exceeded|"
    r"execution expired|failed to open tcp connection|net::(?:open|read)timeout|SSL_connect |"
    r"(?:connect|read) timed out|unable to find valid certification path|"
    r"stream_socket_client\(\): |fsockopen\(\): )",
    re.IGNORECASE,
).match
_CLASS: Final = re.compile(
    r"(?:\w|\.|::|\$){0,120}?(?:[Ee]rror|Exception|Timeout|Errno::E[A-Z]{3,16}|socket\.timeout)(?: \[\w{1,40}\])?: "
).match
# As Celery writes it, `TimeoutError('timed out')`, and Rails: `Net::OpenTimeout (execution expired):`.
_CALLED: Final = re.compile(
    r"(?:\w|\.|::){0,120}?(?:[Ee]rror|Exception|Timeout|Errno::E[A-Z]{3,16}) ?\((?:\d{1,4}, )?['\"]?"
).match
_HINT: Final = re.compile(
    r"refused|time[d-]? ?out|timeout|expired|deadline|unreachable|route|not known|servname|resolution|ssl|certificat|"
    r" E[A-Z]{3}|tcp|EOF|pipe|tls|x509|reset|getaddrinfo|socket",
    re.IGNORECASE,
).search
_HOST: Final = re.compile(
    r"(?:lookup |E[A-Z_]{4,16} |connection to |\()((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?![\w.])", re.IGNORECASE
).search
_MOST_PARTS: Final = 12
_MOST_CLASSES: Final = 4
_LONGEST: Final = 2000
_KNOWN: Final = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})


def unreached(text: str) -> Said | None:
    """The mail that the line says could not be sent; None where it tells of none."""
    text = text[:_LONGEST]
    if not tells_of_sending_mail(text) or not _HINT(text):
        return None
    at = -2
    for _ in range(_MOST_PARTS):
        at = text.find(": ", at + 2)
        if at < 0:
            return None
        before, attempt = text[: at + 2], error_in(text[at + 2 :])
        if attempt and tells_of_sending_mail(before) and not quotes(before):
            return _said(before, attempt) if introduces_failure(before) else None
    return None


def error_in(text: str) -> Attempt | None:
    """The error of the network as which a text begins, or ends after a trace; None for any other text."""
    return _error(text) or _error(text.rstrip().rpartition("\n")[2])


def _error(text: str) -> Attempt | None:
    account = text.partition("\n")[0].strip().removesuffix(":")
    for _ in range(_MOST_CLASSES):
        named = _CLASS(text) or _CALLED(text)
        if named is None:
            break
        text = text[named.end() :]
    if not _ERROR(text.partition("\n")[0].strip()):
        return None
    host = _HOST(account)
    if host and relay_named(host[1].lower(), frozenset()).elsewhere:
        return None
    cause = cause_of(account)
    return fault(account, cause if cause in _KNOWN else Cause.UNREACHABLE)


def _said(before: str, attempt: Attempt) -> Said:
    to = recipients_in(before)
    known = fault(attempt.reply, attempt.cause, to)
    return Said((known,), message_id_in(before), essence=identifying(before))
