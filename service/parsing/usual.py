"""The lines of Postfix of which nearly every log consists, read in two matches instead of a dozen steps.

Decides nothing of its own: what it takes, `service.parsing.smtp` would read as the same facts, and a property says so;
what is odd in any way (another character, an unknown field, a stamp that is no date) it leaves to that. It bought half
the time of parsing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from service.facts import Accepted, Closed, Fact, Identified, Name, Queued, Started, ses_name, submission_name
from service.parsing.replies import relay_of
from service.parsing.syslog import bsd_on, iso_second

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from service.facts import Instant

Facts: TypeAlias = list[tuple[Name, Fact]]
When: TypeAlias = "tuple[Instant, bool]"
"""A line's stamp, and whether it is floating."""

LONGEST: Final = 1500
"""Bytes; a longer line is not usual."""
_DAY: Final = 24 * 3600 * 1000

# RFC 5424, or a file of rsyslog with either of its stamps. Groups: version, second, fraction, offset, the other stamp,
# host, service, queue id (none: the line speaks of a connection).
_HEADER: Final = re.compile(
    r"(?:<\d{1,3}>)?"
    r"(?:(1 )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)"
    r"|([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)) "
    r"([A-Za-z0-9._-]{1,255}) postfix/(?:[a-z0-9]{1,16}/)?(smtpd|cleanup|qmgr|smtp)(?(1) \d{1,10} - - |\[\d{1,10}\]: )"
    r"(?:([0-9A-F]{5,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20}): |(?=(?:dis)?connect from |lost connection ))"
).match

_END: Final = r"\r?\n?"
_ADDRESS: Final = r"[!#-+\-./0-9;=?A-Z\[\\\]^_`a-z{|}~]{1,64}@[a-z0-9.-]{1,255}"
_CLIENT: Final = re.compile(
    r"client=([A-Za-z0-9._-]{1,255})\[([0-9A-Fa-f.:]{1,45})\]"
    rf"(?:, sasl_[a-z]{{1,10}}=[!-+\--~]{{1,255}}){{0,3}}{_END}"
).fullmatch
_MESSAGE_ID: Final = re.compile(rf"message-id=<([!-;=?-~]{{1,500}})>{_END}").fullmatch
_FROM: Final = re.compile(
    rf"from=<((?:{_ADDRESS})?)>, size=\d{{1,12}}, nrcpt=(\d{{1,9}}) \(queue active\){_END}"
).fullmatch
_REMOVED: Final = frozenset({"removed", "removed\n", "removed\r\n"})
_SENT: Final = re.compile(
    rf"to=<({_ADDRESS})>, relay=([A-Za-z0-9.-]{{1,200}}\[[0-9A-Fa-f.:]{{1,45}}\]:\d{{1,5}})(?:, conn_use=\d{{1,5}})?"
    r", delay=[\d.]{1,16}, delays=[\d./]{1,32}, dsn=[\d.]{1,9}, status=sent "
    rf"\(250 Ok ([0-9a-f]{{16}}-[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}-[0-9]{{6}})\){_END}"
).fullmatch


def read_usual(raw: bytes, seen: Instant, zone: tzinfo | None, relays: frozenset[str]) -> Facts | None:
    """What `service.parsing.smtp` would make of the line; None where the line is not a usual one."""
    if len(raw) > LONGEST or not raw.isascii() or b"#0" in raw:  # rsyslog's escapes of control characters
        return None
    text = raw.decode("ascii")
    header = _HEADER(text)
    if header is None:
        return None
    _, second, fraction, offset, bsd, host, service, queue_id = header.groups()
    if queue_id is None:
        # Only of these two services it is plain that such a line says nothing: others may speak of a delivery.
        return [] if service == "smtpd" and "\n" not in text[:-1] else None
    stamps = iso_second(second, offset, zone) if bsd is None else bsd_on(bsd, seen // _DAY, zone)
    if len(stamps) != 1:
        return None
    at = stamps[0].at
    if fraction is not None:
        at += int((fraction + "00")[:3])
    return _SERVICES[service]((at, stamps[0].floating), f"{host.lower()}/{queue_id}", text, header.end(), relays)


def _smtpd(when: When, submission: str, text: str, start: int, _: frozenset[str]) -> Facts | None:
    found = _CLIENT(text, start)
    if found is None:
        return None
    client = found[1] if found[1] != "unknown" else found[2]
    return [(submission_name(submission), Started(*when, client))]


def _cleanup(when: When, submission: str, text: str, start: int, _: frozenset[str]) -> Facts | None:
    found = _MESSAGE_ID(text, start)
    return None if found is None else [(submission_name(submission), Identified(*when, found[1]))]


def _qmgr(when: When, submission: str, text: str, start: int, _: frozenset[str]) -> Facts | None:
    if text[start:] in _REMOVED:
        return [(submission_name(submission), Closed(*when, "removed"))]
    found = _FROM(text, start)
    return None if found is None else [(submission_name(submission), Queued(*when, found[1], int(found[2])))]


def _smtp(when: When, submission: str, text: str, start: int, relays: frozenset[str]) -> Facts | None:
    found = _SENT(text, start)
    if found is None:
        return None
    recipient, relay, ses_id = found.groups()
    taker = relay_of(relay, relays)
    if not taker.ses:
        return None
    accepted = Accepted(*when, (recipient,), ses_id, submission, taker.region)
    return [(submission_name(submission), accepted), (ses_name(ses_id), accepted)]


_SERVICES: Final[dict[str, Callable[[When, str, str, int, frozenset[str]], Facts | None]]] = {
    "smtpd": _smtpd,
    "cleanup": _cleanup,
    "qmgr": _qmgr,
    "smtp": _smtp,
}
