"""The settings of `mailgap feed`: which logs it follows, from where on, and where it keeps how far it has come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from service.setting_values import Setting, SettingsError, choice, files, text

STARTS: Final = ("end", "beginning", "rotated")

_MATCH: Final = re.compile(r"_{0,2}[A-Z][A-Z0-9_]{0,63}=[^\0\n]{1,512}|\+").fullmatch
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}").fullmatch


def matches(value: object, where: str) -> tuple[str, ...]:
    """Matches of journalctl: `FIELD=VALUE`, and `+` between alternatives."""
    items = value if isinstance(value, list | tuple) else (value,)
    for item in items:
        if not _MATCH(str(item)):
            raise SettingsError(f"{where}: {item!r} is no match of the journal; give one like SYSLOG_FACILITY=2")
    return tuple(map(str, items))


def host(value: object, where: str) -> str:
    """The name of a host: one word."""
    if not _HOST(str(value)):
        raise SettingsError(f"{where}: {value!r} is no name of a host; give one like mx1.example")
    return str(value)


FEED: Final = (
    Setting("feed_files", "--file", (), files, "Logs to follow: files, or patterns like '/var/log/exim4/*log'."),
    Setting("feed_journal", "--journal", (), matches, "Entries of the journal to follow, like SYSLOG_FACILITY=2."),
    Setting("feed_state", "--state", "mailgap-feed.json", text, "File that keeps how far each log was sent."),
    Setting("feed_start", "--start", "end", choice(*STARTS), f"Where an unknown log begins: {', '.join(STARTS)}."),
    Setting("feed_host", "--host", None, host, "This host's name, for logs whose lines bear none."),
)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """`FEED`, read."""

    feed_files: tuple[str, ...]
    feed_journal: tuple[str, ...]
    feed_state: str
    feed_start: str
    feed_host: str | None
