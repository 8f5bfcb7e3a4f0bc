"""What a line of msmtp says about a mail: one line a mail, at its end, in its own log file or through syslog.

Decides by the exit code and the server's reply. msmtp keeps no queue and gives no id, so the submission is named by a
hash of what the line says. Whom it speaks with is for its operator to choose. It never reads what `user=` says, which
may be an access key.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from service.facts import Cause, Queued, submission_name
from service.parsing.addresses import address
from service.parsing.delivering import (
    LONGEST_ADDRESS,
    Attempt,
    put_off,
    recipients_in,
    refused,
    relay_named,
    submission,
    taken,
)
from service.parsing.syslog import Line, stamp_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant
    from service.parsing.delivering import Facts

_BARE: Final = re.compile(
    r"([^\s:]{1,12} [ \d]?\d (?:\d{4} )?\d\d:\d\d:\d\d|\d{4}-\S{5,30}|\S{1,40} log info was:) (?=host=\S)"
).match
_LINE: Final = re.compile(
    r"host=(\S{1,255}+) tls=\S{1,8} auth=\S{1,16} (?:user=.{0,320}? )?from=(.{0,998}?) recipients=(.*?)"
    r"(?: mailsize=\d{1,12}+)?(?: smtpstatus=(\d{3}) smtpmsg='(.*?)')?(?: errormsg='(.*)')?"
    r" exitcode=(EX_\w{1,20}|\d{1,3})"
).fullmatch
_MARKS: Final = (" recipients=", " smtpstatus=", " exitcode=", "smtpmsg='", "errormsg='")
_LONGEST: Final = 64 * 1024

_FOR_GOOD: Final = frozenset({"EX_USAGE", "EX_DATAERR", "EX_NOINPUT", "EX_NOUSER", "EX_NOPERM", "EX_CONFIG"})


def is_msmtp(program: str) -> bool:
    """Whether a line with this tag is msmtp's."""
    return program == "msmtp"


def bare_msmtp(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    """A line of msmtp's own file (its months are in the language of whoever ran it); None where it is none."""
    found = _BARE(text)
    if found is None:
        return None
    stamp = stamp_of(found[1], seen, zone)
    at, floating = (stamp.at, stamp.floating) if stamp else (seen, False)
    return Line(at, floating, "", "msmtp", text[found.end() :])


def parse_msmtp(line: Line, relays: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail, None where it should and cannot be read."""
    text = line.message
    if not text.startswith("host="):
        return []
    found = _LINE(text) if len(text) <= _LONGEST and all(text.count(mark) <= 1 for mark in _MARKS) else None
    recipients = recipients_in(found[3]) if found else ()
    if found is None or not recipients:
        return None
    host, sender, _, status, reply, error, code = found.groups()
    name = submission(line, "msmtp:" + _hash(line.at, text, found.start(2)))
    attempt = Attempt(line, name, recipients, replace(relay_named(host, relays), chosen=True), reply or error or "")
    queued = Queued(line.at, line.floating, address(sender)[:LONGEST_ADDRESS], len(recipients))
    if code in {"EX_OK", "0"}:
        result = taken(attempt)
    elif status[:1] == "5" if status else code in _FOR_GOOD:
        result = refused(attempt, None if reply else _cause(attempt.reply))
    else:
        result = put_off(attempt, None if reply else _cause(attempt.reply))
    return [(submission_name(name), queued), *result]


def _hash(at: Instant, text: str, start: int) -> str:
    """The same for a line that is read again; `text` before `start` holds the user."""
    return blake2b(f"{at} {text[start:]}".encode(errors="replace"), digest_size=8).hexdigest()


_CAUSES: Final = (
    # Not said is whether the server had the mail already.
    (re.compile(r"empty reply|network read error").search, Cause.AMBIGUOUS),
    (re.compile(r"cannot locate host|cannot connect|network write error|no route").search, Cause.UNREACHABLE),
    (re.compile(r"authentication failed|cannot use a secure authentication").search, Cause.AUTH_FAILED),
)


def _cause(error: str) -> Cause | None:
    return next((cause for search, cause in _CAUSES if search(error)), None)
