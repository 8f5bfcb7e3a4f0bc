"""What a JSON document of Halon MTA says about a mail, in the two shapes that its published modules give it.

One is flat (halon-extras/postmastery: `"type": "SMTP"`), the other holds Halon's own values (halon-extras/emailconsul:
`"type": "delivery"` and `"queue"`). A document that lacks what these have is none of Halon's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from service.facts import Closed, Queued, Started, submission_name
from service.parsing.addresses import address
from service.parsing.delivering import (
    LONGEST_ADDRESS,
    LONGEST_REPLY,
    NOBODY,
    Attempt,
    one,
    put_off,
    refused,
    relay_named,
    submission,
    taken,
)
from service.parsing.instants import is_believable
from service.parsing.replies import Relay, relay_of
from service.parsing.syslog import Line

if TYPE_CHECKING:
    from service.facts import Instant
    from service.parsing.delivering import Facts

_ID: Final = re.compile(r"[\w:.-]{8,128}").fullmatch
_IP: Final = re.compile(r"[0-9A-Fa-f.:]{2,45}").fullmatch
_STATUS: Final = {"DELIVER": "delivered", "QUEUE": "delayed", "DELETE": "failed", "BOUNCE": "failed"}


def read_halon(document: dict[str, Any], seen: Instant, relays: frozenset[str]) -> Facts | None:
    """The facts in a document of Halon's; None where it is none."""
    match document.get("type"):
        case "SMTP" if "recipient_localpart" in document:
            return _flat(document, seen, relays)
        case "delivery" if isinstance(document.get("message"), dict) and "attempt" in document:
            return _nested(document, seen, relays)
        case "queue" if "transportid" in document:
            return _queued(document, seen)
    return None


def _flat(document: dict[str, Any], seen: Instant, relays: frozenset[str]) -> Facts | None:
    line = _line(document, document.get("ts_attempt"), seen, 1000)
    recipient = f"{_text(document, 'recipient_localpart')}@{_text(document, 'recipient_domain')}"
    name = _name(line, document.get("messageid"))
    if not name or recipient.startswith("@") or recipient.endswith("@"):
        return None
    code = document.get("result_code")
    reply = f"{code} {_text(document, 'result_reason')}" if code else _text(document, "error_message")
    relay = _relay(_text(document, "connection_remotemx"), _text(document, "connection_remoteip"), relays)
    attempt = Attempt(line, name, (address(recipient)[:LONGEST_ADDRESS],), relay, reply[:LONGEST_REPLY])
    return _judged(attempt, _text(document, "status"), _text(document, "sender"))


def _nested(document: dict[str, Any], seen: Instant, relays: frozenset[str]) -> Facts | None:
    message, attempt = document["message"], _dict(document, "attempt")
    line = _line(document, document.get("time"), seen, 1)
    name = _name(line, message.get("id"))
    recipient = _address(message, "recipient")
    if not name or not recipient:
        return None
    result, error, way = _dict(attempt, "result"), _dict(attempt, "error"), _dict(attempt, "connection")
    reason = result.get("reason")
    said = " ".join(map(str, reason)) if isinstance(reason, list) else str(reason or "")
    reply = f"{result.get('code')} {said}" if result else _text(error, "message")
    status = _STATUS.get(_text(document, "action"), "delivered" if result else "removed")
    relay = _relay(_text(way, "remotemx"), _text(way, "remoteip"), relays)
    tried = Attempt(line, name, (recipient,), relay, reply[:LONGEST_REPLY])
    return _judged(tried, status, _address(message, "sender"))


def _queued(document: dict[str, Any], seen: Instant) -> Facts | None:
    line = _line(document, document.get("time"), seen, 1)
    name = _name(line, document.get("id"))
    if not name:
        return None
    client = _text(_dict(document, "connection"), "remoteip")[:LONGEST_ADDRESS]
    sender = address(_text(document, "sender"))[:LONGEST_ADDRESS]
    started, queued = Started(line.at, line.floating, client), Queued(line.at, line.floating, sender, 1)
    return [(submission_name(name), started), (submission_name(name), queued)]


def _judged(attempt: Attempt, status: str, sender: str) -> Facts | None:
    line, name = attempt.line, attempt.submission
    queued = one(name, Queued(line.at, line.floating, address(sender)[:LONGEST_ADDRESS], 1))
    match status:
        case "delivered":
            return [*queued, *taken(attempt)]
        case "delayed":
            return [*queued, *put_off(attempt)]
        case "failed":
            return [*queued, *refused(attempt)]
        case "removed":
            return one(name, Closed(line.at, line.floating, "deleted"))
        case _:
            return None


# -- values ----------------------------------------------------------------------------------------------------------


def _line(document: dict[str, Any], stamp: Any, seen: Instant, scale: int) -> Line:
    at = seen
    if isinstance(stamp, int | float) and not isinstance(stamp, bool) and 0 < stamp < 2**53:
        at = round(stamp * scale)
    host = _text(document, "hostname")
    host = host if len(host.split()) == 1 and len(host) <= 255 else ""  # noqa: PLR2004 -- the longest name that DNS has
    return Line(at if is_believable(at) else seen, False, host, "halon", "")  # noqa: FBT003


def _name(line: Line, value: Any) -> str:
    if isinstance(value, dict):
        value = f"{value.get('transaction')}:{value.get('queue')}"
    return submission(line, value) if isinstance(value, str) and _ID(value) else ""


def _relay(host: str, ip: str, relays: frozenset[str]) -> Relay:
    host = host[:255].rstrip(".")
    if not host:
        return NOBODY
    return relay_of(f"{host}[{ip}]", relays) if _IP(ip) else relay_named(host, relays)


def _address(message: dict[str, Any], key: str) -> str:
    parts = _dict(message, f"{key}address")
    whole = f"{_text(parts, 'localpart')}@{_text(parts, 'domain')}" if parts else _text(message, key)
    found = address(whole)
    return found if len(found) <= LONGEST_ADDRESS and found != "@" else ""


def _dict(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""
