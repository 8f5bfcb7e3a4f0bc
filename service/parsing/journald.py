"""Entries in journald's export format, as `journalctl -o export` and systemd-journal-upload write them.

Decides where an entry and its fields end: `NAME=value` on a line, or `NAME` alone, then the value's length in eight
bytes and the value, which may hold line ends. An empty line ends an entry. It never looks into a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from service.parsing.syslog import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGINS: Final = re.compile(rb"(?:__CURSOR|__REALTIME_TIMESTAMP|__MONOTONIC_TIMESTAMP|_BOOT_ID)=").match
_NAME: Final = re.compile(rb"[A-Z0-9_]{1,64}").fullmatch
_LENGTH: Final = 8


def is_exported(raw: bytes) -> bool:
    """Whether a record begins as an entry does."""
    return _BEGINS(raw) is not None


def exported(raw: bytes) -> Iterator[dict[str, str]]:
    """The entries, each under the names that journald gives; what is cut off ends with the record."""
    entry: dict[str, str] = {}
    at = 0
    while at < len(raw):
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        name, equals, value = raw[at:end].partition(b"=")
        at = end + 1
        if not equals and _NAME(name):
            start = at + _LENGTH
            at = start + int.from_bytes(raw[end + 1 : start], "little")
            value, equals = raw[start:at], b"="
            at += 1
        if equals and _NAME(name):
            entry.setdefault(name.decode(), decode(value))
        elif not name and entry:
            yield entry
            entry = {}
    if entry:
        yield entry
