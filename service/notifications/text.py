"""Texts that came with a mail, made harmless for whatever shows them (rule 28).

Names of streams, ids and replies are written by others: they may hold control characters, marks that turn the direction
of writing, a chat's commands (`<!channel>`), or a line break meant for a header.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from service.contract.notification import Example, Notification

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_CROWD: Final = re.compile(r"@(?=channel|here|everyone|all\b)", re.IGNORECASE)
_ANGLES: Final = str.maketrans(
    {"<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"}
)
_APART: Final = "\N{FULLWIDTH COMMERCIAL AT}"


def clean(text: str, longest: int = 1000) -> str:
    """One line, of visible characters only, and no longer than that."""
    line = "".join(" " if unicodedata.category(sign) in _INVISIBLE else sign for sign in text[: longest + 1])
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def ascii_line(text: str, longest: int) -> str:
    """For headers and subjects: printable ASCII, and no longer than that."""
    line = clean(text).encode("ascii", "replace").decode()
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def slack(text: str, longest: int = 1000) -> str:
    """For Slack's mrkdwn: its three control characters escaped as it wants them, so that nothing is a command."""
    escaped = clean(text, longest).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CROWD.sub(_APART, escaped)


def annotation(text: str, longest: int = 1000) -> str:
    """For Alertmanager, which hands it on to mail, chats and pages and does not know how each escapes."""
    return _CROWD.sub(_APART, clean(text, longest).translate(_ANGLES))


def example(each: Example) -> str:
    """One example in words, not escaped yet."""
    said = [each.mail_id or each.about or ""]
    if each.recipient:
        said.append(f"to {each.recipient}")
    said.append(f"since {each.since}")
    return " ".join(said)


def plain(notification: Notification) -> str:
    """The whole notification as a text of several lines, for what has no form of its own (SNS: mail, SMS)."""
    lines = [clean(notification.summary)]
    if notification.number:
        lines += [f"Since {notification.since}.", "", clean(notification.explanation), clean(notification.next_step)]
        lines += [clean(each) for each in notification.evidence]
        lines += ["", *(f"- {clean(example(each))}" for each in notification.examples)]
        lines += [f"  {each.url}" for each in notification.examples if each.url]
    lines += ["", f"Runbook: {clean(notification.runbook_url)}", f"Alert: {notification.alert_id}"]
    return "\n".join(lines)
