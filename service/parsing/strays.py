"""Documents and lines that are none of the known forms: what of them must still be read, or not be lost in silence."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from service.facts import Reason, Unparsable

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
# Of random bytes a ninth are control characters; what is not UTF-8 counts four times, being escaped.
_FEW_CONTROLS, _CONTROL_SHARE = 8, 33
# Postfix's own status line, of which a shipper took the header off and did not keep the tag.
_HEADLESS: Final = re.compile(r"[0-9A-Za-z]{5,64}: to=<").match
_REPLY: Final = re.compile(r"250 Ok [A-Za-z0-9-]{16}").search


def string_in(raw: bytes) -> str | None:
    """The text of a record that is nothing but a string of JSON."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, str) else None


def written(document: dict[str, Any]) -> str:
    """The document as text; nothing where it is nested deeper than orjson writes (it reads four times as deep)."""
    try:
        return orjson.dumps(document).decode()
    except TypeError:
        return ""


def lost_line(document: dict[str, Any]) -> Unparsable | None:
    """Why a document in which no text was found is trouble: a mail server's line is somewhere in it all the same."""
    text = written(document)
    if "to=" in text and ((", relay=" in text and ", status=" in text) or ", stat=" in text):
        return Unparsable(Reason.UNPARSABLE_MAIL_LINE, "a status line in a document of no known form")
    return None


def unknown_line(text: str) -> Unparsable | None:
    """Why a line without a header, of nobody knows whom, is trouble; None where it says nothing."""
    headless_status = _HEADLESS(text) and ", relay=" in text and ", status=" in text
    if headless_status or ("postfix/" in text and "to=<" in text and ("status=" in text or _REPLY(text))):
        return Unparsable(Reason.UNPARSABLE_MAIL_LINE, "a status line in no known envelope")
    controls = len(_CONTROL.findall(text))
    if "\0" in text or (controls >= _FEW_CONTROLS and controls * _CONTROL_SHARE > len(text)):
        return Unparsable(Reason.NOT_TEXT, f"{controls} control characters in {len(text)}")
    return None
