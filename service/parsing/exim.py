"""What a line of Exim's main log says about a mail, in its own file or through syslog.

Decides by the flag after the message id (`<=` in, `=>` and `->` out, `==` put off, `**` failed, `Completed`), and reads
the fields in the order in which Exim writes them. A subject, a HELO name or an address may look like any of them, so a
field counts only in its place, and a delivery that could be read in two ways is not read at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from service.facts import SECOND, Cause, Closed, Identified, Queued, Started, submission_name
from service.parsing.addresses import address
from service.parsing.delivering import (
    LONGEST_ADDRESS,
    NOBODY,
    Attempt,
    elsewhere,
    one,
    put_off,
    refused,
    submission,
    taken,
)
from service.parsing.replies import Relay, relay_of
from service.parsing.syslog import Line, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from service.facts import Instant
    from service.parsing.delivering import Facts

# 16 characters, or 23 since 4.97.
_ID: Final = r"[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})"
_STAMP: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?"
_PID: Final = r"(?:\[\d{1,10}\] )?"
# Through syslog the stamp comes twice, and of a long line only the first part (`[1/3]`) says whose it is.
_HEAD: Final = re.compile(rf"(?:\[1[/\\]\d{{1,3}}\] )?(?:{_STAMP} )?{_PID}({_ID}) (\S{{1,16}})(?: |$)").match
_BARE: Final = re.compile(rf"({_STAMP}) {_PID}(?={_ID} )").match
_PROGRAM: Final = re.compile(r"exim\d?(?:[-_/]\w{1,32})?").fullmatch

_WORD: Final = r"[^\s\"<>=:]{1,64}+"
_ROUTE: Final = re.compile(rf" R=({_WORD})(?: T=({_WORD}))?")
# How Debian, and AWS's own guide, name the way to a host that the operator chose.
_CHOSEN: Final = re.compile(r"smart_?host|(?<![a-z])ses(?![a-z])", re.IGNORECASE).search
_DEFERRED: Final = re.compile(rf"(?: R=({_WORD}))?(?: T=({_WORD}))? defer \((-?\w{{1,8}}+)\)").search
_HOST: Final = r"(\S{1,255}+) \[([0-9A-Fa-f.:]{2,45})\](:\d{1,5})?"
_NEXT_HOST: Final = re.compile(rf"(?: S=\w{{1,12}}+)? H={_HOST}").match
# Until 4.8x a refusal named the host in its text only.
_HOST_IN_TEXT: Final = re.compile(rf"(?: H=|: host ){_HOST}").search
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+"').match
# Between the address and the route: the sender, the queue, the return path.
_BEFORE_ROUTE: Final = re.compile(r"(?: (?:[FP]|SRS)=<[^>]{0,320}>| Q=\S{1,64})+$").search
_ADDRESS_END: Final = re.compile(
    r"(?:@[^\s<>:@]{1,255}+|@\[[^\]\s]{1,64}\]|>)((?: [FP]=<[^>]{0,320}>){0,2} ?): "
).search

# The names that Exim's own configuration, Debian's and cPanel's give to transports which speak with nobody.
_LOCAL: Final = re.compile(
    r"(?:local|mail_spool|maildir|mbox|address_(?:file|pipe|reply|directory)|(?:procmail|maildrop)_pipe|append|pipe|lmtp|"
    r"autoreply|vacation|reply|dovecot|virtual_|boxtrapper|cyrus|archiv)"
).match
_NOT_TRIED: Final = re.compile(r"retry time not reached|-odqs|queue_smtp_domains|queue_domains").search

# Exim's own words; those of a server come with "SMTP error from remote mail server".
_CAUSES: Final = tuple(
    (re.compile(pattern).search, cause)
    for pattern, cause in (
        (r"SMTP timeout after end of data|closed connection in response to end of data", Cause.AMBIGUOUS),
        (r"SMTP timeout after sending|SMTP timeout after|data timeout", Cause.TIMEOUT),
        (r"closed connection in response|have been failing for a long time|long failure period", Cause.UNREACHABLE),
        (
            r"lookup (?:for \S{1,255} )?did not complete|host lookup failed|host address lookups failed",
            Cause.UNREACHABLE,
        ),
        (r"lookup of host \S{1,255} failed|MX records point to non-existent hosts", Cause.UNREACHABLE),
        (r"message is too big|message too big", Cause.TOO_LARGE),
        (r"remote host address is the local host|no suitable authenticators", Cause.CONFIGURATION),
        (r"retry timeout exceeded", Cause.OTHER_REFUSAL),
    )
)


def is_exim(program: str) -> bool:
    """Whether a line with this tag is Exim's."""
    return _PROGRAM(program) is not None


def bare_exim(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    """A line of the main log itself, which names neither host nor program; None where it is none about a mail."""
    found = _BARE(text)
    if found is None:
        return None
    stamp = stamp_of(found[1], seen, zone)
    at, floating = (stamp.at, stamp.floating) if stamp else (seen, False)
    return Line(at, floating, "", "exim", text[found.end() :])


def parse_exim(line: Line, relays: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail, None where it should and cannot be read."""
    head = _HEAD(line.message)
    speaker = _FLAGS.get(head[2]) if head else None
    if head is None or speaker is None:
        return []
    return speaker(line, submission(line, head[1]), line.message[head.end() :], relays)


# -- in and done -----------------------------------------------------------------------------------------------------

_CLIENT: Final = re.compile(
    r" H=(?:([^\s(\[]\S{0,254}+) )?(?:\(\S{0,255}?\) )?\[([0-9A-Fa-f.:]{2,45})\]| U=(\S{1,64})"
).search
_MESSAGE_ID: Final = re.compile(r" S=\w{1,12}+(?: (?!id=|T=)\S{1,64}+){0,6} id=(\S{1,998})").search
_SUBJECT: Final = re.compile(r' T="(?:[^"\\]|\\.)*+"').search
_LONGEST_ID: Final = 998


def _arrived(line: Line, name: str, rest: str, _relays: frozenset[str]) -> Facts:
    quoted = _QUOTED(rest)
    sender, _, fields = rest[quoted.end() if quoted else 0 :].partition(" ")
    sender = rest[: quoted.end()] + sender if quoted else sender
    fields = f" {fields}"
    # A cut-through delivery is logged a moment before its mail's arrival, which must not be the later of the two.
    at = line.at - line.at % SECOND
    client, message_id, subject = _CLIENT(fields), _MESSAGE_ID(fields), _SUBJECT(fields)
    application = (client[1] or client[2] or client[3]) if client else ""
    _, _, recipients = fields[subject.end() if subject else 0 :].partition(" for ")
    queued = Queued(
        at, line.floating, "" if sender == "<>" else address(sender)[:LONGEST_ADDRESS], len(recipients.split())
    )
    found: Facts = one(name, Started(at, line.floating, application))
    if message_id:
        found += one(name, Identified(at, line.floating, message_id[1]))
    return [*found, (submission_name(name), queued)]


def _completed(line: Line, name: str, _rest: str, _: frozenset[str]) -> Facts:
    return one(name, Closed(line.at, line.floating, "removed"))


def _removed(line: Line, name: str, rest: str, _: frozenset[str]) -> Facts:
    return one(name, Closed(line.at, line.floating, "deleted")) if rest.startswith("by ") else []


# -- out -------------------------------------------------------------------------------------------------------------


def _delivered(line: Line, name: str, rest: str, relays: frozenset[str]) -> Facts | None:
    if rest.startswith("blackhole ("):
        return one(name, Closed(line.at, line.floating, "discarded"))
    route = _ROUTE.search(rest)
    if route is None or _ROUTE.search(rest, route.end()):
        return None
    recipient = _recipient(rest[: route.start()])
    if not recipient:
        return None
    host = _NEXT_HOST(rest, route.end())
    if host is None:
        return elsewhere(Attempt(line, name, (recipient,), _local(route[2] or route[1]), ""))
    reply, whole = _confirmation(rest, host.end())
    return taken(Attempt(line, name, (recipient,), _relay(host, route[0], relays), reply, whole))


_CONFIRMATION: Final = re.compile(r' C="((?:[^"\\]|\\.){0,1000}+)("?)').match


def _confirmation(rest: str, start: int) -> tuple[str, bool]:
    """The server's reply, and whether it is all there."""
    at = rest.find(' C="', start)
    found = _CONFIRMATION(rest, at) if at >= 0 else None
    return (found[1].replace('\\"', '"'), bool(found[2])) if found else ("", True)


def _bypassed(line: Line, name: str, rest: str, _: frozenset[str]) -> Facts | None:
    """`-N`: everything but the delivery."""
    route = _ROUTE.search(rest)
    recipient = _recipient(rest[: route.start()]) if route else ""
    if route is None or not recipient:
        return None
    return elsewhere(Attempt(line, name, (recipient,), _local(route[2] or route[1]), ""))


def _put_off(line: Line, name: str, rest: str, relays: frozenset[str]) -> Facts | None:
    found = _DEFERRED(rest)
    recipient = _recipient(rest[: found.start()]) if found else ""
    if found is None or not recipient:
        return None
    attempt = _failure(line, name, recipient, rest[found.end() :], found[0], relays)
    if _LOCAL(found[2] or ""):
        return elsewhere(Attempt(line, name, (recipient,), _local(found[2]), ""))
    # Nothing was tried: what it waits for was said when it was.
    return [] if _NOT_TRIED(attempt.reply) else put_off(attempt, _cause(attempt.reply))


def _failed(line: Line, name: str, rest: str, relays: frozenset[str]) -> Facts | None:
    route = _ROUTE.search(rest)
    end = None if route else _ADDRESS_END(rest)
    cut = route.start() if route else end.start(1) if end else -1
    recipient = _recipient(rest[:cut]) if cut > 0 else ""
    if not recipient:
        return None
    if route and _LOCAL(route[2] or ""):
        return elsewhere(Attempt(line, name, (recipient,), _local(route[2]), ""))
    attempt = _failure(line, name, recipient, rest[route.end() if route else cut :], route[0] if route else "", relays)
    return refused(attempt, _cause(attempt.reply))


def _failure(line: Line, name: str, recipient: str, tail: str, route: str, relays: frozenset[str]) -> Attempt:
    """`tail` is ` H=host [address] X=...: text` or `: text`."""
    host = _HOST_IN_TEXT(tail)
    relay = _relay(host, route, relays) if host else NOBODY
    return Attempt(line, name, (recipient,), relay, tail.partition(": ")[2].strip())


def _relay(host: re.Match[str], route: str, relays: frozenset[str]) -> Relay:
    relay = relay_of(f"{host[1]}[{host[2]}]{host[3] or ''}", relays)
    return replace(relay, chosen=True) if _CHOSEN(route) else relay


def _cause(text: str) -> Cause | None:
    if "SMTP error from remote mail server" in text:
        return None
    return next((cause for search, cause in _CAUSES if search(text)), None)


def _local(transport: str) -> Relay:
    return Relay(transport, ses=False, region="", elsewhere=True)


def _recipient(text: str) -> str:
    """`a@b`, `a <a@b>` (delivered here), `new@c <alias@b>`, or a local part without its quotes and `<"a b"@c>`."""
    fields = _BEFORE_ROUTE(text[-2000:]) if text.endswith(">") or " Q=" in text[-80:] else None
    text = text[: len(text) - len(fields[0])] if fields else text
    first, opened, original = text.rpartition(" <")
    if not opened or not original.endswith(">"):
        found = text
    elif "@" not in first or first.startswith(("/", "|", ":")) or _unquoted(original) == first:
        found = original[:-1]
    else:
        found = first.partition(" <")[0]
    recipient = address(found)
    return recipient if len(recipient) <= LONGEST_ADDRESS else ""


def _unquoted(original: str) -> str:
    local, _, domain = original[:-1].rpartition("@")
    return f"{local[1:-1]}@{domain}" if local.startswith('"') and local.endswith('"') else f"{local}@{domain}"


_FLAGS: Final[dict[str, Callable[[Line, str, str, frozenset[str]], Facts | None]]] = {
    "<=": _arrived,
    "(=": _arrived,
    "=>": _delivered,
    "->": _delivered,
    ">>": _delivered,
    "*>": _bypassed,
    "==": _put_off,
    "**": _failed,
    "Completed": _completed,
    "removed": _removed,
}
