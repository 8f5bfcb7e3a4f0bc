"""The closed words of the contract: outcomes, gaps, and why. Metrics, documents and pages use these and no others.

Nothing here decides anything. The words of `Cause` are the gaps' causes and live with the facts, since parsers find
them; `VerdictCause` repeats each of them and adds what became of mails that SES did speak about.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from service.facts import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CAUSES_OF", "FINAL", "Cause", "GapKind", "GapState", "Outcome", "Resolution", "Stage", "VerdictCause"]


class Outcome(StrEnum):
    """What became of one recipient."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SOFT_BOUNCED = "soft_bounced"
    SUPPRESSED = "suppressed"
    REJECTED = "rejected"
    RENDERING_FAILED = "rendering_failed"
    COMPLAINED = "complained"
    REFUSED = "refused"
    PENDING = "pending"
    DEFERRED = "deferred"
    DELAYED = "delayed"


FINAL: Final = frozenset(Outcome) - {Outcome.PENDING, Outcome.DEFERRED, Outcome.DELAYED}
"""Outcomes after which nothing more has to come. (Something may: a bounce after a delivery is real.)"""


class GapKind(StrEnum):
    """Which silence: no id from SES, no final event from SES, or no line from the application."""

    SENT_NO_SES_ID = "sent_no_ses_id"
    ACCEPTED_NOT_DELIVERED = "accepted_not_delivered"
    UNLOGGED_SEND = "unlogged_send"


class GapState(StrEnum):
    """A gap is opened once, and resolved or closed once; `closed` says that there was no answer."""

    OPENED = "opened"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Resolution(StrEnum):
    """How a gap ended: the outcome that came, or what else was learned."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SOFT_BOUNCED = "soft_bounced"
    SUPPRESSED = "suppressed"
    REJECTED = "rejected"
    RENDERING_FAILED = "rendering_failed"
    COMPLAINED = "complained"
    FOUND_BY_MESSAGE_ID = "found_by_message_id"
    ACCEPTED = "accepted"
    LATE_EVIDENCE = "late_evidence"
    EVENT_ARRIVED = "event_arrived"
    RECIPIENTS_KNOWN = "recipients_known"
    WINDOW_CLOSED = "window_closed"
    CLOSED_BY_OPERATOR = "closed_by_operator"


class Condition(StrEnum):
    """What concerns many mails at once (rule 16)."""

    SOURCE_STALLED = "source_stalled"
    FEED_MISSING = "feed_missing"
    ACCOUNT_REFUSED = "account_refused"
    EVIDENCE_LOST = "evidence_lost"


class ConditionState(StrEnum):
    """A condition is raised and cleared, and may be raised again."""

    RAISED = "raised"
    CLEARED = "cleared"


class Stage(StrEnum):
    """Who has to act: the application (before SES took the mail), SES, or the recipient's side."""

    APPLICATION = "application"
    SES = "ses"
    RECIPIENT = "recipient"


class VerdictCause(StrEnum):
    """Why a mail stands where it stands: every gap's `Cause`, word for word, and the causes of outcomes."""

    # the application's side: SES gave no id (words of Cause)
    UNVERIFIED_IDENTITY = "unverified_identity"
    ACCOUNT_PAUSED = "account_paused"
    QUOTA_EXCEEDED = "quota_exceeded"
    RATE_EXCEEDED = "rate_exceeded"
    SIGV2_RATE_EXCEEDED = "sigv2_rate_exceeded"
    AUTH_FAILED = "auth_failed"
    ACCESS_DENIED = "access_denied"
    CONFIGURATION = "configuration"
    BAD_ADDRESS = "bad_address"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    SES_UNAVAILABLE = "ses_unavailable"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    AMBIGUOUS = "ambiguous"
    NO_ID_IN_REPLY = "no_id_in_reply"
    SILENT = "silent"
    OTHER_REFUSAL = "other_refusal"
    # silence after SES took the mail, or on the application's side (words of Cause)
    NO_EVENTS = "no_events"
    SENT_THEN_SILENT = "sent_then_silent"
    DELAYED_THEN_SILENT = "delayed_then_silent"
    NO_LOG = "no_log"
    # nothing is wrong, or not yet
    DELIVERED = "delivered"
    IN_PROGRESS = "in_progress"
    HELD = "held"
    SUPERSEDED = "superseded"
    # the recipient's side said no
    MAILBOX_DOES_NOT_EXIST = "mailbox_does_not_exist"
    DOMAIN_DOES_NOT_EXIST = "domain_does_not_exist"
    RECIPIENT_POLICY = "recipient_policy"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"
    MAILBOX_FULL = "mailbox_full"
    MESSAGE_TOO_LARGE = "message_too_large"
    CONTENT_REJECTED = "content_rejected"
    ATTACHMENT_REJECTED = "attachment_rejected"
    DELIVERY_TIMEOUT = "delivery_timeout"
    BOUNCED_UNDETERMINED = "bounced_undetermined"
    COMPLAINT = "complaint"
    # SES took the mail and did not send it
    SUPPRESSED_ACCOUNT = "suppressed_account"
    SUPPRESSED_GLOBAL = "suppressed_global"
    SUPPRESSED_TENANT = "suppressed_tenant"
    UNSUBSCRIBED = "unsubscribed"
    VALIDATION_SUPPRESSED = "validation_suppressed"
    VIRUS = "virus"
    TEMPLATE_ERROR = "template_error"
    # SES is still trying (DeliveryDelay)
    DELAYED_INTERNAL_FAILURE = "delayed_internal_failure"
    DELAYED_GENERAL = "delayed_general"
    DELAYED_MAILBOX_FULL = "delayed_mailbox_full"
    DELAYED_SPAM_DETECTED = "delayed_spam_detected"
    DELAYED_RECIPIENT_SERVER_ERROR = "delayed_recipient_server_error"
    DELAYED_IP_FAILURE = "delayed_ip_failure"
    DELAYED_COMMUNICATION_FAILURE = "delayed_communication_failure"
    DELAYED_BYOIP_LOOKUP = "delayed_byoip_lookup"
    DELAYED_SENDING_DEFERRAL = "delayed_sending_deferral"
    DELAYED_UNDETERMINED = "delayed_undetermined"


_AFTER_ACCEPT: Final = frozenset({Cause.NO_EVENTS, Cause.SENT_THEN_SILENT, Cause.DELAYED_THEN_SILENT})

CAUSES_OF: Final[Mapping[GapKind, frozenset[Cause]]] = MappingProxyType(
    {
        GapKind.SENT_NO_SES_ID: frozenset(Cause) - _AFTER_ACCEPT - {Cause.NO_LOG},
        GapKind.ACCEPTED_NOT_DELIVERED: _AFTER_ACCEPT,
        GapKind.UNLOGGED_SEND: frozenset({Cause.NO_LOG}),
    }
)
"""Which causes each kind of gap can have."""
