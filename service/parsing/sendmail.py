"""What a line of Sendmail says about a mail.

Decides by `stat=`, which Sendmail writes last, behind the reply of the server. Neither an address nor a reply is to be
trusted: the fields between them are looked for as one piece, and a line that has that piece twice is not read. A queue
id that a notice was given (`QID: QID2: DSN: ...`) is noted as such, since a notice has no line of its own that says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from service.facts import Cause, Closed, Identified, Queued, Refused, Started, submission_name
from service.parsing.addresses import address
from service.parsing.delivering import (
    LONGEST_ADDRESS,
    LONGEST_REPLY,
    Attempt,
    elsewhere,
    one,
    put_off,
    recipients_in,
    refused,
    relay_named,
    submission,
    taken,
)
from service.parsing.replies import Relay, relay_of

if TYPE_CHECKING:
    from service.parsing.delivering import Facts
    from service.parsing.syslog import Line

_PROGRAM: Final = re.compile(r"sendmail(?:[-_]\w{1,32})?|sm-(?:mta|msp|client|que)[\w-]{0,32}").fullmatch
# `e6EBXrO12616` to `6AO8Clli021951`, and `SAA15929` in old versions.
_QUEUE_ID: Final = re.compile(r"(?=[A-Za-z]*\d)[A-Za-z0-9]{8,20}").fullmatch
_NOTICE: Final = re.compile(
    r"([A-Za-z0-9]{8,20}): (?:DSN|return to sender|sender notify|postmaster notify|return receipt): "
).match
_GIVEN_UP: Final = ("Cannot send message for ", "Cannot send message within ")

_RECEIVED: Final = re.compile(
    r", size=\d{1,12}+, class=-?\d{1,6}+, nrcpts=(\d{1,6}+)(?:, msgid=(<[^>]{0,998}>?|[^,]{0,998}))?"
)
_FROM: Final = re.compile(r", relay=([^,]{1,320}+)$").search
_MIDDLE: Final = re.compile(
    r", delay=(?:\d{1,6}\+)?\d\d:\d\d:\d\d(?:, xdelay=(?:\d{1,6}\+)?\d\d:\d\d:\d\d)?(?:, mailer=([^,\s]{1,64}+))?"
    # `pri`, `quarantine`, and what versions and builds add: `tls_verify`, `ntries`.
    r"(?:, (?!relay=|dsn=|reply=|stat=)[a-z_]{1,16}+=[^,]{0,320}+){0,8}+"
    r"(?:, relay=([^,]{0,320}+))?(?:, dsn=(\d\.\d{1,3}\.\d{1,3}))?"
    r", (?=reply=|stat=)"
)
_CONTROLLER: Final = re.compile(r", ctladdr=.{0,1000}$").search
# Mailers that speak with nobody.
_LOCAL: Final = re.compile(
    r"local|prog|\*file\*|\*include\*|procmail|cyrus\w*|lmtp|discard|error|uucp\w*|usenet"
).fullmatch

# Sendmail's own words, where it leaves the reply out.
_CAUSES: Final = (
    ("User unknown", Cause.BAD_ADDRESS),
    ("Data format error", Cause.BAD_ADDRESS),
    ("Host unknown", Cause.UNREACHABLE),
    ("Name server", Cause.UNREACHABLE),
    ("Message exceeds", Cause.TOO_LARGE),
    ("AUTH failure", Cause.AUTH_FAILED),
)


class _Status(NamedTuple):
    recipients: tuple[str, ...]
    mailer: str
    relay: str
    dsn: str
    reply: str
    stat: str


def is_sendmail(program: str) -> bool:
    """Whether a line with this tag is Sendmail's: `sendmail`, `sm-mta`, `sm-msp-queue`, `sendmail-in`."""
    return _PROGRAM(program) is not None


def parse_sendmail(line: Line, relays: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail, None where it should and cannot be read."""
    queue_id, colon, rest = line.message.partition(": ")
    if not colon or not _QUEUE_ID(queue_id):
        return []
    name = submission(line, queue_id)
    if rest.startswith("from="):
        return _from(line, name, rest)
    if rest.startswith("to="):
        return _to(line, name, rest, relays)
    if rest.startswith("done; delay="):
        return one(name, Closed(line.at, line.floating, "removed"))
    return _notice(line, name, rest)


def _from(line: Line, name: str, rest: str) -> Facts | None:
    found = _RECEIVED.search(rest)
    if found is None:
        return None
    count = int(found[1])
    if not count:  # every recipient was refused at the door
        return []
    sender = address(rest[len("from=") : found.start()].removeprefix("<").removesuffix(">"))[:LONGEST_ADDRESS]
    message_id = (found[2] or "").strip("<> ")
    client = _FROM(rest)
    facts: Facts = one(name, Started(line.at, line.floating, _client(client[1]) if client else ""))
    if message_id:
        facts += one(name, Identified(line.at, line.floating, message_id))
    return [*facts, (submission_name(name), Queued(line.at, line.floating, sender, count))]


def _client(relay: str) -> str:
    """`app.shop.example [10.0.0.7]`, `[10.0.0.7]` where it has no name, `www@localhost` for a local program."""
    name, _, ip = relay.partition("[")
    return name.strip() or ip.partition("]")[0]


def _notice(line: Line, name: str, rest: str) -> Facts:
    """`QID2: DSN: Service unavailable`: a notice to the sender was made, under a queue id of its own."""
    found = _NOTICE(rest)
    if found is None or not _QUEUE_ID(found[1]):
        return []
    notice: Facts = one(submission(line, found[1]), Queued(line.at, line.floating, "", 1))
    why = rest[found.end() :]
    if why.startswith(_GIVEN_UP):
        # What kept it from being sent is in the earlier lines; this says only that there will be no more tries.
        given_up = Refused(line.at, line.floating, (), Cause.OTHER_REFUSAL, why[:LONGEST_REPLY])
        return [(submission_name(name), given_up), *notice]
    return notice


# -- deliveries ------------------------------------------------------------------------------------------------------


def _to(line: Line, name: str, rest: str, relays: frozenset[str]) -> Facts | None:
    status = _status(rest)
    if status is None:
        return None
    word, _, text = status.stat.partition(" (")
    if not status.relay and (word == "Sent" or _LOCAL(status.mailer)):
        return elsewhere(Attempt(line, name, status.recipients, _local(status.mailer), ""))
    relay = _relay(status, relays)
    if word == "Sent":
        return taken(Attempt(line, name, status.recipients, relay, text.removesuffix(")"), text.endswith(")")))
    if word == "queued":
        return []  # nothing was tried
    attempt = Attempt(line, name, status.recipients, relay, status.reply or status.stat)
    if status.stat.startswith("Deferred"):
        text = status.reply or status.stat.removeprefix("Deferred").removeprefix(": ")
        attempt = Attempt(line, name, status.recipients, relay, text or status.stat)
        return put_off(attempt, _cause(status))
    return (put_off if status.dsn.startswith("4.") else refused)(attempt, _cause(status))


def _status(rest: str) -> _Status | None:
    middle = _MIDDLE.search(rest)
    if middle is None or _MIDDLE.search(rest, middle.end()):
        return None
    controller = _CONTROLLER(rest[: middle.start()][-1200:]) if ", ctladdr=" in rest[: middle.start()] else None
    end = middle.start() - len(controller[0]) if controller else middle.start()
    # A list that is too long for a line ends with dots.
    recipients = recipients_in(rest[len("to=") : end].removesuffix("..."))
    if not recipients:
        return None
    text = rest[middle.end() :]
    reply, _, stat = text.rpartition("stat=") if text.startswith("reply=") else ("", "", text.removeprefix("stat="))
    reply = reply.removeprefix("reply=").strip().removesuffix(",")
    return _Status(recipients, middle[1] or "", middle[2] or "", middle[3] or "", reply, stat)


def _relay(status: _Status, relays: frozenset[str]) -> Relay:
    """`email-smtp.us-east-1.amazonaws.com. [192.0.2.1]`, `[127.0.0.1] [127.0.0.1]`, or a name alone.

    The mailer `relay` is that of the smart host, which the operator named.
    """
    name, _, ip = status.relay.rpartition(" [")
    if name:
        found = relay_of(f"{name.strip('[]. ')}[{ip}", relays)
    else:
        found = relay_named(status.relay.strip().rstrip("."), relays)
    return replace(found, chosen=True) if status.mailer == "relay" else found


def _local(mailer: str) -> Relay:
    return Relay(mailer, ses=False, region="", elsewhere=True)


def _cause(status: _Status) -> Cause | None:
    """None where the reply says it."""
    if status.reply:
        return None
    # A connection was there, and broke or fell silent; when is not said, so SES may hold the mail. Without the relay's
    # address it was another mail's connection, and this one was not tried.
    if status.dsn == "4.4.2":
        return Cause.AMBIGUOUS if "[" in status.relay else Cause.UNREACHABLE
    return next((cause for word, cause in _CAUSES if word in status.stat[:64]), None)
