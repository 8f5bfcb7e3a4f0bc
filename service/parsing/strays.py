"""Documents that are none of the known forms: what of them is still to be read, or must not be lost in silence."""

from __future__ import annotations

from typing import Any

import orjson

from service.facts import Reason, Unparsable


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
