"""What somebody typed or pasted into the search box, as names to look for. Pure.

It may be an id, an address, or a whole log line: the text itself is looked for first, then ids in it, then addresses,
then the rest.
An address is also looked for under its pseudonym. Anything may be typed; what is none of these finds nothing.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from service.finding import forms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.privacy import Pseudonyms

LONGEST: Final = 4096
"""Characters of a question; more is cut off."""
MOST_WORDS: Final = 24
"""Words of a pasted text that are looked for."""
_LONGEST_NAME: Final = 512

_SPLIT: Final = re.compile(r"[\s,;\"'`()\[\]{}=]+")
_SES_ID: Final = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-\d{6}").fullmatch
_QUEUE_ID: Final = re.compile(
    r"(?=[^/]*\d)(?:[\w.-]{1,255}/){0,2}[A-Za-z0-9]{6,32}(?:-[A-Za-z0-9]{2,12}){0,2}(?:@\d{1,12})?"
).fullmatch


class _Sort(IntEnum):
    """The surest first: a line names one mail by its ids, and by its addresses all that those people ever got."""

    SES_ID = 1
    QUEUE_ID = 2
    ADDRESS = 3
    """Or a Message-ID."""
    REST = 4


def questions(typed: str, pseudonyms: Sequence[Pseudonyms]) -> list[frozenset[str]]:
    """Sets of names: the first that finds anything has the answer."""
    text = typed[:LONGEST].strip()
    if not text:
        return []
    words = [word.strip("<>:.") for word in _SPLIT.split(text)]
    sorts: list[list[str]] = [[text] if len(text) <= _LONGEST_NAME else [], *([] for _ in _Sort)]
    for word in dict.fromkeys(word for word in words if 0 < len(word) <= _LONGEST_NAME and word != text):
        if sum(map(len, sorts[1:])) < MOST_WORDS:
            sorts[_sort(word)].append(word)
    asked = [frozenset().union(*(forms(word, pseudonyms) for word in sort)) for sort in sorts if sort]
    return [names for names in asked if names]


def _sort(word: str) -> _Sort:
    if _SES_ID(word.lower()):
        return _Sort.SES_ID
    if "@" in word and "/" not in word:
        return _Sort.ADDRESS
    return _Sort.QUEUE_ID if _QUEUE_ID(word) else _Sort.ADDRESS if "@" in word else _Sort.REST
