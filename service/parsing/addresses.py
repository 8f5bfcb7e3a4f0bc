"""Addresses, written one way whoever wrote them: the join compares recipients of a log with those of an event.

Decides what is decoration (display name, brackets, source route, the domain's case and script) and what is the address.
It never judges whether an address is valid, since SES is sent invalid ones and names them in its refusals, and never
changes a local part: its case is the recipient's business (RFC 5321, 2.3.11).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_PLAIN = re.compile(r"[^\s<>\"@,:]+@[a-z0-9.-]+").fullmatch
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"').match


def address(text: str) -> str:
    """The address in `text`, its domain in lower case: `Ann <@hub:Ann@Example.COM>` is `Ann@example.com`."""
    if _PLAIN(text):
        return text
    bare = _without_route(_without_name(_without_decoration(text.strip())))
    local, at, host = bare.rpartition("@")
    return local + at + _host(host.lower()) if at else bare


def addresses(text: str) -> list[str]:
    """The addresses in `text`, where it is a list with commas; a comma in a local part or a name parts none."""
    if "," not in text:
        return [address(text)]
    items = _ITEM.findall(text)
    # `Lee, Ann <a@b>` is one, and so is `<@hub,@mx:a@b>`.
    whole = all(item.lstrip(" <").find("@") > 0 for item in items)
    return [address(item) for item in items] if whole else [address(text)]


_ITEM: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^,"])++')


def domain(address: str) -> str:
    """What follows the last `@`, in lower case; empty where there is none."""
    _, at, host = address.rpartition("@")
    return host.lower() if at else ""


_LONGEST_HOST: Final = 255


def _host(host: str) -> str:
    """`bücher.example` as SES wants and reports it, `xn--bcher-kva.example` (RFC 5891, without its checks)."""
    if host.isascii() or len(host) > _LONGEST_HOST:
        return host
    labels = unicodedata.normalize("NFC", host).split(".")
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels)


def _without_decoration(text: str) -> str:
    """`a@b (Ann)` and `'a@b'` are `a@b`; a domain ends neither so."""
    if text.endswith(")"):
        before, opened, _ = text.partition(" (")
        text = before.rstrip() if opened and "@" in before else text
    return text[1:-1] if len(text) > len("''") and text[0] == text[-1] == "'" and "@" in text else text


def _without_name(text: str) -> str:
    """What stands in the brackets, if `text` ends with some: `"A <b> c" <d@e>` is `d@e`."""
    if not text.endswith(">"):
        return text
    # A quoted display name may hold brackets itself, and so may a quoted local part.
    quoted = _QUOTED(text)
    opened = text.find("<", quoted.end() if quoted else 0)
    return text[opened + 1 : -1].strip() if opened >= 0 else text


def _without_route(text: str) -> str:
    """`@a,@b:c@d` is `c@d`: RFC 5321 has servers accept source routes and ignore them."""
    if not text.startswith("@"):
        return text
    _, colon, rest = text.partition(":")
    return rest if colon and "@" in rest else text
