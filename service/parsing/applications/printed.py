"""Objects and pairs that were printed into a line: `{ accepted: [ 'a@b' ], response: '250 Ok …' }`, `to=a@b err="…"`.

Decides where a name, its value and the value's end are, in what Node, Python, Ruby, Java, PHP and logfmt print and in
JSON after other text. A quoted value is one value whatever it holds, so nobody's subject becomes a pair of its own.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, NamedTuple

from service.parsing.applications.words import introduces, quotes

_PAIR: Final = re.compile(
    r"(?<![\w$@.\\-])@?['\":]?([A-Za-z_$][\w.$-]{0,63}+)(?: ID)?['\"\]]?[ \t]{0,8}(?:=>|[:=])[ \t]{0,8}(?:"
    r"b?\"((?:[^\"\\]|\\.)*+)\"|b?'((?:[^'\\]|\\.)*+)'"  # a string
    r"|\[([^\[\]{}()]*+)\]"  # a list
    r"|(<[^<>\s]*+>|[^\s,;{}\[\]()\"'<>][^\s,;{}\[\]()\"']*+))",  # a word
    re.DOTALL,
)
_ITEM: Final = re.compile(r"\"((?:[^\"\\]|\\.)*+)\"|'((?:[^'\\]|\\.)*+)'|([^\s,\"']++)", re.DOTALL)
_LOOKS_PRINTED: Final = re.compile(
    r"(?:message.?id|msgid|response|reply|result|err|error|code|status)['\"\]]?[ \t]{0,8}(?:=>|[:=])[ \t]{0,8}(?=[\S])",
    re.IGNORECASE,
).search
_MOST_PAIRS: Final = 2000
_ESCAPE: Final = re.compile(r"\\(?:([rnt])|(.))", re.DOTALL)


class Pair(NamedTuple):
    """A name and its value: text, or a list of texts."""

    name: str
    value: str | list[str]


class Printed(NamedTuple):
    """The pairs in a line. `meant`: the line is the object, with no words around it that could be somebody else's."""

    pairs: list[Pair]
    meant: bool


def is_printed(text: str) -> bool:
    """Whether a text begins as Node and Python print an object, which is no broken JSON."""
    return _OBJECT(text) is not None


_OBJECT: Final = re.compile(r"\{\s{0,8}(?:[A-Za-z_$][\w$]{0,63}|'[^']{1,64}')\s{0,4}:").match


def printed(text: str) -> Printed | None:
    """What is printed in the line; None where nothing that concerns a mail is."""
    if not ("=" in text or ":" in text) or not _LOOKS_PRINTED(text):
        return None
    found = list(islice(_PAIR.finditer(text), _MOST_PAIRS))
    if not found or quotes(text[: found[0].start()]):
        return None
    before = text[: found[0].start()]
    if "{" in before or before.rstrip(" [").endswith("("):
        return Printed(_pairs(found), introduces(before.partition("{")[0]))
    found, end = _before_foreign(found, len(text))
    return Printed(_pairs(found), introduces(_loose(text, found, end)))


def _pairs(found: list[re.Match[str]]) -> list[Pair]:
    return [Pair(pair[1], _value(pair)) for pair in found]


def _before_foreign(found: list[re.Match[str]], end: int) -> tuple[list[re.Match[str]], int]:
    """Within braces a printer escapes what is not its own. Of loose pairs, a subject may have made those after it."""
    for number, pair in enumerate(found):
        if pair[1].lower() in _FOREIGN:
            return found[:number], pair.start()
    return found, end


def _loose(text: str, found: list[re.Match[str]], end: int) -> str:
    """What stands around the pairs."""
    starts = [*(pair.start() for pair in found), end]
    ends = [0, *(pair.end() for pair in found)]
    return " ".join(text[one:other] for one, other in zip(ends, starts, strict=True) if other > one)


_FOREIGN: Final = frozenset({"subject", "body", "text", "html", "comment", "title", "input", "header", "headers"})


def _value(pair: re.Match[str]) -> str | list[str]:
    if pair[4] is not None:
        return [_unescaped(item[1] or item[2] or item[3] or "") for item in _ITEM.finditer(pair[4])]
    return _unescaped(next((part for part in (pair[2], pair[3], pair[5]) if part is not None), ""))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda escape: " " if escape[1] else escape[2], text) if "\\" in text else text
