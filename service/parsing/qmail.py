"""What a line of qmail (netqmail, notqmail, s/qmail) says about a mail, by multilog (also through
tai64nlocal) or through syslog.

qmail says what became of a delivery under the delivery's own number, and in an earlier line of which mail it was and to
whom. `service.assembler` makes one line of both: `delivery 9: msg 7 to remote ann@shop.example: success: ...`. Where
it could not, a line says what its reply says: that SES took a mail, by the id, or that a delivery failed for good.

qmail names the next hop by its address, if at all. So another server's words are another server's (rule 28), and only
SES's words and qmail's own, of a host that it could not reach, are about the way to SES. qmail ends a mail once every
recipient was taken or refused: those whose end this name did not hear of have theirs under the SES id or the delivery.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from service.facts import Cause, Closed, Elsewhere, Queued, Started
from service.parsing.addresses import address
from service.parsing.delivering import (
    NOBODY,
    Attempt,
    Half,
    elsewhere,
    in_words_of_ses,
    one,
    put_off,
    refused,
    submission,
    taken,
)
from service.parsing.instants import is_believable
from service.parsing.replies import Relay, relay_of, ses_id_in
from service.parsing.syslog import Line, Stamp, parse_line, stamp_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant
    from service.parsing.delivering import Facts

_PROGRAM: Final = re.compile(r"qmail(?:-send)?|\d{1,10}").fullmatch
_STAMP: Final = re.compile(r"\d{9,11}\.\d{1,9} ").match
_STARTING: Final = re.compile(r"starting delivery (\d{1,10}): (msg \d{1,20} to (?:local|remote) \S{1,998})\s*$").match
_DELIVERY: Final = re.compile(
    r"delivery (\d{1,10}): (?:msg (\d{1,20}) to (local|remote) (\S{1,998}): )?(success|failure|deferral): "
).match
_INFO: Final = re.compile(r"info msg (\d{1,20}): bytes \d{1,20} from <(.{0,998})> qp \d{1,10} uid (\d{1,10})\s*$").match
_END: Final = re.compile(r"end msg (\d{1,20})\s*$").match
_DOUBLE_BOUNCE: Final = "#@[]"
"""The sender of a notice of which no notice is sent."""
_TAI64N: Final = re.compile(r"@4[0-9a-f]{15}[0-9a-f]{8} ").match
_SECONDS: Final = re.compile(
    r"(\d{9,11})\.(\d{6}) (?=(?:delivery|starting delivery|info msg|end msg|new msg) \d)"
).match
# tai64nlocal's.
_LOCAL: Final = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9}) (?=(?:delivery|starting delivery|info msg|end msg|new msg) \d)"
).match
_EPOCH: Final = 2**62 + 10
"""TAI64 counts from 1970 in TAI, of which the daemon tools believe that it is ten seconds ahead of UTC."""

_NULLMAILER: Final = ("smtp: ", "Starting delivery: ", "From: <", "Message-I")
"""What a line of nullmailer's begins with, which is under multilog as often."""

_TAKER: Final = re.compile(r"([0-9A-Fa-f.:]{2,45})_accepted_message\.").match
_SAID: Final = "/Remote_host_said:_"

# qmail-remote's own words, of a host that it could not speak with.
_CAUSES: Final = (
    ("Possible duplicate!", Cause.AMBIGUOUS),
    ("I wasn't able to establish an SMTP connection", Cause.UNREACHABLE),
    ("but connection died", Cause.UNREACHABLE),
    ("CNAME lookup failed temporarily", Cause.UNREACHABLE),
    ("I couldn't find any host ", Cause.UNREACHABLE),
    ("TLS ", Cause.UNREACHABLE),
)


def is_qmail(program: str) -> bool:
    """Whether a line with this tag is qmail's. After tai64nlocal's stamp `delivery 12:` looks like a host and a tag."""
    return _PROGRAM(program) is not None


def bare_multilog(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    """A line that multilog or splogger stamped; who wrote it is plain from how it goes on. None where it is none."""
    if _TAI64N(text):
        at, rest = (int(text[1:17], 16) - _EPOCH) * 1000 + int(text[17:25], 16) // 1_000_000, text[26:]
    elif found := _SECONDS(text):
        at, rest = int(found[1]) * 1000 + int(found[2]) // 1000, text[found.end() :]
    elif found := _LOCAL(text):
        stamp = stamp_of(found[1], seen, zone) or Stamp(seen, floating=False)
        return Line(stamp.at, stamp.floating, "", "qmail", text[found.end() :])
    else:
        return None
    program = "nullmailer" if rest.startswith(_NULLMAILER) else "qmail"
    return Line(at if is_believable(at) else seen, False, "", program, rest)  # noqa: FBT003


def delivery_in(text: str) -> Half | None:
    """The start of a delivery, or its end; None for any other line."""
    line = parse_line(text, 0) or bare_multilog(text, 0, None) or Line(0, False, "", "qmail", text)  # noqa: FBT003
    if not is_qmail(line.program):
        return None
    message = _message(line)
    host = "" if line.program.isdigit() else line.host
    if starts := _STARTING(message):
        return Half(f"{host}/{starts[1]}", f"delivery {starts[1]}: ", f"{starts[2]}: ")
    ends = _DELIVERY(message)
    return Half(f"{host}/{ends[1]}", f"delivery {ends[1]}: ") if ends and not ends[2] else None


def parse_qmail(line: Line, relays: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail by itself."""
    message = _message(line)
    if line.program.isdigit():
        line = Line(line.at, line.floating, "", "qmail", message)
    if found := _DELIVERY(message):
        text = message[found.end() :]
        said, rest = _SAID in text, text.partition(_SAID)[2]
        reply = (rest.partition("/")[0] if said else text).replace("_", " ").rstrip("/")
        if found[2]:
            return _delivery(line, found, text, reply, relays)
        return _alone(line, found, reply if said else "", ended="/" in rest)
    return _of_mail(line, message)


def _message(line: Line) -> str:
    """What qmail said, without splogger's stamp."""
    if line.program.isdigit():
        return f"delivery {line.program}: {line.message}" if line.host == "delivery" else ""
    stamp = _STAMP(line.message)
    return line.message[stamp.end() :] if stamp else line.message


def _alone(line: Line, found: re.Match[str], reply: str, *, ended: bool) -> Facts:
    """The end of a delivery of which nothing else is known. A deferral makes no fact, as nothing would end it."""
    if found[5] == "success":
        return taken(Attempt(line, "", (), NOBODY, reply, ended)) if reply else []
    if found[5] == "failure" and in_words_of_ses(reply):
        name = submission(line, f"qmail:delivery-{found[1]}")
        return [
            *refused(Attempt(line, name, (), NOBODY, reply)),
            *one(name, Closed(line.at, line.floating, "removed")),
        ]
    return []


def _delivery(line: Line, found: re.Match[str], text: str, reply: str, relays: frozenset[str]) -> Facts:
    """The end of a delivery of a mail to a recipient."""
    said, ended = _SAID in text, "/" in text.partition(_SAID)[2]
    _, mail, where, recipient, end = found.groups()
    attempt = Attempt(line, submission(line, f"qmail:{mail}"), (address(recipient),), NOBODY, reply, ended)
    if where == "local":
        return elsewhere(attempt)
    if end == "success":
        return taken(attempt if ses_id_in(reply) else replace(attempt, relay=_next_hop(text, relays)))
    cause = None if said else next((cause for words, cause in _CAUSES if words in reply), None)
    # A mail that another refused did not go by SES; and of qmail's own words these alone speak of the way there.
    if not cause and not (said and in_words_of_ses(reply)):
        return elsewhere(attempt)
    return put_off(attempt, cause) if end == "deferral" else refused(attempt, cause)


def _next_hop(text: str, relays: frozenset[str]) -> Relay:
    """Who took a mail and gave no SES id: a stranger where the address is public, who may name any queue id."""
    found = _TAKER(text)
    ip = found[1] if found else ""
    return replace(relay_of(f"next.hop[{ip}]", relays), host=ip)


def _of_mail(line: Line, message: str) -> Facts:
    if found := _INFO(message):
        name = submission(line, f"qmail:{found[1]}")
        sender = "" if found[2] == _DOUBLE_BOUNCE else address(found[2])
        return [
            *one(name, Started(line.at, line.floating, f"uid={found[3]}")),
            *one(name, Queued(line.at, line.floating, sender, 0)),
        ]
    if found := _END(message):
        name = submission(line, f"qmail:{found[1]}")
        return [
            *one(name, Elsewhere(line.at, line.floating, (), "")),
            *one(name, Closed(line.at, line.floating, "removed")),
        ]
    return []
