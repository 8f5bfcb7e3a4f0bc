"""The lines of Postfix of which nearly every log consists, read in one match instead of a dozen steps.

Decides nothing of its own: what it takes, `service.parsing.smtp` would read as the same facts, and a property says so;
what is odd in any way (another character, an unknown field, a stamp that is no date) it leaves to that. It bought three
quarters of the time of parsing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from service.facts import Accepted, Closed, Fact, Identified, Name, Queued, Started
from service.parsing.replies import relay_of
from service.parsing.syslog import bsd_on, iso_second

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant

Facts: TypeAlias = list[tuple[Name, Fact]]

LONGEST: Final = 1500
"""Bytes; a longer line is not usual."""
_DAY: Final = 24 * 3600 * 1000

_ADDRESS: Final = r"[!#-+\-./0-9;=?A-Z\[\\\]^_`a-z{|}~]{1,64}@[a-z0-9.-]{1,255}"
# RFC 5424, or a file of rsyslog with either of its stamps; then, of each service, the one line that it usually writes.
# Groups: version, second, fraction, offset, the other stamp, host, service, queue id (none: it speaks of a connection).
# What a kind of line holds is in groups of its own, and which of them is the last one tells the kind.
_LINE: Final = re.compile(
    r"(?:<\d{1,3}>)?"
    r"(?:(1 )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)"
    r"|([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)) "
    r"([A-Za-z0-9._-]{1,255}) postfix/(?:[a-z0-9]{1,16}/)?(smtpd|cleanup|qmgr|smtp)(?(1) \d{1,10} - - |\[\d{1,10}\]: )"
    r"(?:([0-9A-F]{5,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20}): (?:"
    r"client=([A-Za-z0-9._-]{1,255})\[([0-9A-Fa-f.:]{1,45})\](?:, sasl_[a-z]{1,10}=[!-+\--~]{1,255}){0,3}"
    r"|message-id=<([!-;=?-~]{1,500})>"
    rf"|from=<((?:{_ADDRESS})?)>, size=\d{{1,12}}, nrcpt=(\d{{1,9}}) \(queue active\)"
    r"|(removed)"
    rf"|to=<({_ADDRESS})>, relay=([A-Za-z0-9.-]{{1,200}}\[[0-9A-Fa-f.:]{{1,45}}\]:\d{{1,5}})(?:, conn_use=\d{{1,5}})?"
    r", delay=[\d.]{1,16}, delays=[\d./]{1,32}, dsn=[\d.]{1,9}, status=sent "
    r"\(250 Ok ([0-9a-f]{16}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{6})\)"
    r")\r?\n?|((?:dis)?connect from |lost connection )[^\n]*\n?)\Z"
).match
_CLIENT, _MESSAGE_ID, _FROM, _REMOVED, _SENT, _CONNECTION = 10, 11, 13, 14, 17, 18
_SPEAKERS: Final = {
    _CLIENT: "smtpd",
    _MESSAGE_ID: "cleanup",
    _FROM: "qmgr",
    _REMOVED: "qmgr",
    _SENT: "smtp",
    _CONNECTION: "smtpd",  # others may speak so of a delivery
}
_MILLISECONDS: Final = {f"{number:03}": number for number in range(1000)}


def read_usual(raw: bytes, seen: Instant, zone: tzinfo | None, relays: frozenset[str]) -> Facts | None:
    """What `service.parsing.smtp` would make of the line; None where the line is not a usual one."""
    if len(raw) > LONGEST or not raw.isascii() or b"#0" in raw:  # rsyslog's escapes of control characters
        return None
    line = _LINE(raw.decode("ascii"))
    if line is None:
        return None
    kind = line.lastindex or 0
    second, fraction, offset, bsd, host, service, queue_id = line.group(2, 3, 4, 5, 6, 7, 8)
    if service != _SPEAKERS[kind]:
        return None
    if kind == _CONNECTION:
        return []
    stamps = iso_second(second, offset, zone) if bsd is None else bsd_on(bsd, seen // _DAY, zone)
    if len(stamps) != 1:
        return None
    at, floating = stamps[0].at, stamps[0].floating
    if fraction is not None:
        millisecond = _MILLISECONDS.get(fraction)
        at += int((fraction + "00")[:3]) if millisecond is None else millisecond
    submission = f"{host.lower()}/{queue_id}"
    if kind == _SENT:
        return _sent(line, submission, at, relays, floating=floating)
    return [(b"Q:" + submission.encode(), _of_queue(line, kind, at, floating=floating))]


def _of_queue(line: re.Match[str], kind: int, at: Instant, *, floating: bool) -> Fact:
    if kind == _CLIENT:
        client, ip = line.group(9, 10)
        return Started(at, floating, ip if client == "unknown" else client)
    if kind == _MESSAGE_ID:
        return Identified(at, floating, line[_MESSAGE_ID])
    if kind == _FROM:
        return Queued(at, floating, line[12], int(line[_FROM]))
    return Closed(at, floating, "removed")


def _sent(line: re.Match[str], submission: str, at: Instant, relays: frozenset[str], *, floating: bool) -> Facts | None:
    recipient, relay, ses_id = line.group(15, 16, _SENT)
    taker = relay_of(relay, relays)
    if not taker.ses:
        return None
    accepted = Accepted(at, floating, (recipient,), ses_id, submission, taker.region)
    return [(b"Q:" + submission.encode(), accepted), (b"S:" + ses_id.encode(), accepted)]
