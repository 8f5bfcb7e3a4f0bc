"""From a cause to sentences: what it means, which stage has to act, and what a person should do next.

The texts stand in `service.explanations`; this module fills them in, and maps SES's own words (bounce and delay types)
to causes. It never decides what became of a mail. Words of SES that are new are kept and shown, under a general cause.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from service.contract.enums import Stage, VerdictCause
from service.explanations import application, recipient, ses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.explanations.text import Text
    from service.facts import Cause

RUNBOOKS: Final = "deploy/runbooks/"
"""Where the runbooks lie in this repository; settings may name a base of their own."""

LONGEST_REPLY: Final = 400
"""Characters of a server's reply that a sentence quotes."""

TEXTS: Final[Mapping[VerdictCause, Text]] = MappingProxyType(application.TEXTS | ses.TEXTS | recipient.TEXTS)
"""Every cause's text. A `Cause` finds its own too, since both enums are strings."""

PAGES: Final = frozenset(text.runbook for text in TEXTS.values())
"""The runbooks that must exist, without `.md`."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the case, as it shall be shown (times as text, addresses masked). Empty: not known."""

    recipient: str = ""
    domain: str = ""
    region: str = ""
    ses_id: str = ""
    mail_id: str = ""
    host: str = ""
    accepted_at: str = ""
    expires: str = ""
    reply: str = ""
    """What SES or the recipient's server said: SMTP reply, diagnostic code, smtpResponse."""
    words: str = ""
    """SES's own words for it, as in `Transient/General` or `SpamDetected`."""
    reason: str = ""
    template: str = ""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A cause, in sentences."""

    stage: Stage
    cause: VerdictCause
    explanation: str
    next_step: str
    runbook_url: str


NOTHING_KNOWN: Final = Circumstances()


def explain(
    cause: VerdictCause | Cause, known: Circumstances = NOTHING_KNOWN, *, runbooks: str = RUNBOOKS
) -> Explanation:
    """The cause's text with what is known filled in; what is not known is written around."""
    cause = cause if type(cause) is VerdictCause else VerdictCause(cause)
    text = TEXTS[cause]
    return Explanation(
        stage=text.stage,
        cause=cause,
        explanation=_sentence(_written(text.explanation, known)),
        next_step=_sentence(_written(text.next_step, known)),
        runbook_url=runbook_url(cause, runbooks),
    )


@cache
def unvaried(cause: VerdictCause, runbooks: str = RUNBOOKS) -> Explanation | None:
    """The cause's text, where it is the same in every case; else None."""
    texts = TEXTS[cause].explanation, TEXTS[cause].next_step
    varied = any(name for text in texts for _, name in _parts(text))
    return None if varied else explain(cause, runbooks=runbooks)


@lru_cache
def runbook_url(cause: VerdictCause | Cause, base: str = RUNBOOKS) -> str:
    """The runbook's address: `base` joined with the page."""
    return f"{base.rstrip('/')}/{TEXTS[VerdictCause(cause)].runbook}.md"


_POLICY: Final = re.compile(r"\s*[45]\.7\.\d").match
_BY_STATUS: Final = MappingProxyType(
    {
        "5.1.1": VerdictCause.MAILBOX_DOES_NOT_EXIST,
        "5.1.2": VerdictCause.DOMAIN_DOES_NOT_EXIST,
        "5.1.10": VerdictCause.DOMAIN_DOES_NOT_EXIST,
        "5.4.4": VerdictCause.DOMAIN_DOES_NOT_EXIST,
        "5.2.1": VerdictCause.MAILBOX_DOES_NOT_EXIST,
        "4.2.2": VerdictCause.MAILBOX_FULL,
        "5.2.2": VerdictCause.MAILBOX_FULL,
        "5.2.3": VerdictCause.MESSAGE_TOO_LARGE,
        "5.3.4": VerdictCause.MESSAGE_TOO_LARGE,
        "4.4.7": VerdictCause.DELIVERY_TIMEOUT,
        "5.4.7": VerdictCause.DELIVERY_TIMEOUT,
    }
)
"""RFC 3463 and RFC 7505; `4.4.7` is what SES gives a mail that expired ("unable to deliver in 840 minutes")."""

_BY_SUBTYPE: Final = MappingProxyType(
    {
        "NoEmail": VerdictCause.MAILBOX_DOES_NOT_EXIST,
        "Suppressed": VerdictCause.SUPPRESSED_GLOBAL,
        "OnAccountSuppressionList": VerdictCause.SUPPRESSED_ACCOUNT,
        "OnTenantSuppressionList": VerdictCause.SUPPRESSED_TENANT,
        "UnsubscribedRecipient": VerdictCause.UNSUBSCRIBED,
        "EmailValidationSuppressed": VerdictCause.VALIDATION_SUPPRESSED,
        "MailboxFull": VerdictCause.MAILBOX_FULL,
        "MessageTooLarge": VerdictCause.MESSAGE_TOO_LARGE,
        "ContentRejected": VerdictCause.CONTENT_REJECTED,
        "AttachmentRejected": VerdictCause.ATTACHMENT_REJECTED,
        "CustomTimeoutExceeded": VerdictCause.DELIVERY_TIMEOUT,
    }
)

_BY_TYPE: Final = MappingProxyType({"Permanent": VerdictCause.HARD_BOUNCE, "Transient": VerdictCause.SOFT_BOUNCE})

_BY_DELAY: Final = MappingProxyType(
    {
        "InternalFailure": VerdictCause.DELAYED_INTERNAL_FAILURE,
        "General": VerdictCause.DELAYED_GENERAL,
        "MailboxFull": VerdictCause.DELAYED_MAILBOX_FULL,
        "SpamDetected": VerdictCause.DELAYED_SPAM_DETECTED,
        "RecipientServerError": VerdictCause.DELAYED_RECIPIENT_SERVER_ERROR,
        "IPFailure": VerdictCause.DELAYED_IP_FAILURE,
        "TransientCommunicationFailure": VerdictCause.DELAYED_COMMUNICATION_FAILURE,
        "BYOIPHostNameLookupUnavailable": VerdictCause.DELAYED_BYOIP_LOOKUP,
        "SendingDeferral": VerdictCause.DELAYED_SENDING_DEFERRAL,
    }
)


def cause_of_bounce(bounce_type: str, bounce_subtype: str, status: str = "") -> VerdictCause:
    """The cause of a bounce. `General` says nothing, so the recipient's status code is asked there."""
    cause = _BY_SUBTYPE.get(bounce_subtype)
    if cause is None and bounce_type in _BY_TYPE:
        cause = VerdictCause.RECIPIENT_POLICY if _POLICY(status) else _BY_STATUS.get(status.strip())
    return cause or _BY_TYPE.get(bounce_type, VerdictCause.BOUNCED_UNDETERMINED)


def cause_of_complaint(subtype: str) -> VerdictCause:
    """A complaint's cause; with a sub-type it says that the mail was never sent."""
    return _BY_SUBTYPE.get(subtype, VerdictCause.SUPPRESSED_ACCOUNT) if subtype else VerdictCause.COMPLAINT


def cause_of_delay(delay_type: str) -> VerdictCause:
    """The cause of a DeliveryDelay."""
    return _BY_DELAY.get(delay_type, VerdictCause.DELAYED_UNDETERMINED)


def delay_type(said: str) -> str:
    """SES's word for why it delays, as a label: what this version does not know is `other`, so that labels are few."""
    return said if said in _BY_DELAY else "other"


_UNVERIFIED: Final = re.compile(r"failed the check in region ([\w-]{1,32}):([^\r\n]*)").search


def unverified(reply: str) -> tuple[str, tuple[str, ...]]:
    """The region and the identities that SES's refusal names; SES shouts the region and may end the list with `...`."""
    found = _UNVERIFIED(reply)
    if not found:
        return "", ()
    listed = found[2].partition(" (in reply to")[0]
    identities = (item.rpartition("<")[2].strip(" .>()'\"") for item in listed.split(","))
    return found[1].lower(), tuple(identity for identity in identities if identity)


def _written(template: str, known: Circumstances) -> str:
    """A text with its fields filled in, of which most have two or three."""
    return "".join([text + _FIELDS[name](known) if name else text for text, name in _parts(template)])


@cache
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    """A template, taken apart once: text, and the field after it."""
    return tuple([(text, name) for text, name, _, _ in Formatter().parse(template)])


def _domain(known: Circumstances) -> str:
    return known.domain or known.recipient.rpartition("@")[2]


def _region(known: Circumstances) -> str:
    return known.region or unverified(known.reply)[0]


_FIELDS: Final[Mapping[str, Callable[[Circumstances], str]]] = MappingProxyType(
    {
        "recipient": lambda known: known.recipient or "the recipient",
        "domain": lambda known: _domain(known) or "the recipient's provider",
        "domain_name": lambda known: _word(_domain(known), "DOMAIN"),
        "region": lambda known: _region(known) or "the sender's region",
        "region_code": lambda known: _word(_region(known), "REGION"),
        "identities": lambda known: ", ".join(unverified(known.reply)[1]) or "an address or domain of the mail",
        "ses_id": lambda known: _word(known.ses_id, "MESSAGE_ID"),
        "mail_id": lambda known: known.mail_id or "in question",
        "host": lambda known: known.host or "the sending host",
        "when": lambda known: "the time SES took it" + (f" ({known.accepted_at})" if known.accepted_at else ""),
        "until": lambda known: f" until {known.expires}" if known.expires else "",
        "words": lambda known: known.words or "no reason given",
        "because": lambda known: f": {_quote(known.reason)}" if known.reason else "",
        "template": lambda known: _word(known.template, "TEMPLATE"),
        "said": lambda known: f' The reply was: "{_quote(known.reply)}".' if known.reply else "",
    }
)
"""Every field a text may use, with words to write around what is not known."""


_HARMLESS: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,254}", re.ASCII).fullmatch


def _word(text: str, placeholder: str) -> str:
    """`text` where a person may paste it into a shell; logs can be forged, and a domain may hold `$(…)`."""
    return text if _HARMLESS(text) else placeholder


def _quote(text: str) -> str:
    """One line of bounded length, as it stands in a sentence."""
    line = " ".join(text[: 4 * LONGEST_REPLY].split()).strip(".")
    return line if len(line) <= LONGEST_REPLY else line[: LONGEST_REPLY - 1] + "…"


def _sentence(text: str) -> str:
    """`text` with a capital at the start, whatever was filled in there."""
    return text[:1].upper() + text[1:] if text[:4].lower() == "the " else text
