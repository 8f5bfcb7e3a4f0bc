"""What a line of Postfix says about a mail.

Decides by who speaks: each service has its own function, and only a delivery agent's own status line says what became
of a recipient. A header check, a `reject:` or a `warning:` may quote `status=sent (250 Ok ...)` as a forger wrote it,
so nothing is ever searched for in the midst of a message whose beginning is not that of the line it should be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from service.facts import Cause, Closed, Identified, Queued, Refused, Started
from service.parsing.addresses import address
from service.parsing.delivering import (
    LONGEST_ADDRESS,
    LONGEST_REPLY,
    Attempt,
    Facts,
    elsewhere,
    one,
    put_off,
    refused,
    relay_named,
    taken,
)
from service.parsing.replies import relay_of
from service.parsing.syslog import Line, Stamp, stamp_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant

Speaker: TypeAlias = Callable[["Line", str, str, frozenset[str]], Facts | None]
"""(line, submission, what follows the queue id, relays that lead to SES) -> facts; None: it could not be understood."""

# Short ids are microseconds and inode in hex, long ones are base 52: letters and digits without vowels.
_QUEUE_ID: Final = re.compile(r"[0-9A-F]{5,64}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,64}").fullmatch
# The part of a status line that Postfix makes itself, between the recipient's address and the server's text. Neither
# of those is to be trusted. The bounds keep a search over hostile text linear.
_STATUS: Final = re.compile(
    r", relay=([^\s,]{1,300}+)(?:, [a-z_]{1,16}=[^\s,]{0,64}+){0,8}?, status=([A-Za-z-]{1,32}+)"
)
_QUOTED: Final = re.compile(r'to=<"(?:[^"\\]|\\.)*+"(?=@)', re.DOTALL).match
_QUEUED: Final = re.compile(r">, size=\d+, nrcpt=(\d{1,9})").search

_LONGEST_MESSAGE_ID: Final = 998

_NOT_DELIVERIES: Final = frozenset({"deliverable", "undeliverable", "undeliverable-but-not-cached"})  # address probes
_DISCARDS: Final = ("reject: ", "discard: ", "milter-discard: ", "milter-reject: ")


class _Program(msgspec.Struct, frozen=True, gc=False):
    """`instance/` where it is not the first, and the function that understands the service."""

    instance: str
    speaker: Speaker | None
    delivers: bool


class _Status(msgspec.Struct, frozen=True, gc=False):
    """A status line, taken apart. `whole`: the text's closing parenthesis was there, so nothing is cut off."""

    recipient: str
    relay: str
    status: str
    text: str
    whole: bool


def is_postfix(program: str) -> bool:
    """Whether a line with this tag is Postfix's: `postfix/smtp`, `postfix-out/smtp`, `postfix/relay/smtp`."""
    return _program(program) is not None


# A container's own output has no host, and perhaps a stamp and a severity: `2026-11-24T06:00:01.2Z INFO    postfix/…`.
_BARE: Final = re.compile(
    r"(?:(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?) {1,4}(?:[A-Z]{3,9} {1,8})?)?"
    r"(postfix[\w.-]{0,64}/[\w./-]{1,64})\[\d{1,10}\]: "
).match


def bare_postfix(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    """A line that begins with its tag, or with no more than a stamp and a severity before it; None for any other."""
    found = _BARE(text)
    if found is None or not is_postfix(found[2]):
        return None
    stamp = (stamp_of(found[1], seen, zone) if found[1] else None) or Stamp(seen, floating=False)
    return Line(stamp.at, stamp.floating, "", found[2], text[found.end() :])


def parse_postfix(line: Line, relays: frozenset[str] = frozenset()) -> Facts | None:
    """The facts in one line of Postfix: none where it says nothing of a mail, None where it should and cannot be read.

    `relays`: further host names, in lower case, that lead to SES.
    """
    program = _program(line.program)
    if program is None or program.speaker is None:
        return []
    queue_id, _, rest = line.message.partition(": ")
    if not _QUEUE_ID(queue_id):
        return None if program.delivers and _is_damaged(line.message) else []
    submission = f"{line.host.lower() or '-'}/{program.instance}{queue_id}"
    return program.speaker(line, submission, rest, relays)


# `syslog_name=postfix-192.0.2.1` names the outgoing address of one transport in master.cf, not an instance: the other
# lines about the same queue id say `postfix`.
_IS_LABEL: Final = re.compile(r"postfix-\d{1,3}(?:\.\d{1,3}){3}").fullmatch


@lru_cache(maxsize=1024)
def _program(tag: str) -> _Program | None:
    first, _, rest = tag.partition("/")
    service = rest.rpartition("/")[2]
    if first != "postfix" and not first.startswith("postfix-") and (not service or service not in SPEAKERS):
        return None
    instance = "" if first == "postfix" or _IS_LABEL(first) else first + "/"
    return _Program(instance, SPEAKERS.get(service), service in _DELIVERIES)


def _is_damaged(message: str) -> bool:
    """Whether this was a status line whose queue id cannot be read; `warning: to=<...` never was one."""
    return "to=<" in message and ", status=" in message and message.partition(": ")[0] not in _WORDS


_WORDS: Final = frozenset({"NOQUEUE", "info", "warning", "error", "fatal", "panic"})


# -- taking mail in --------------------------------------------------------------------------------------------------


def _smtpd(line: Line, submission: str, rest: str, _: frozenset[str]) -> Facts:
    if not rest.startswith("client="):
        return []
    return one(submission, Started(line.at, line.floating, _client(rest.removeprefix("client="))))


def _client(text: str) -> str:
    """The client's host name, or its address where it has no name. Behind a content filter: the client before it."""
    client = text.partition(", ")[0]
    _, behind, original = text.partition(", orig_client=")
    name, _, ip = (original.partition(", ")[0] if behind else client).partition("[")
    return (ip.partition("]")[0] if name == "unknown" and ip else name)[:LONGEST_ADDRESS]


def _pickup(line: Line, submission: str, rest: str, _: frozenset[str]) -> Facts:
    if not rest.startswith("uid="):
        return []
    user, sender = rest.partition(" from=<")[::2]
    requeued, before = sender.rpartition("> orig_id=")[1:]
    before = before if requeued and _QUEUE_ID(before) else ""
    return one(submission, Started(line.at, line.floating, user.partition(" ")[0][:LONGEST_ADDRESS], before))


def _cleanup(line: Line, submission: str, rest: str, relays: frozenset[str]) -> Facts | None:
    if rest.startswith("message-id="):
        message_id = _without_brackets(rest.removeprefix("message-id="))
        return one(submission, Identified(line.at, line.floating, message_id)) if message_id else []
    # A milter may reject one recipient; the mail goes on to the others.
    if rest.startswith(_DISCARDS) and not rest.startswith("milter-reject: RCPT"):
        return one(submission, Closed(line.at, line.floating, "discarded"))
    return _way(line, submission, rest, relays)


def _without_brackets(header: str) -> str:
    """`<a@b>` as well as `<a@b> (added by mx.example)` or `=?UTF-8?B?...`, which has none."""
    _, opened, rest = header.partition("<")
    inside, closed, _ = rest.partition(">")
    return (inside if opened and closed else header).strip().strip("<>")[:_LONGEST_MESSAGE_ID]


# -- the queue -------------------------------------------------------------------------------------------------------


def _qmgr(line: Line, submission: str, rest: str, relays: frozenset[str]) -> Facts | None:
    if rest == "removed":
        return one(submission, Closed(line.at, line.floating, "removed"))
    if rest.startswith("from=<"):
        return _from(line, submission, rest)
    return _way(line, submission, rest, relays)


def _from(line: Line, submission: str, rest: str) -> Facts | None:
    queued = _QUEUED(rest)
    if queued:
        sender = rest[len("from=<") : queued.start()]
        return one(submission, Queued(line.at, line.floating, address(sender)[:LONGEST_ADDRESS], int(queued[1])))
    _, given_up, reply = rest.rpartition(">, status=")
    if given_up and reply.startswith(("expired", "force-expired")):
        # What kept it from being sent is in the earlier `deferred`; this says only that there will be no more tries.
        return one(submission, Refused(line.at, line.floating, (), Cause.OTHER_REFUSAL, reply[:LONGEST_REPLY]))
    return None


_BY_HAND: Final = {"removed": "deleted", "requeued": "requeued"}


def _postsuper(line: Line, submission: str, rest: str, _: frozenset[str]) -> Facts:
    how = _BY_HAND.get(rest)
    return one(submission, Closed(line.at, line.floating, how)) if how else []


# -- deliveries ------------------------------------------------------------------------------------------------------


def _smtp(line: Line, submission: str, rest: str, relays: frozenset[str]) -> Facts | None:
    """The SMTP client, which alone speaks with SES."""
    return _delivery(line, submission, rest, relays, taken)


def _way(line: Line, submission: str, rest: str, relays: frozenset[str]) -> Facts | None:
    """Agents that speak for a delivery that was not tried: `error`, and with no agent at all `qmgr` and `cleanup`."""
    return _delivery(line, submission, rest, relays, elsewhere)


def _delivery(
    line: Line, submission: str, rest: str, relays: frozenset[str], sent: Callable[[Attempt], Facts]
) -> Facts | None:
    status = _status(line, submission, rest)
    if not isinstance(status, _Status):
        return status
    attempt = _attempt(line, submission, status, relays)
    return sent(attempt) if status.status == "sent" else _not_sent(attempt, status.status)


def _local(line: Line, submission: str, rest: str, relays: frozenset[str]) -> Facts | None:
    """Agents that never speak with SES, whatever they say."""
    status = _status(line, submission, rest)
    if not isinstance(status, _Status):
        return status
    return elsewhere(_attempt(line, submission, status, relays))


def _unnamed(line: Line, submission: str, rest: str, relays: frozenset[str]) -> Facts | None:
    """Rsyslog ends `programname` at the slash and leaves `postfix`: the beginning of the line says which service."""
    if rest.startswith("to="):
        found = _STATUS.search(rest)
        by_network = found is None or found[1] == "none" or ("[" in found[1] and "[private/" not in found[1])
        return (_smtp if by_network else _local)(line, submission, rest, relays)
    speaker = next((speaker for start, speaker in _BEGINNINGS if rest.startswith(start)), None)
    return speaker(line, submission, rest, relays) if speaker else []


_BEGINNINGS: Final[tuple[tuple[str, Speaker], ...]] = (
    ("client=", _smtpd),
    ("uid=", _pickup),
    ("message-id=", _cleanup),
    ("from=<", _qmgr),
    ("removed", _qmgr),
)

_DELIVERIES: Final[dict[str, Speaker]] = {
    "smtp": _smtp,
    "error": _way,
    "retry": _way,
    "lmtp": _local,
    "local": _local,
    "virtual": _local,
    "pipe": _local,
    "discard": _local,
}

SPEAKERS: Final[dict[str, Speaker]] = {
    "smtpd": _smtpd,
    "qmqpd": _smtpd,
    "pickup": _pickup,
    "cleanup": _cleanup,
    "qmgr": _qmgr,
    "nqmgr": _qmgr,
    "oqmgr": _qmgr,
    "postsuper": _postsuper,
    **_DELIVERIES,
    "": _unnamed,
}
"""Who understands which service. Services that are not here say nothing about one mail that another does not say."""


def _status(line: Line, submission: str, rest: str) -> _Status | Facts | None:
    """The status line; facts where it is another line, or of a probe, which is no mail; None where it is unreadable."""
    status = _taken_apart(rest)
    if isinstance(status, _Status) and status.status in _NOT_DELIVERIES:
        return one(submission, Closed(line.at, line.floating, "discarded"))
    return status


def _taken_apart(rest: str) -> _Status | Facts | None:
    if not rest.startswith("to="):
        return None if _looks_like_a_status(rest) else []
    # With a quoted local part it is plain where the address ends.
    quoted = _QUOTED(rest) if rest.startswith('to=<"') else None
    start = quoted.end() if quoted else 0
    found = _STATUS.search(rest, start)
    if found is None or (not quoted and _repeats(rest, found.end())):
        return None
    recipient = _recipient(rest[: found.start()], start)
    if not recipient or len(recipient) > LONGEST_ADDRESS:
        return None
    text = rest[found.end() :].strip()
    whole = text.startswith("(") and text.endswith(")")
    text = text[1:-1] if whole else text.removeprefix("(")
    return _Status(recipient, found[1], found[2].lower(), text[:LONGEST_REPLY], whole)


def _looks_like_a_status(rest: str) -> bool:
    """A damaged status line. `warning: header ... status=sent (250 ...` is none: it begins with a word and a colon."""
    return ", status=sent (" in rest and not rest.partition(" ")[0].endswith(":")


def _repeats(rest: str, start: int) -> bool:
    """Whether the middle of a status line comes again: an address or a reply was made to look like it."""
    return rest.find(", relay=", start) >= 0 and _STATUS.search(rest, start) is not None


def _recipient(text: str, start: int) -> str:
    """`to=<a@b>`, `to=<a@b>, orig_to=<c@d>` or, as old versions of local wrote it, `to=a@b`."""
    end = text.find(", orig_to=", start)
    text = text[len("to=") : end if end >= 0 else None]
    return address(text.removeprefix("<").removesuffix(">"))


# With `relay=none` only the text says whom Postfix could not reach.
_PEER: Final = re.compile(
    r"(?:connect to|connection with|conversation with|host) ([\w.-]{1,255}\[[^\]]{1,64}\])"
    r"|(?:name service error for name=|unable to look up host )([\w.-]{1,255})",
    re.IGNORECASE,
).search


def _attempt(line: Line, submission: str, status: _Status, relays: frozenset[str]) -> Attempt:
    relay = relay_of(status.relay, relays)
    peer = _PEER(status.text) if relay.host in {"none", ""} else None
    if peer:
        relay = relay_of(peer[1], relays) if peer[1] else relay_named(peer[2].rstrip("."), relays)
    return Attempt(line, submission, (status.recipient,), relay, status.text, status.whole)


_NO_SUCH_USER: Final = ("User unknown in ", "unknown user: ")
"""Postfix knows by its own tables (virtual aliases, local and relay recipients) that there is nobody to relay to."""


def _not_sent(attempt: Attempt, status: str) -> Facts | None:
    match status:
        case "deferred" | "softbounce":
            return put_off(attempt)
        case "bounced":
            return elsewhere(attempt) if attempt.reply.startswith(_NO_SUCH_USER) else refused(attempt)
        case _:
            return None
