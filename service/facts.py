"""The vocabulary: what one source can say about one mail at one instant.

A *fact* is content only; where and when it was read is its `Sighting`, so that the same statement read twice (a
re-shipped line, one event through two paths) is one fact. This module decides nothing and imports nothing of ours.

Times are `Instant`s: integer milliseconds since the Unix epoch, UTC, which is the resolution SES itself uses.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

Instant: TypeAlias = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

Name: TypeAlias = bytes
"""What points at a mail: `S:<SES id>`, `Q:<host>[/<instance>]/<queue id>` or `M:<Message-ID without brackets>`."""

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE


class Source(StrEnum):
    """Who speaks: the application's mail logs, or SES's event stream."""

    SMTP = "smtp"
    SES = "ses"


class Reason(StrEnum):
    """Why an input could not become facts; also the label of the metric and the header of the dead letter."""

    TOO_LARGE = "too_large"
    NOT_TEXT = "not_text"
    BAD_JSON = "bad_json"
    NOT_AN_SES_EVENT = "not_an_ses_event"
    MISSING_MESSAGE_ID = "missing_message_id"
    BAD_FIELD = "bad_field"
    UNPARSABLE_MAIL_LINE = "unparsable_mail_line"
    INTERNAL_ERROR = "internal_error"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    BAD_CERTIFICATE = "bad_certificate"
    TOO_OLD = "too_old"
    FOREIGN_ACCOUNT = "foreign_account"
    FOREIGN_TOPIC = "foreign_topic"
    FOREIGN_BUCKET = "foreign_bucket"
    UNREADABLE_OBJECT = "unreadable_object"


REFUSALS: Final = frozenset(
    {
        *(Reason.UNSIGNED, Reason.BAD_SIGNATURE, Reason.BAD_CERTIFICATE, Reason.TOO_OLD),
        *(Reason.FOREIGN_ACCOUNT, Reason.FOREIGN_TOPIC, Reason.FOREIGN_BUCKET, Reason.UNREADABLE_OBJECT),
    }
)
"""What a bridge refuses for what it may be. Sent to Kafka from the dead letters it would get by the check."""


class Cause(StrEnum):
    """Why a mail got no SES id, or where it fell silent (DESIGN section 6; the one closed enum of causes)."""

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
    NO_EVENTS = "no_events"
    SENT_THEN_SILENT = "sent_then_silent"
    DELAYED_THEN_SILENT = "delayed_then_silent"
    NO_LOG = "no_log"


ACCOUNT_WIDE: Final = frozenset({Cause.ACCOUNT_PAUSED, Cause.QUOTA_EXCEEDED, Cause.AUTH_FAILED, Cause.ACCESS_DENIED})
"""Refusals that are not about the mail: every other mail of the account, or of these credentials, fares alike."""


class Sighting(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """Where a fact was read: `seen` is the record's timestamp, `where` is `topic/partition/offset` or `file:line`."""

    seen: Instant
    where: str


class _Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all facts: `at` is when it happened, by the clock of whoever said so."""

    at: Instant


class _Line(_Fact, frozen=True, array_like=True, gc=False):
    """A fact from a mail server's log. `floating`: the stamp had no zone, so `at` reads it as if it were UTC."""

    floating: bool


# -- what a mail server says, under the name of the submission -------------------------------------------------------


class Started(_Line, frozen=True, array_like=True, gc=False, tag=1):
    """The server took the mail in (`client=`, `pickup`, `<=`). `application`: the client host or `uid=N`.

    `before`: the queue id that the mail had on this host until an operator put it back into the queue.
    """

    application: str
    before: str = ""


class Identified(_Line, frozen=True, array_like=True, gc=False, tag=2):
    """The mail's own `Message-ID`, without angle brackets; never empty."""

    message_id: str


class Queued(_Line, frozen=True, array_like=True, gc=False, tag=3):
    """The mail is in the active queue. An empty `sender` is the null sender of a bounce notice."""

    sender: str
    recipient_count: int


class Accepted(_Line, frozen=True, array_like=True, gc=False, tag=4):
    """SES answered `250 Ok <id>`. Stands under the submission and, with its `submission`, under the SES id.

    `region` comes from the relay's host name, empty where that does not say.
    """

    recipients: tuple[str, ...]
    ses_id: str
    submission: str
    region: str


class Deferred(_Line, frozen=True, array_like=True, gc=False, tag=5):
    """An attempt failed and will be repeated. `reply` is the server's text, or the client's account of the fault."""

    recipients: tuple[str, ...]
    cause: Cause
    reply: str
    region: str = ""


class Refused(_Line, frozen=True, array_like=True, gc=False, tag=6):
    """The attempt failed for good. No recipients: all that have no id yet (`status=expired`)."""

    recipients: tuple[str, ...]
    cause: Cause
    reply: str
    region: str = ""


class Unconfirmed(_Line, frozen=True, array_like=True, gc=False, tag=7):
    """SES took the mail, and the reply held no SES id: the id is known to be lost."""

    recipients: tuple[str, ...]
    reply: str


class Elsewhere(_Line, frozen=True, array_like=True, gc=False, tag=8):
    """These recipients were never SES's business: delivered locally, or handed to the relay named.

    `queued_as`: the queue id under which a server of one's own (a content filter, the next hop) goes on with the mail.
    """

    recipients: tuple[str, ...]
    relay: str
    queued_as: str = ""


class Closed(_Line, frozen=True, array_like=True, gc=False, tag=9):
    """The server is done with the queue id. `how`: `removed`, `discarded` (never sent), `deleted` (by an operator)."""

    how: str


# -- what one name tells another -------------------------------------------------------------------------------------


class Told(_Line, frozen=True, array_like=True, gc=False, tag=10):
    """What a submission knows, told to its SES mail. `at` is when it was submitted."""

    submission: str
    sender: str
    message_id: str
    recipients: tuple[str, ...]
    application: str


class Asked(_Fact, frozen=True, array_like=True, gc=False, tag=11):
    """A submission without an id asks under its Message-ID. `at`: its first line; `until`: deadline + grace."""

    submission: str
    asker: Name
    sender_domain: str
    recipients: tuple[str, ...]
    until: Instant


class Answered(_Fact, frozen=True, array_like=True, gc=False, tag=12):
    """The Message-ID's answer to one life of a submission; an empty `ses_id` says `not_found`.

    With a `carrier` it says instead that a mail server has this mail, under that submission, and answers for it.
    """

    submission: str
    ses_id: str
    recipients: tuple[str, ...]
    carrier: str = ""


class Linked(_Fact, frozen=True, array_like=True, gc=False, tag=13):
    """Under the Message-ID: this SES mail carries it. `at` is when SES accepted it."""

    ses_id: str
    sender_domain: str
    recipients: tuple[str, ...]


class Carried(_Fact, frozen=True, array_like=True, gc=False, tag=14):
    """Under the Message-ID: a mail server took the mail in as this submission, at `at` (UTC)."""

    submission: str


# -- what SES says, under the SES message id -------------------------------------------------------------------------


class Described(_Fact, frozen=True, array_like=True, gc=False, tag=20):
    """The `mail` object that every event repeats; `at` is `mail.timestamp`. Unknown fields are empty."""

    sender: str
    recipients: tuple[str, ...]
    account: str
    region: str
    configuration_set: str
    application: str
    message_id: str
    tags: tuple[tuple[str, str], ...]


class Sent(_Fact, frozen=True, array_like=True, gc=False, tag=21):
    """SES took the call and will try to deliver."""


class Delivered(_Fact, frozen=True, array_like=True, gc=False, tag=22):
    """The recipient's server took the mail. `smtp_response` is its reply."""

    recipients: tuple[str, ...]
    smtp_response: str


class Bounced(_Fact, frozen=True, array_like=True, gc=False, tag=23):
    """One recipient's bounce. SES publishes a bounce only when it will not try again."""

    recipients: tuple[str, ...]
    bounce_type: str
    bounce_subtype: str
    status: str
    diagnostic: str


class Complained(_Fact, frozen=True, array_like=True, gc=False, tag=24):
    """A complaint. A `subtype` says the mail was never sent (suppression list); `not-spam` feedback is none."""

    recipients: tuple[str, ...]
    subtype: str
    feedback: str


class Rejected(_Fact, frozen=True, array_like=True, gc=False, tag=25):
    """SES accepted the mail, found a virus, and dropped it."""

    reason: str


class RenderingFailed(_Fact, frozen=True, array_like=True, gc=False, tag=26):
    """The template could not be rendered; nothing was sent."""

    template: str
    error: str


class Delayed(_Fact, frozen=True, array_like=True, gc=False, tag=27):
    """SES could not deliver yet and goes on trying until `expires` (0 where the event does not say)."""

    recipients: tuple[str, ...]
    delay_type: str
    expires: Instant
    status: str
    diagnostic: str


class Engaged(_Fact, frozen=True, array_like=True, gc=False, tag=28):
    """Somebody opened, clicked or changed a subscription: the mail was shown. `how` is the event type."""

    how: str


class OtherEvent(_Fact, frozen=True, array_like=True, gc=False, tag=29):
    """An event type that this version does not know, kept by its name."""

    event_type: str


LineFact: TypeAlias = Started | Identified | Queued | Accepted | Deferred | Refused | Unconfirmed | Elsewhere | Closed
SesFact: TypeAlias = (
    Described | Sent | Delivered | Bounced | Complained | Rejected | RenderingFailed | Delayed | Engaged | OtherEvent
)
Fact: TypeAlias = LineFact | Told | Asked | Answered | Linked | Carried | SesFact


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """What one record said: its facts by name, and how many of its parts said nothing about a mail."""

    facts: list[tuple[Name, Fact]]
    ignored: int = 0


class Unparsable(msgspec.Struct, frozen=True, gc=False):
    """A record that should have been a fact and could not be understood; `detail` is for people, without mail text."""

    reason: Reason
    detail: str


def ses_name(ses_id: str) -> Name:
    """The name of an SES mail."""
    return b"S:" + ses_id.encode()


def submission_name(submission: str) -> Name:
    """The name of a submission, `host[/instance]/queue-id`."""
    return b"Q:" + submission.encode()


def message_id_name(message_id: str) -> Name:
    """The name under which a submission and SES's events meet; brackets and surrounding space do not matter."""
    return b"M:" + message_id.encode()
