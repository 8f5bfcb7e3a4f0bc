"""What the small clients say: nullmailer, sSMTP and the DragonFly mail agent.

None of them says in one line which mail it means, to whom it went and what the server said. Nullmailer says it in two
lines, and since version 2 in four, which `service.assembler` makes one of. A line alone gives an acceptance by the SES
id, and a failure for good under a name of its own; that something was put off makes no fact, since it could not be seen
to end. sSMTP's `Sent mail for ... (221 Bye)` says that some server took some mail, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from service.facts import Closed, Identified, Queued
from service.parsing.addresses import address
from service.parsing.delivering import (
    NOBODY,
    Attempt,
    Half,
    in_words_of_ses,
    one,
    put_off,
    refused,
    relay_named,
    submission,
    taken,
)
from service.parsing.qmail import bare_multilog
from service.parsing.replies import relay_of
from service.parsing.syslog import Line, parse_line

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant
    from service.parsing.delivering import Facts

_Reader = Callable[["Line", frozenset[str]], "Facts"]


def is_simple(program: str) -> bool:
    """Whether a line with this tag is one of theirs."""
    return program.lower() in _READERS


def parse_simple(line: Line, relays: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail by itself."""
    return _READERS[line.program.lower()](line, relays)


# Of version 1 and of version 2; nullmailer hands its mails on one after the other.
_STARTS: Final = re.compile(
    r"Starting delivery: (?:host: (\S{1,255}) protocol: smtp|protocol: smtp host: (\S{1,255})) "
    r"file: (\d{1,12}\.\d{1,10})\s*$"
).match
_ATTEMPT: Final = re.compile(r"smtp: (?:file (\d{1,12}\.\d{1,10}) at (\S{1,255}): )?").match
_ENVELOPE: Final = re.compile(r"From: <([^\s<>]{0,320})> to: ((?:<[^\s<>]{1,320}>,? ?){1,1000}+)").match
_MESSAGE_ID: Final = re.compile(r"(?i:message-id): <([^\s<>]{1,998})>\s*").match
_END: Final = re.compile(r"(Succeeded|Failed): ").match
_RECIPIENT: Final = re.compile(r"<([^\s<>]{1,320})>").findall


def attempt_in(text: str) -> Half | None:
    """The start of an attempt of nullmailer's, or its end; None for any other line."""
    line = parse_line(text, 0) or bare_multilog(text, 0, None)
    if line and _READERS.get(line.program.lower()) is not _nullmailer:
        return None
    host, message = (line.host, line.message) if line else ("", text)
    whose = f"{host}/nullmailer"
    if starts := _STARTS(message):
        return Half(whose, _MARK, f"file {starts[3]} at {starts[1] or starts[2]}: ")
    if more := _ENVELOPE(message) or _MESSAGE_ID(message):
        return Half(whose, "", f"{more[0].rstrip()} ") if more.end() == len(message.rstrip("\r\n")) else None
    return Half(whose, _MARK) if message.startswith(_MARK) and _END(message, len(_MARK)) else None


def bare_nullmailer(text: str, seen: Instant, _: tzinfo | None) -> Line | None:
    """What was joined of nullmailer's own output, which has no header; None for any other text."""
    known = _ATTEMPT(text) if text.startswith(_MARK) else None
    return Line(seen, False, "", "nullmailer", text) if known and known[1] else None  # noqa: FBT003


_MARK: Final = "smtp: "


def _nullmailer(line: Line, relays: frozenset[str]) -> Facts:
    known = _ATTEMPT(line.message)
    if known is None:
        return []
    file, host = known.groups()
    envelope = _ENVELOPE(line.message, known.end()) if file else None
    identified = _MESSAGE_ID(line.message, (envelope or known).end()) if file else None
    end = _END(line.message, (identified or envelope or known).end())
    if end is None:
        return []
    reply = line.message[end.end() :]
    if not file:
        if end[1] == "Succeeded":
            return taken(Attempt(line, "", (), NOBODY, reply))
        return _for_good(line, "nullmailer", reply) if reply.startswith("5") else []
    to = tuple([address(each) for each in _RECIPIENT(envelope[2])]) if envelope else ()
    attempt = Attempt(line, submission(line, f"nullmailer:{file}"), to, relay_named(host, relays), reply)
    return [*_described(attempt, envelope, identified), *_attempted(attempt, accepted=end[1] == "Succeeded")]


def _described(attempt: Attempt, envelope: re.Match[str] | None, identified: re.Match[str] | None) -> Facts:
    """What only version 2 says: from whom, to how many, and the Message-ID."""
    line, facts = attempt.line, []
    if envelope:
        sender = Queued(line.at, line.floating, address(envelope[1]), len(attempt.recipients))
        facts += one(attempt.submission, sender)
    if identified:
        facts += one(attempt.submission, Identified(line.at, line.floating, identified[1]))
    return facts


def _attempted(attempt: Attempt, *, accepted: bool) -> Facts:
    if not accepted and not attempt.reply.startswith("5"):
        return put_off(attempt)
    closed = one(attempt.submission, Closed(attempt.line.at, attempt.line.floating, "removed"))
    return [*(taken(attempt) if accepted else refused(attempt)), *closed]


# What sSMTP logs when it dies; it never tries again.
_DIED: Final = re.compile(
    r"(?:(?:Authorization failed|Server didn't (?:like|accept) our AUTH LOGIN|Server rejected AUTH CRAM-MD5|"
    r"RCPT TO:<.{1,998}?>|Invalid response: .{0,255}?) \()?([45]\d\d .{0,1000}?)\)?$"
).match
# The reply to QUIT stands there, unless the connection ended before it: then the one before, with the id.
_SENT: Final = re.compile(r"Sent mail for \S{1,320} \((250 [^()]{1,255})\)(?: uid=| |$)").match
_UNREACHED: Final = re.compile(r"Cannot open (\S{1,255}):\d{1,5}$").match


def _ssmtp(line: Line, relays: frozenset[str]) -> Facts:
    if sent := _SENT(line.message):
        return taken(Attempt(line, "", (), NOBODY, sent[1]))
    unreached = _UNREACHED(line.message)
    if unreached:
        relay = relay_of(unreached[1], relays)
        text = f"cannot connect: {line.message}"
        name = _name(line, "ssmtp")
        return put_off(Attempt(line, name, (), relay, text)) if relay.ses else []
    died = _DIED(line.message)
    if not died or not in_words_of_ses(died[1]):
        return []
    if died[1].startswith("4"):
        return put_off(Attempt(line, _name(line, "ssmtp"), (), NOBODY, died[1]))
    return _for_good(line, "ssmtp", died[1])


_DMA: Final = re.compile(r"remote delivery to (\S{1,255}) \[([0-9A-Fa-f.:]{2,45})\] failed after .{1,64}?: ").match


def _dma(line: Line, relays: frozenset[str]) -> Facts:
    """The queue id stands in the brackets of the tag, where others have the process id, and is not kept."""
    found = _DMA(line.message)
    reply = line.message[found.end() :] if found else ""
    if found is None or not relay_of(f"{found[1]}[{found[2]}]", relays).ses:
        return []
    return _final(line, "dma", reply)


def _for_good(line: Line, client: str, reply: str) -> Facts:
    return _final(line, client, reply) if in_words_of_ses(reply) else []


def _final(line: Line, client: str, reply: str) -> Facts:
    name = _name(line, client)
    closed = one(name, Closed(line.at, line.floating, "removed"))
    return [*refused(Attempt(line, name, (), NOBODY, reply)), *closed]


def _name(line: Line, client: str) -> str:
    said = blake2b(f"{line.at} {line.message}".encode(errors="replace"), digest_size=8).hexdigest()
    return submission(line, f"{client}:{said}")


_READERS: Final[dict[str, _Reader]] = {
    "nullmailer": _nullmailer,
    "nullmailer-send": _nullmailer,
    "ssmtp": _ssmtp,
    "dma": _dma,
}
