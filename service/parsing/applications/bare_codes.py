"""An API error that is no more than its name: `Failed to send email: MessageRejected`.

Whoever logs an exception's class alone leaves out what SES said. Decides whether the name is SES's: some no other
service of AWS gives; the others need words about sending mail before them, and nothing but known ones (rule 28).
"""

from __future__ import annotations

import re
from typing import Final

from service.parsing.applications.accepted import message_id_in, recipients_in
from service.parsing.applications.api import OWN_CODES, is_of_aws
from service.parsing.applications.said import Attempt, Said, api_attempt
from service.parsing.applications.words import identifying, introduces_failure, quotes, tells_of_sending_mail
from service.parsing.replies import api_code

_THROTTLED: Final = frozenset({"throttling", "toomanyrequests", "limitexceeded", "requestthrottled"})
_OF_SES_BY_NAME: Final = frozenset({"accessdenied", "serviceunavailable", "internalfailure"})
"""What any call may end with, also one for an attachment; so the words must name SES."""
_NAME: Final = re.compile(r"(?<![\w.$])((?:[A-Za-z][\w$]{0,60}(?:\.|::)){0,8}+)([A-Z][A-Za-z]{9,60})(?!\w)")
# What SDKs make of an answer that has no message, and AWS's own words for too many calls.
_NOTHING: Final = re.compile(
    r"[\])}'\"]*+(?::? ?['\"]?(?:null|None|nil|undefined|UnknownError|Unknown|Rate exceeded|Too Many Requests)['\"]?)?"
    r"[\])}'\".;: ]*+(?:$|[\r\n]|\\n|\s{1,4}at (?:async )?[\w.$<>\[\]/]{1,200} ?\()",
    re.IGNORECASE,
).match
# `Email sent to MessageRejected`: whoever calls himself so must not look like an error.
_SOMEBODY: Final = re.compile(r"\b(?:to|for|from|of|user|name|dear|hi)[:= ]{0,3}['\"<(]{0,2}$", re.IGNORECASE).search
_SES: Final = re.compile(r"(?<![A-Za-z])SES(?![A-Za-z])", re.IGNORECASE).search
_HINTS: Final = (
    *("Rejected", "hrottl", "Requests", "Exceeded", "Suspended", "Paused", "Denied"),
    *("NotVerified", "Internal", "DoesNotExist", "Unavailable"),
)
_LONGEST: Final = 2000


def bare_code(text: str) -> Said | None:
    """The refusal whose name ends the line; None where there is none, or it may be somebody else's."""
    text = text[:_LONGEST]
    if not any(hint in text for hint in _HINTS):
        return None
    for found in _NAME.finditer(text):
        before = text[: found.start()]
        if not _NOTHING(text, found.end()) or not is_of_aws(found[1]) or _SOMEBODY(before):
            continue
        if _is_of_ses(api_code(found[2]), before) and not quotes(before) and introduces_failure(before):
            attempt = api_attempt(found[2], "", recipients=recipients_in(before))
            return Said((attempt,), message_id_in(before), essence=identifying(before))
    return None


def throttled(text: str) -> Attempt | None:
    """The error that a field of a structured entry names, beside words of sending mail; None for any other text."""
    return api_attempt(text, "") if api_code(text) in _THROTTLED and _NAME.fullmatch(text) else None


def _is_of_ses(code: str, before: str) -> bool:
    if code in OWN_CODES:
        return True
    if not tells_of_sending_mail(before):
        return False
    return code in _THROTTLED or (code in _OF_SES_BY_NAME and _SES(before) is not None)
