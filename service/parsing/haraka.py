"""What a line of Haraka says about a mail.

Only lines of its outbound side count. `delivered` names a domain and no recipient: where SES took the mail for all of
them, which the counts at its end say, it stands under the mail's UUID too, and ends it. A refusal or a deferral stands
under the UUID where its words are SES's, since the line names no server.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from service.facts import Accepted, Closed, Unconfirmed, ses_name, submission_name
from service.parsing.addresses import address
from service.parsing.delivering import (
    LONGEST_ADDRESS,
    NOBODY,
    Attempt,
    in_words_of_ses,
    put_off,
    refused,
    submission,
    taken,
)
from service.parsing.replies import relay_of
from service.parsing.syslog import Line, stamp_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from service.facts import Fact, Instant, Name
    from service.parsing.delivering import Facts

_HEAD: Final = re.compile(r"\[[A-Z]{4,8}\] \[([0-9A-Za-z-]{8,64}(?:\.\d{1,6}){0,3})\] \[outbound\] ").match
_BARE: Final = re.compile(
    r"(?:(\d{4}-\d\d-\d\dT\S{8,24}) )?(?=\[[A-Z]{4,8}\] \[[0-9A-Za-z.-]{8,80}\] \[outbound\] )"
).match
_DELIVERED: Final = re.compile(
    r"delivered file=\S{1,255} domain=\S{1,255} host=\"?([^\s\"]{1,255})\"? ip=\"?([0-9A-Fa-f.:]{2,45})\"?"
    r"(?: port=\"?(\d{1,5}))?"
).match
_RESPONSE: Final = re.compile(r' response="?(.{0,1000}?)"? delay=').search
_FOR_ALL: Final = re.compile(r" rcpts=\"?[1-9]\d{0,5}/0/0\"?(?: |$)").search
_RECIPIENT: Final = re.compile(r"recipient (<.{1,998}?>) (rejected|deferred): (?=\d{3} )").match
_BOUNCED: Final = "bouncing mail: "


def is_haraka(program: str) -> bool:
    """Whether a line with this tag is Haraka's."""
    return program.lower() == "haraka"


def bare_haraka(text: str, seen: Instant, zone: tzinfo | None) -> Line | None:
    """A line as Haraka prints it, with or without a stamp; None where it is none of its outbound side."""
    found = _BARE(text)
    if found is None:
        return None
    stamp = stamp_of(found[1], seen, zone) if found[1] else None
    at, floating = (stamp.at, stamp.floating) if stamp else (seen, False)
    return Line(at, floating, "", "haraka", text[found.end() :])


def parse_haraka(line: Line, relays: frozenset[str]) -> Facts | None:
    """The facts in one line: none where it says nothing of a mail by itself."""
    head = _HEAD(line.message)
    if head is None:
        return []
    name, text = submission(line, head[1]), line.message[head.end() :]
    if delivered := _DELIVERED(text):
        response = _RESPONSE(text, delivered.end() - 1)
        relay = relay_of(f"{delivered[1]}[{delivered[2]}]:{delivered[3] or ''}", relays)
        if response is None:
            return None
        return _delivered(Attempt(line, name, (), relay, response[1]), to_all=bool(_FOR_ALL(text, response.end())))
    if rejected := _RECIPIENT(text):
        recipient = address(rejected[1])[:LONGEST_ADDRESS]
        attempt = Attempt(line, name, (recipient,), NOBODY, text[rejected.end() :])
        return _refused(attempt) if rejected[2] == "rejected" else _put_off(attempt)
    if text.startswith(_BOUNCED):
        facts = _refused(Attempt(line, name, (), NOBODY, text.removeprefix(_BOUNCED)))
        return [*facts, _closed(line, name)] if facts else []
    return []


def _delivered(attempt: Attempt, *, to_all: bool) -> Facts:
    facts = taken(attempt)
    if any(isinstance(fact, Unconfirmed) or (to_all and isinstance(fact, Accepted)) for _, fact in facts):
        return [*facts, _closed(attempt.line, attempt.submission)]
    return [(name, fact) for name, fact in facts if name == ses_name(getattr(fact, "ses_id", ""))]


def _closed(line: Line, name: str) -> tuple[Name, Fact]:
    return submission_name(name), Closed(line.at, line.floating, "removed")


def _refused(attempt: Attempt) -> Facts:
    return refused(attempt) if in_words_of_ses(attempt.reply) else []


def _put_off(attempt: Attempt) -> Facts:
    return put_off(attempt) if in_words_of_ses(attempt.reply) else []


# -- logformat=json --------------------------------------------------------------------------------------------------

_UUID: Final = re.compile(r"[0-9A-Za-z-]{8,64}(?:\.\d{1,6}){0,3}").fullmatch
_FIELDS: Final = ("file", "domain", "host", "ip", "port", "response", "delay", "fails", "rcpts")


def read_haraka(document: dict[str, Any], seen: Instant, relays: frozenset[str]) -> Facts | None:
    """The facts in an entry of Haraka's log in JSON; None where the document is none of its outbound side."""
    uuid, message = document.get("uuid"), document.get("message")
    if "outbound" not in (document.get("source"), document.get("plugin"), document.get("origin")):
        return None
    if not isinstance(uuid, str) or not isinstance(message, str) or not _UUID(uuid):
        return None
    stamp = document.get("timestamp")
    dated = stamp_of(stamp, seen) if isinstance(stamp, str) else None
    at, floating = (dated.at, dated.floating) if dated else (seen, False)
    said = "".join(f" {name}={_quoted(document[name])}" for name in _FIELDS if name in document)
    line = Line(at, floating, "", "haraka", f"[INFO] [{uuid}] [outbound] {message}{said}")
    return parse_haraka(line, relays)


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
