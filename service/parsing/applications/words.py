"""The words around a reply in a line of an application's log.

Decides whether what stands before a reply only introduces it (a stamp, a level, a logger's name, words about mail), so
that the line *is* the reply, or whether the line merely quotes one: a subject, a form's text, a header check. Whoever
writes to a web form must not be able to write an acceptance into our books.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from service.parsing import months
from service.parsing.syslog import Line, Stamp, stamp_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant

_LONGEST_INTRODUCTION: Final = 400

# What mail servers write around a reply, and what announces somebody else's text.
_FOREIGN: Final = re.compile(
    r"\b(?:relay|dsn|delays|xdelay|stat|mailer)=|status=sent|postfix/|C=\"|"
    r"\b(?:subject|header|body|comment|quot(?:e|es|ed|ing)|input|payload|wrote|typed|said that|form|x-[a-z]+|"
    r"re|fwd?|aw)\b(?!-)(?=[\"' ]?[ =:])",
    re.IGNORECASE,
).search

LEVELS: Final = frozenset(
    (  # noqa: SIM905 -- words
        "trace debug info notice warn warning error err critical crit fatal severe alert emergency panic fine log"
    ).split()
)

_WORDS: Final = frozenset(
    (  # noqa: SIM905 -- words
        # of mail
        "mail mails email emails e-mail message messages msg mailer mailing newsletter notification invoice "
        "receipt order welcome verification confirmation password reset otp code smtp smtps ses sesv2 aws amazon "
        "transport transporter relay gateway server client remote host peer endpoint provider session connection "
        "socket "
        # of sending
        "sent send sends sending delivered deliver delivery delivering handed hand off over submitted submit "
        "submission dispatched dispatch queued accepted accept ok okay success successful successfully succeeded "
        "done complete completed outgoing outbound "
        # of answering
        "response responded responds respond reply replied replies answer answered answers result results status "
        "return returned returns ret retcode data string info output got last final said says sdk struct "
        # of the request, or the job, in which it was sent
        "req request requestid request_id req_id trace traceid trace_id correlation_id job jobid job_id jid task "
        "task_id sidekiq celery "
        # small ones
        "a an the to for from by via with at on in of and is was has been it its this that we our new id ids "
        "message-id messageid message_id number no nr count b s c d i w e t level log logger root main app "
        "application worker console default stdout stderr web api local production prod staging dev test java node "
        "php ruby python jan feb mar apr may jun jul aug sep oct nov dec "
    ).split()
)
_BRACKETED: Final = re.compile(r"\[[^\[\]]{0,200}+\]")
_TOKEN: Final = re.compile(r"[^\s=|,;(){}\[\]\"'!*#&\\]+")
_OWN_NAME: Final = re.compile(r"[0-9@/_$]|::|[A-Za-z]\.[A-Za-z]|mail|smtp|sender", re.IGNORECASE).search


def introduces(before: str) -> bool:
    """Whether `before` is no more than a logger's introduction and words about mail, so that what follows is meant."""
    if len(before) > _LONGEST_INTRODUCTION or _FOREIGN(before):
        return False
    return all(_is_known(token) for token in _TOKEN.findall(_BRACKETED.sub(" ", before)))


def introduces_failure(before: str) -> bool:
    """As `introduces`, with the words by which an application says that something failed."""
    return introduces(_FAILING.sub(" ", before))


def tells_of_sending_mail(words: str) -> bool:
    """Whether they say that a mail was, or should have been, sent."""
    return _SENDING(words) is not None and _MAIL(words) is not None


_SENDING: Final = re.compile(
    r"(?<![A-Za-z])(?:sen[dt]|sending|deliver\w{0,3}|dispatch\w{0,3})|MailDeliveryJob|DeliveryJob", re.IGNORECASE
).search
_MAIL: Final = re.compile(r"mail|(?<![A-Za-z])SES(?![A-Za-z])", re.IGNORECASE).search
# What an application says of a failure, beside what it says of mail.
_FAILING: Final = re.compile(
    r"\b(?:fail(?:ed|ure|s|ing)?|errors?|exception|could(?:n't)?|can(?:not|'t)|not|be|unable|try(?:ing)?|tried|while|"
    r"when|during|occurred|unexpected|caught|raised|problem|trouble|because|due|through|using|perform(?:ing|ed)?)\b",
    re.IGNORECASE,
)


def quotes(before: str) -> bool:
    """Whether what follows `before` is somebody else's text: announced as such, or within quotes that opened before."""
    if _FOREIGN(before):
        return True
    text = before.rstrip("\\")
    opened = text.count('"') % 2
    return bool(opened) and not text.endswith(_OPENING)


_OPENING: Final = ('="', ': "', 'message "', 'returned "', 'response "', 'reply "', '("', ':"')


def _is_known(token: str) -> bool:
    word = token.strip(".:-><?~`").lower()
    return not word or word in _WORDS or word in LEVELS or _OWN_NAME(word) is not None


def identifying(before: str) -> str:
    """What in a line tells one refused mail from another: numbers and addresses that stand before the reply."""
    text = _REPEATED.sub(" ", _BRACKETED.sub(" ", before))
    return " ".join(word for word in text.split() if _NUMBER_OR_ADDRESS(word) and "/" not in word)


_NUMBER_OR_ADDRESS: Final = re.compile(r"[\d@]").search
# A trace tells of the same mail with and without these.
_REPEATED: Final = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?"
    r"|\d\d:\d\d:\d\d(?:[.,]\d+)?|Failed message \d+|attempts?:? \d+"
)
_LEADING: Final = re.compile(
    r"(?:[A-Z], )?(?:(?:level|lvl)=\w{1,10} )?(?:(?:time|ts|timestamp|t)=\"?)?"
    r"\[?(\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?)"
).match


# Tomcat's, PHP's, Django's, log4j's and web servers' `[09/Mar/2024 11:59:00]`; Kubernetes' `I0309 11:59:00.123456`.
_WRITTEN_OUT: Final = re.compile(
    r"\[?(\d\d)[-/ ]([A-Z][a-z]{2})[-/ ](\d{4})[ :](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: (UTC|GMT|[+-]\d{4})(?!\d))?"
).match
_KLOG: Final = re.compile(r"[IWEF](0[1-9]|1[0-2])(\d\d) (\d\d:\d\d:\d\d)\.\d{1,9} ").match


def _stamp(text: str, seen: Instant, zone: tzinfo | None) -> Stamp | None:
    if found := _LEADING(text):
        return stamp_of(found[1].replace("/", "-").replace(",", "."), seen, zone)
    if found := _WRITTEN_OUT(text):
        day, month, year, clock, fraction, offset = found.groups()
        offset = {"UTC": "Z", "GMT": "Z", None: ""}.get(offset, offset)
        number = months.month_of(month)
        return stamp_of(f"{year}-{number:02}-{day}T{clock}{f'.{fraction}' if fraction else ''}{offset}", seen, zone)
    if found := _KLOG(text):
        return stamp_of(f"{months.NAMES[int(found[1]) - 1]} {found[2]} {found[3]}", seen, zone)
    return None


def headless(text: str, seen: Instant, zone: tzinfo | None) -> Line:
    """A line of which no syslog daemon took care: the application's own stamp dates it, where it has one."""
    stamp = _stamp(text, seen, zone)
    return Line(stamp.at if stamp else seen, bool(stamp and stamp.floating), "", "", text)
