"""The names that an application's words give to a mail.

Decides which text is the application's own Message-ID, which is SES's id, and under what submission a statement stands.
An id that a client library made up (Nodemailer's `info.messageId`, JavaMail's `getMessageID()`) must never pass for
SES's, and SES's own `<id@region.amazonses.com>` never for the application's.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from service.facts import SECOND

if TYPE_CHECKING:
    from service.facts import Instant

LONGEST_MESSAGE_ID: Final = 998
_MESSAGE_ID: Final = re.compile(r"<?([^\s<>@\"]{1,900}@[^\s<>@\"]{1,255})>?").fullmatch
_SES_DOMAIN: Final = re.compile(r"(?:[a-z0-9-]{1,40}\.)?amazonses\.com").fullmatch
# Anonymised ids (`EXAMPLE7c191be45-…-000000`) have the form, if not the digits. SNS and SQS give UUIDs: too short.
SES_ID: Final = r"[A-Za-z0-9]{12,24}-[A-Za-z0-9]{8}(?:-[A-Za-z0-9]{4}){3}-[A-Za-z0-9]{12}-[0-9]{6}"
"""The form of an SES id, to be built into other patterns."""
WRITTEN: Final = rf"<?({SES_ID})(?:@(?:[a-z0-9-]{{1,40}}\.)?amazonses\.com)?>?"
"""An SES id alone, or as the Message-ID that SES makes of it: `<id@us-west-2.amazonses.com>`."""
_WRITTEN: Final = re.compile(WRITTEN).fullmatch


def own_message_id(text: str) -> str:
    """The application's Message-ID without its brackets; empty where `text` is none, or is one that SES gave."""
    found = _MESSAGE_ID(text.strip()) if len(text) <= LONGEST_MESSAGE_ID else None
    if found is None or _SES_DOMAIN(found[1].rpartition("@")[2].lower()):
        return ""
    return found[1]


def ses_id_of(text: str) -> str:
    """The SES id that `text` is, as the API returns it or Nodemailer writes it; empty where it is anything else."""
    found = _WRITTEN(text)
    return found[1] if found else ""


def mid_submission(message_id: str) -> str:
    """The submission of a mail of which its application says no more than the Message-ID (without brackets)."""
    return "mid:" + blake2b(message_id.encode(errors="replace"), digest_size=16).hexdigest()


def refusal_submission(host: str, program: str, essence: str, at: Instant) -> str:
    """The submission of a refused mail that has no name at all.

    An application says the same refusal several times (`Caused by:`, the exception and its log line). `essence` is what
    tells one mail's from another's, so what one program repeats within a second is one mail. A structured entry is
    said once, so all of its fields are of its essence.
    """
    words = f"{program}\0{essence}\0{at // SECOND}".encode(errors="replace")
    return f"{host.lower() or '-'}/app:{blake2b(words, digest_size=8).hexdigest()}"
