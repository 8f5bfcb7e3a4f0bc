"""Bytes that came packed: gzip, alone or in base64, as CloudWatch Logs, Firehose and S3 hand them on.

Decides how far a record may grow when it is opened. It must never let a few bytes become more than a fixed sum, however
many packings one record holds, and never do more than linear work for what comes out.
"""

from __future__ import annotations

import binascii
import zlib
from typing import Final

from service.facts import Reason, Unparsable

MOST: Final = 2 << 20
"""Bytes that may come out of one record, eight times what a record may have: logs shrink to a tenth, and bombs to a
thousandth; a batch of CloudWatch Logs seldom has more than a tenth of it."""

GZIP: Final = b"\x1f\x8b"
GZIP_IN_BASE64: Final = "H4sI"
"""How gzip's first three bytes look in base64."""

_MEMBER: Final = 31  # zlib's word for: a gzip header, and a window of any size
# An object in S3 may be thousands of small members. What is left after one is copied, so it is fed by so many bytes.
_STEP: Final = 4096
_PADDING: Final = b"\0\r\n \t"


class Unpacker:
    """Opens the packings of one record; what comes out of all of them together is bounded."""

    __slots__ = ("_left",)

    def __init__(self, most: int = MOST) -> None:
        self._left = most

    def opened(self, raw: bytes) -> bytes | Unparsable:
        """What gzip holds, all its members; `raw` as it is where it is not gzip."""
        if not raw.startswith(GZIP):
            return raw
        try:
            found = _members(raw, self._left)
        except zlib.error:
            return Unparsable(Reason.NOT_TEXT, f"{len(raw)} bytes of gzip that cannot be read")
        if isinstance(found, bytes):
            self._left -= len(found)
        return found

    def decoded(self, text: str) -> bytes | Unparsable | None:
        """What base64 holds, opened where that is gzip; None where `text` is no base64."""
        try:
            raw = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:  # binascii.Error is one, and so is what text beyond ASCII raises
            return None
        return self.opened(raw)


def _members(raw: bytes, most: int) -> bytes | Unparsable:
    out = bytearray()
    at = 0
    while at < len(raw):
        member = zlib.decompressobj(_MEMBER)
        while not member.eof:
            piece = raw[at : at + _STEP]
            if not piece:
                return Unparsable(Reason.NOT_TEXT, f"{len(raw)} bytes of gzip that was cut off")
            out += member.decompress(piece, most - len(out) + 1)
            if len(out) > most:
                return Unparsable(Reason.TOO_LARGE, f"{len(raw)} bytes of gzip that hold more than can be opened")
            at += len(piece) - len(member.unused_data)
        at = _after_padding(raw, at)
    return bytes(out)


def _after_padding(raw: bytes, at: int) -> int:
    while at < len(raw) and raw[at] in _PADDING:
        at += 1
    return at
