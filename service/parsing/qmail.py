"""What a line of qmail (netqmail, notqmail, s/qmail) says about a mail, by multilog (also through
tai64nlocal) or through syslog.

qmail says what became of a delivery under the delivery's own number, and to whom it went in another line. A line alone
therefore says only what its reply says: that SES took a mail, by the id, or that a delivery failed for good. A deferral
makes no fact, since its mail comes back under another number; nor does a line that only names a mail (`info msg`, `end
msg`), since what became of it could never be put beside it, and every mail would look lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from service.facts import Closed
from service.parsing.delivering import NOBODY, Attempt, in_words_of_ses, one, refused, submission, taken
from service.parsing.instants import is_believable
from service.parsing.syslog import Line, Stamp, stamp_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Instant
    from service.parsing.delivering import Facts

_PROGRAM: Final = re.compile(r"qmail(?:-send)?|\d{1,10}").fullmatch
_DELIVERY: Final = re.compile(r"(?:\d{9,11}\.\d{1,9} )?delivery (\d{1,10}): (success|failure|deferral): ").match
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

_SAID: Final = "/Remote_host_said:_"


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
    program = "nullmailer" if rest.startswith("smtp: ") else "qmail"
    return Line(at if is_believable(at) else seen, False, "", program, rest)  # noqa: FBT003


def parse_qmail(line: Line, _: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail by itself."""
    if line.program.isdigit():
        if line.host != "delivery":
            return []
        line = Line(line.at, line.floating, "", "qmail", f"delivery {line.program}: {line.message}")
    found = _DELIVERY(line.message)
    if found is None:
        return []
    text = line.message[found.end() :]
    said, rest = _SAID in text, text.partition(_SAID)[2]
    ended, reply = "/" in rest, rest.partition("/")[0].replace("_", " ")
    if found[2] == "success":
        return taken(Attempt(line, "", (), NOBODY, reply, ended)) if said else []
    if found[2] == "failure" and in_words_of_ses(reply):
        name = submission(line, f"qmail:delivery-{found[1]}")
        return [
            *refused(Attempt(line, name, (), NOBODY, reply)),
            *one(name, Closed(line.at, line.floating, "removed")),
        ]
    return []
