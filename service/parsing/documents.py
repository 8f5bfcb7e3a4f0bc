"""The JSON documents in one record, however they were strung together.

Decides where one document ends and the next begins: one object, pretty-printed or not, JSON lines, objects written one
after the other without a separator (Firehose), an array, with a byte order mark or padding around them. It must never
let one broken document take its neighbours with it, and never take more than linear time over hostile bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOM: Final = b"\xef\xbb\xbf"
# NULs come from fixed-size buffers, 0x1E from JSON text sequences.
_SPACE: Final = b" \t\r\n\x00\x1e"
_BETWEEN: Final = _SPACE + b","

_OPENING, _CLOSING = frozenset(b"{["), frozenset(b"}]")
# Within a document a comma stands between two objects, so this is where one ends, or text.
_SEAM: Final = re.compile(rb"\}[ \t\r\n\x00\x1e]*+\{")
# A string or a bracket. A string that is not closed ends with its line, since JSON holds no raw newline; so a string
# token matches wherever a quote stands, and the possessive quantifiers never go back: this is what makes it linear.
_TOKEN: Final = re.compile(rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?:"|(?=\n)|\\?\Z)|[{}\[\]]', re.DOTALL)
_HALF: Final = rb"\ud"
# Any escape; the group is a surrogate without its other half.
_ESCAPE: Final = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


class Documents(NamedTuple):
    """The documents that could be read, top-level arrays opened, and the parts that could not."""

    values: list[Any]
    broken: list[bytes]


def documents(raw: bytes) -> Documents:
    """All JSON documents in `raw`, in order. Blank input holds none and is not broken."""
    raw = raw.strip(_SPACE).removeprefix(_BOM).lstrip(_SPACE)
    if not raw:
        return Documents([], [])
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _at_seams(raw) or _one_by_one(raw)
    return Documents(value if isinstance(value, list) else [value], [])


def _at_seams(raw: bytes) -> Documents | None:
    """The common case of several, five times as fast: objects, and no string in them that looks like a seam."""
    values, start = [], 0
    try:
        for seam in _SEAM.finditer(raw):
            values.append(orjson.loads(raw[start : seam.start() + 1]))
            start = seam.end() - 1
        if not start:
            return None
        values.append(orjson.loads(raw[start:]))
    except orjson.JSONDecodeError:
        return None
    return Documents(values, [])


def _one_by_one(raw: bytes) -> Documents:
    found = Documents([], [])
    for piece in _pieces(raw):
        if not _read(piece, found):
            _salvage(piece, found)
    return found


def _pieces(raw: bytes) -> Iterator[bytes]:
    """Cuts at the brackets that open and close a document; what stands between documents is a piece too."""
    depth = cut = 0
    for token in _TOKEN.finditer(raw):
        kind = raw[token.start()]
        if kind in _OPENING:
            if not depth:
                yield raw[cut : token.start()]
                cut = token.start()
            depth += 1
        elif kind in _CLOSING and depth:
            depth -= 1
            if not depth:
                yield raw[cut : token.end()]
                cut = token.end()
    yield raw[cut:]


def _salvage(piece: bytes, found: Documents) -> None:
    """One truncated line leaves a bracket open and would swallow all JSON lines after it: take them singly."""
    lines = piece.splitlines(keepends=True)
    if len(lines) > 1:
        lines = [line for line in lines if not (line.startswith((b"{", b"[", b'"')) and _read(line, found))]
    if rest := b"".join(lines).strip(_SPACE):
        found.broken.append(rest)


def _read(piece: bytes, found: Documents) -> bool:
    """Whether `piece` is a document, or nothing but space."""
    piece = piece.strip(_BETWEEN).removeprefix(_BOM).lstrip(_BETWEEN)
    if not piece:
        return True
    try:
        value = orjson.loads(piece)
    except orjson.JSONDecodeError:
        return _HALF in piece.lower() and _read_without_halves(piece, found)
    found.values.extend(value if isinstance(value, list) else [value])
    return True


def _read_without_halves(piece: bytes, found: Documents) -> bool:
    """A header cut at 10 kB may end amid an emoji. Half a surrogate pair is no text, and no reason to lose an event."""
    whole = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], piece)
    return whole != piece and _read(whole, found)
