"""What a line of OpenSMTPD says about a mail.

Decides by its kind: `smtp message` takes it in, `smtp envelope` names the sender, `mta delivery` says what became of
one recipient. The upper half of an envelope's id is the mail's. Neither addresses nor replies are to be trusted, so
what stands between them is looked for as one piece, and a line that has it twice is not read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from service.facts import Cause, Elsewhere, Queued, Started
from service.parsing.addresses import address
from service.parsing.delivering import (
    LONGEST_ADDRESS,
    NOBODY,
    Attempt,
    one,
    put_off,
    refused,
    submission,
    taken,
)
from service.parsing.replies import Relay, relay_of
from service.parsing.syslog import Line

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant
    from service.parsing.delivering import Facts

_MESSAGE: Final = re.compile(
    r"[0-9a-f]{16} smtp (?:event=)?message (?:\S{1,320}+ ){0,4}?msgid=([0-9a-f]{8})(?: |$)"
).match
_ENVELOPE: Final = re.compile(r"[0-9a-f]{16} smtp (?:event=)?envelope evpid=([0-9a-f]{8})[0-9a-f]{8} from=<").match
_DELIVERY: Final = re.compile(r"[0-9a-f]{16} (mta|mda) (?:event=)?delivery evpid=([0-9a-f]{8})[0-9a-f]{8} from=<").match
_EXPIRED: Final = re.compile(
    r"relay: (?:Expire|Remove) for ([0-9a-f]{8})[0-9a-f]{8}: (?:session=[0-9a-f]{16}, )?from=<"
).match
_BARE: Final = re.compile(r"[0-9a-f]{16} (?:mta|mda|smtp) (?:event=)?(?:delivery|message|envelope) ").match

_MIDDLE: Final = re.compile(
    r'> rcpt=<[^>]{0,998}> source="[^"]{0,128}" relay="([^"]{0,320})" delay=\S{1,32} result="(\w{1,16})" stat="'
)
_TO: Final = "> to=<"
_REPLY: Final = re.compile(r", rcpt=<[^>]{0,998}>, .{0,400}?stat=").search
_RELAY: Final = re.compile(r"(\S{1,64}) \((\S{1,255})\)").fullmatch
# The name is the one that DNS gives the address, and that of SES's endpoints is one of EC2's.
_SOMEWHERE_AT_AMAZON: Final = re.compile(r"ec2-[\d-]{7,40}\.[a-z0-9.-]{1,64}\.amazonaws\.com(?:\.cn)?").fullmatch


def is_opensmtpd(program: str) -> bool:
    """Whether a line with this tag is OpenSMTPD's."""
    return program == "smtpd"


def bare_opensmtpd(text: str, seen: Instant, _: tzinfo | None) -> Line | None:
    """A line of `smtpd -d`, as it comes out of a container; None where it is none about a mail."""
    return Line(seen, False, "", "smtpd", text) if _BARE(text) else None  # noqa: FBT003


def parse_opensmtpd(line: Line, relays: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail, None where it should and cannot be read."""
    text = line.message
    if found := _MESSAGE(text):
        return one(submission(line, found[1]), Started(line.at, line.floating, ""))
    if found := _ENVELOPE(text):
        sender, to, _ = text[found.end() :].partition(_TO)
        if not to:
            return None
        return one(submission(line, found[1]), Queued(line.at, line.floating, address(sender)[:LONGEST_ADDRESS], 1))
    if found := _DELIVERY(text):
        deliver = _mta if found[1] == "mta" else _mda
        return deliver(line, submission(line, found[2]), text[found.end() :], relays)
    if found := _EXPIRED(text):
        return _expired(line, submission(line, found[1]), text[found.end() :], relays)
    return []


def _mta(line: Line, name: str, rest: str, relays: frozenset[str]) -> Facts | None:
    middle = _MIDDLE.search(rest)
    if middle is None or _MIDDLE.search(rest, middle.end()):
        return None
    recipient = _recipient(rest[: middle.start()])
    if not recipient:
        return None
    text = rest[middle.end() :]
    reply = text.removesuffix('"')
    attempt = Attempt(line, name, (recipient,), _relay(middle[1], reply, relays), reply, text.endswith('"'))
    match middle[2]:
        case "Ok":
            return taken(attempt)
        case "TempFail":
            return put_off(attempt, _cause(reply))
        case "PermFail" | "Loop" | "Expired" | "Expire":
            return refused(attempt, _cause(reply))
        case _:
            return None


def _mda(line: Line, name: str, rest: str, _: frozenset[str]) -> Facts | None:
    end = rest.find("> rcpt=<")
    recipient = _recipient(rest[: end if end >= 0 else rest.find("> user=")])
    return one(name, Elsewhere(line.at, line.floating, (recipient,), "mda")) if recipient else None


def _expired(line: Line, name: str, rest: str, _: frozenset[str]) -> Facts | None:
    """An older form of line, in which only the end of the queue's patience is still written."""
    sender, to, tail = rest.partition(">, to=<")
    found = _REPLY(tail)
    recipient = _recipient(f"{sender}{_TO}{tail[: found.start() - 1]}") if to and found else ""
    if not found or not recipient:
        return None
    # What kept it from being sent is in the earlier lines; this says only that there will be no more tries.
    attempt = Attempt(line, name, (recipient,), NOBODY, tail[found.end() :])
    return refused(attempt, Cause.OTHER_REFUSAL)


def _recipient(text: str) -> str:
    """`sender> to=<recipient`, where the sender may hold anything."""
    _, to, recipient = text.rpartition(_TO)
    found = address(recipient) if to else ""
    return found if len(found) <= LONGEST_ADDRESS else ""


def _relay(text: str, reply: str, relays: frozenset[str]) -> Relay:
    """`192.0.2.1 (name)`."""
    found = _RELAY(text)
    relay = relay_of(f"{found[2]}[{found[1]}]", relays) if found else NOBODY
    if not relay.elsewhere or not _SOMEWHERE_AT_AMAZON(relay.host):
        return relay
    # What OpenSMTPD says itself no server can forge.
    return Relay(relay.host, ses=False, region="", elsewhere=_cause(reply) is None, chosen=True)


def _cause(reply: str) -> Cause | None:
    """None where the server's reply says it; else in OpenSMTPD's own words."""
    # Not said is whether the mail was already with the server.
    if reply.startswith(("Connection closed unexpectedly", "IO Error", "Connection timeout")):
        return Cause.AMBIGUOUS
    if reply.startswith(("Network error", "No MX", "Could not retrieve", "Address family")):
        return Cause.UNREACHABLE
    return None
