"""One SES event: what it says about a mail, and about which of its recipients.

Decides, by one table, what each event type means. It must never say more than the event does: a payload that cannot be
understood yields no outcome but is reported, and an event type that is new is kept by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.facts import (
    Bounced,
    Complained,
    Delayed,
    Delivered,
    Engaged,
    Linked,
    OtherEvent,
    Reason,
    Rejected,
    RenderingFailed,
    Sent,
    Unparsable,
    message_id_name,
    ses_name,
)
from service.parsing.addresses import address, domain
from service.parsing.instants import instant
from service.parsing.ses_id import accepted_at
from service.parsing.ses_mail import describe, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.facts import Fact, Instant, Name, SesFact

_WORD: Final = 64
_SENTENCE: Final = 512
_STAMP: Final = 65
# Real ids have 60 characters. A longer form must join too, but a name is a key in Kafka and in every row.
_LONGEST_ID: Final = 256


class _Said(NamedTuple):
    """An event's payload: when, the object itself, and the recipients it names, each with its own details."""

    at: Instant
    payload: dict[str, Any]
    people: list[tuple[str, dict[str, Any]]]

    def word(self, key: str) -> str:
        return text(self.payload.get(key), _WORD)

    def sentence(self, key: str) -> str:
        return text(self.payload.get(key), _SENTENCE)

    def addresses(self) -> tuple[str, ...]:
        return tuple([person for person, _ in self.people])

    def each(self) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
        """One entry a recipient; where the event names none it speaks of all, which no recipients stand for."""
        return [((person,), details) for person, details in self.people] or [((), {})]


class _Kind(NamedTuple):
    """An event type: the key of its payload, that payload's list of recipients (if any), and what it means."""

    payload: str
    people: str
    facts: Callable[[_Said], list[SesFact]]


def _sent(said: _Said) -> list[SesFact]:
    return [Sent(said.at)]


def _delivered(said: _Said) -> list[SesFact]:
    return [Delivered(said.at, said.addresses(), said.sentence("smtpResponse"))]


def _bounced(said: _Said) -> list[SesFact]:
    return [_of_bounce(said, recipients, details) for recipients, details in said.each()]


def _of_bounce(said: _Said, recipients: tuple[str, ...], details: dict[str, Any]) -> SesFact:
    """One bounce may hold failed and delayed recipients together: it passes on the DSN's word for each."""
    action = text(details.get("action"), _WORD).lower()
    status, diagnostic = text(details.get("status"), _WORD), text(details.get("diagnosticCode"), _SENTENCE)
    if action == "delayed":
        return Delayed(said.at, recipients, "", 0, status, diagnostic)
    if action not in {"", "failed"}:
        # `relayed`, `expanded`, `delivered` (RFC 3464): no failure, and no promise either.
        return OtherEvent(said.at, f"Bounce {action}"[:_WORD])
    return Bounced(said.at, recipients, said.word("bounceType"), said.word("bounceSubType"), status, diagnostic)


def _complained(said: _Said) -> list[SesFact]:
    return [Complained(said.at, said.addresses(), said.word("complaintSubType"), said.word("complaintFeedbackType"))]


def _rejected(said: _Said) -> list[SesFact]:
    return [Rejected(said.at, said.sentence("reason"))]


def _rendering_failed(said: _Said) -> list[SesFact]:
    return [RenderingFailed(said.at, said.sentence("templateName"), said.sentence("errorMessage"))]


def _delayed(said: _Said) -> list[SesFact]:
    expires = instant(text(said.payload.get("expirationTime"), _STAMP)) or 0
    return [
        Delayed(
            said.at,
            recipients,
            said.word("delayType"),
            expires,
            text(details.get("status"), _WORD),
            text(details.get("diagnosticCode"), _SENTENCE),
        )
        for recipients, details in said.each()
    ]


def _engaged(how: str) -> Callable[[_Said], list[SesFact]]:
    return lambda said: [Engaged(said.at, how)]


# By the event type's letters alone: the API spells it RENDERING_FAILURE, the events `Rendering Failure`.
_KINDS: Final = {
    "send": _Kind("send", "", _sent),
    "delivery": _Kind("delivery", "recipients", _delivered),
    "bounce": _Kind("bounce", "bouncedRecipients", _bounced),
    "complaint": _Kind("complaint", "complainedRecipients", _complained),
    "reject": _Kind("reject", "", _rejected),
    "renderingfailure": _Kind("failure", "", _rendering_failed),
    "deliverydelay": _Kind("deliveryDelay", "delayedRecipients", _delayed),
    "open": _Kind("open", "", _engaged("open")),
    "click": _Kind("click", "", _engaged("click")),
    "subscription": _Kind("subscription", "", _engaged("subscription")),
}


def is_event(name: str) -> bool:
    """Whether SES is known to publish an event of this name, however spelled."""
    return _kind(name) is not None


def read_event(
    event: dict[str, Any], seen: Instant, *, link: bool
) -> tuple[list[tuple[Name, Fact]], Unparsable | None]:
    """The facts of one event that was read from a record dated `seen`, and what of it could not be understood."""
    mail = event.get("mail")
    if not isinstance(mail, dict):
        return [], Unparsable(Reason.MISSING_MESSAGE_ID, "there is no mail object")
    ses_id = text(mail.get("messageId"), _LONGEST_ID + 1).strip()
    if not ses_id or len(ses_id) > _LONGEST_ID or not ses_id.isprintable():
        return [], _without_id(ses_id)
    # Without a stamp the id's own clock is next best: it is the same in every event of the mail, `seen` is not.
    at = instant(text(mail.get("timestamp"), _STAMP)) or accepted_at(ses_id, seen, seen)
    mail_said = describe(mail, ses_id, at, legacy="eventType" not in event)
    happened, trouble = _happened(event, at, seen)
    name = ses_name(ses_id)
    facts: list[tuple[Name, Fact]] = [(name, mail_said), *[(name, fact) for fact in happened]]
    if link and mail_said.message_id:
        linked = Linked(accepted_at(ses_id, at, seen), ses_id, domain(mail_said.sender), mail_said.recipients)
        facts.append((message_id_name(mail_said.message_id), linked))
    return facts, trouble


def _happened(event: dict[str, Any], mail_at: Instant, seen: Instant) -> tuple[list[SesFact], Unparsable | None]:
    """What the event says beyond the mail itself."""
    name = event.get("eventType", event.get("notificationType"))
    if not isinstance(name, str) or not name.strip():
        return [], _bad_field("the event type is not text")
    kind = _kind(name)
    if kind is None:
        at = _dated(event.get(name[:1].lower() + name[1:]), mail_at, seen)
        return [OtherEvent(at, name[:_WORD])], None
    payload = event.get(kind.payload)
    if payload is None and not kind.people:
        payload = {}  # nothing in it is needed: the event type says it all
    if not isinstance(payload, dict):
        return [], _bad_field(f"{kind.payload} is not an object")
    people, all_read = _people(payload.get(kind.people)) if kind.people else ([], True)
    trouble = None if all_read else _bad_field(f"{kind.payload}.{kind.people} names a recipient that is no address")
    # A list of which nothing can be read must not pass for one that is empty, which would speak of all recipients.
    facts = kind.facts(_Said(_dated(payload, mail_at, seen), payload, people)) if people or all_read else []
    return facts, trouble


def _kind(name: str) -> _Kind | None:
    return _KINDS.get(name.lower().replace(" ", "").replace("_", ""))


def _people(entries: Any) -> tuple[list[tuple[str, dict[str, Any]]], bool]:
    """The recipients in a list of addresses or of objects with an `emailAddress`; and whether all could be read."""
    if not entries:
        return [], entries is None or entries == []
    if not isinstance(entries, list):
        return [], False
    people = [person for entry in entries if (person := _person(entry))]
    return people, len(people) == len(entries)


def _person(entry: Any) -> tuple[str, dict[str, Any]] | None:
    details = entry if isinstance(entry, dict) else {}
    named = details.get("emailAddress") if details else entry
    found = address(named) if isinstance(named, str) else ""
    return (found, details) if found else None


def _dated(payload: Any, mail_at: Instant, seen: Instant) -> Instant:
    """When it happened: not before the mail, nor after we read of it. A bounce's stamp is the ISP's, and may be off."""
    stamp = payload.get("timestamp") if isinstance(payload, dict) else None
    at = instant(text(stamp, _STAMP)) or mail_at
    if at <= mail_at:
        return mail_at
    return at if at <= seen else max(seen, mail_at)


def _without_id(ses_id: str) -> Unparsable:
    if ses_id and not ses_id.isprintable():  # it becomes a key, and stands in lines and on pages
        return _bad_field("mail.messageId holds control characters")
    if ses_id:
        return _bad_field(f"mail.messageId is longer than {_LONGEST_ID} characters")
    return Unparsable(Reason.MISSING_MESSAGE_ID, "mail.messageId is missing, empty or not text")


def _bad_field(detail: str) -> Unparsable:
    return Unparsable(Reason.BAD_FIELD, detail)
