"""Records that are pieces of one line, as container runtimes and programs cut them.

Decides whether a record is a piece, of which stream, and whether more follows: CRI's `P` and `F`, Docker's 16 KiB
chunks, what fluentd, Fluent Bit, Vector and journald make of both, Exim's `[1/3]` in syslog, and its main log's folded
replies, whose continuations begin with a space; the lines that qmail and nullmailer write of one delivery; and objects
that were printed for people, a line each. It must never look at more than a record's beginning and its end where the
record is none of these, since nearly all are not.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from service.parsing.qmail import delivery_in
from service.parsing.simple_clients import attempt_in
from service.parsing.syslog import parse_line

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(Enum):
    """What a record is to the line that it belongs to."""

    PART = "more must follow"
    HEAD = "more may follow"
    MORE = "follows a head"
    STARTS = "another record says how it ended"
    ADDS = "says more of what started"
    ENDS = "says how that ended"
    OBJECT = "an object was opened"
    CLOSES = "closes it"
    WHOLE = "a line, or the end of one"


OPENING: Final = frozenset({Kind.PART, Kind.HEAD, Kind.STARTS, Kind.OBJECT})
"""What a line may begin with that comes in several records."""


class Piece(NamedTuple):
    """A record's place: `stream` tells those apart that are woven into one another in one partition.

    `text` is the piece itself; of what starts, and of what adds to that, the words that the line of its end lacks; of
    that, what they follow.
    """

    stream: str
    kind: Kind
    text: str


CHUNK: Final = 16 * 1024
"""What Docker cuts lines into; a character that does not fit goes to the next chunk."""
_CHARACTER: Final = 4

_CRI: Final = re.compile(r"(\d{4}-\d\d-\d\dT\S{1,40} (std(?:out|err)) )([FP])(:\S{0,64})? ").match
_EXIM_HEAD: Final = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?(?: \[\d{1,10}\])?"
    r" [0-9A-Za-z-]{16,23} (\*\*|==|=>|->) "
).match
_EXIM_SYSLOG: Final = re.compile(r"[^\[]{15,64}?(\S{1,255} exim\S{0,64}?): \[(\d{1,3})[/\\](\d{1,3})\] ").match
_BEGINNING: Final = 400
_FOLDS: Final = (" ", "\t")
# A bracket alone (pretty-printed JSON), or behind a few words: Node's `console.log("Message sent:", info)`.
_OBJECT: Final = re.compile(r"(?:\[?|[\w.:,'\"()\[\]/+-][\w .:,'\"()\[\]/+-]{0,119}[ :=])\{\s*+").fullmatch
_CLOSERS: Final = ("}", "}]", "})", "},", "};")
_END: Final = 8
_ALONE: Final = 4  # a bracket and a line break
_CLOSING: Final = re.compile(r"[}\])]{1,3}[;,]?\s*+").fullmatch

_TEXTS: Final = ("log", "message", "MESSAGE", "msg", "short_message")
# What a document that is a piece must hold somewhere, so that others need not be read.
_SIGNS: Final = (
    b'"P"',
    b" P ",
    b"P:",
    b"artial",
    b"PARTIAL",
    b" ** ",
    b" == ",
    b" => ",
    b" -> ",
    b"tarting delivery",
    b'{",',
    b'{"}',
    b'{\\n"',
    b'{\\r\\n"',
)
_STREAMS: Final = (
    *("stream", "source", "container_id", "container_name", "partial_id", "CONTAINER_PARTIAL_ID", "CONTAINER_ID"),
    *("file", "filename", "path", "hostname", "host", "_HOSTNAME", "pod", "container"),
)
_NESTED: Final = ("kubernetes", "docker", "container", "attrs", "host", "log")
_DEEPEST: Final = 3
_AS_BYTES: Final = "surrogateescape"  # a character may be cut in two


def piece_of(value: bytes, *, watched: bool) -> Piece | None:
    """What a record is; None for one of no concern. `watched`: something is open, so that any line may be the end."""
    first = value[:1]
    if first == b"{" and len(value) > _ALONE:
        return _in_document(value) if watched or len(value) >= CHUNK or any(map(value.__contains__, _SIGNS)) else None
    if not watched and not first.isdigit():
        beginning = value[:_BEGINNING]
        opens = value[-_END:].rstrip().endswith(b"{")
        if not opens and b" exim" not in beginning and b"tarting delivery" not in beginning:
            return None
    text = value.decode(errors=_AS_BYTES)
    if "\n" in text.rstrip("\n"):
        return None  # a record of several lines is nobody's piece
    found = _in_text(text)
    return found if watched or found.kind in OPENING else None


def may_hold_pieces(text: bytes) -> bool:
    """Whether any line of `text` may be the first piece of one, for `piece_of` to say: of most logs none is.

    It is asked once for thousands of lines, so that these need not be looked at one by one.
    """
    return b"{" in text or b"tarting delivery" in text or _OF_PIECES(text) is not None


_OF_PIECES: Final = re.compile(rb" (?:std|exim|\*\* |== |[=-]> )").search
"""What the first pieces of lines hold that are no document: CRI's and Exim's."""


def whole(value: bytes, texts: list[str]) -> bytes:
    """The line whose pieces have these texts, in the form of its first piece, `value`."""
    first = value.decode(errors=_AS_BYTES)
    if not first.startswith("{") or len(value) <= _ALONE:
        return _headed(first, texts).encode(errors=_AS_BYTES)
    document = orjson.loads(value)
    name = _text_of(document)
    said = document[name]
    document[name] = _headed(said, texts) if _CRI(said) else "".join(texts)
    for key in [key for key in document if "partial" in key.lower()]:
        del document[key]
    return _written(document | {key: "F" for key in ("logtag", "_p") if key in document})


def _written(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # orjson reads what is nested deeper than it writes
        return orjson.dumps({key: each for key, each in document.items() if not isinstance(each, dict | list)})


def ended(value: bytes, mark: str, words: str) -> bytes:
    """The record of an end, with the words of its start after the mark: one line that says both."""
    text = value.decode(errors=_AS_BYTES)
    if not text.startswith("{"):
        return text.replace(mark, f"{mark}{words}", 1).encode(errors=_AS_BYTES)
    document = orjson.loads(value)
    name = _text_of(document)
    return _written(document | {name: document[name].replace(mark, f"{mark}{words}", 1)})


def rejoined(lines: list[str]) -> list[str]:
    """The lines of one record, those of CRI put together that were cut; a line goes on in its own stream."""
    found: list[str] = []
    open_: dict[str, list[str]] = {}
    for line in lines:
        cri = _CRI(line)
        if cri is None:
            found.append(line)
            continue
        begun = open_.setdefault(cri[2], [f"{cri[1]}F "])
        begun.append(line[cri.end() :].rstrip("\r"))
        if cri[3] == "F":
            found.append("".join(open_.pop(cri[2])))
    return found + ["".join(begun) for begun in open_.values()]


def unfolded(text: str) -> Iterator[str]:
    """The lines of `text`; one that starts with space or tab continues the one before it."""
    parts: list[str] = []
    lines = text.split("\n")
    for raw in rejoined(lines) if " P" in text and len(lines) > 1 else lines:
        line = raw.strip("\0\r\ufeff")
        if parts and line.startswith((" ", "\t")):
            parts.append(line.strip())
        elif line.strip():
            if parts:
                yield " ".join(parts)
            parts = [line.strip()]
    if parts:
        yield " ".join(parts)


def _headed(first: str, texts: list[str]) -> str:
    """A line of CRI that is whole, or of syslog without Exim's count."""
    cri = _CRI(first)
    if cri:
        return f"{cri[1]}F {''.join(texts)}"
    exim = _EXIM_SYSLOG(first)
    return first[: exim.end(1)] + ": " + " ".join(texts) if exim else "".join(texts)


def _in_text(text: str) -> Piece:
    cri = _CRI(text)
    if cri:
        rest = text[cri.end() :].rstrip("\r\n")
        if cri[3] == "P":
            return Piece(cri[2], Kind.PART, rest)
        return _attempt(cri[2], rest) or Piece(cri[2], _folding(rest), rest)
    exim = _EXIM_SYSLOG(text, 0, _BEGINNING)
    if exim:
        more = int(exim[2]) < int(exim[3])
        return Piece(exim[1], Kind.PART if more else Kind.WHOLE, text[exim.end() :].rstrip("\r\n"))
    return _attempt("", text) or Piece("", _folding(text), text)


def _attempt(stream: str, text: str) -> Piece | None:
    """A line that says which delivery starts, or how it ended; the first says of which mail, the second does not."""
    beginning = text[:_BEGINNING]
    found = (delivery_in(text) if "delivery " in beginning else None) or (
        attempt_in(text) if any(map(beginning.__contains__, _OF_NULLMAILER)) else None
    )
    if found is None:
        return None
    kind = Kind.ADDS if not found.mark else Kind.STARTS if found.words else Kind.ENDS
    return Piece(f"{stream}\0{found.whose}", kind, found.words or found.mark)


_OF_NULLMAILER: Final = ("tarting delivery: ", "smtp: ", "From: <", "essage-I")


def _folding(text: str) -> Kind:
    """Whether the line goes on, or another goes on with it: of Exim's, or of an object."""
    if text.startswith(_FOLDS):
        return Kind.MORE if text.strip() else Kind.WHOLE
    end = text[-_END:].rstrip()
    if end.endswith("{") and _OBJECT(text) and parse_line(text, 0) is None:
        return Kind.OBJECT
    if end.endswith(_CLOSERS) and _CLOSING(text):
        return Kind.CLOSES
    head = _EXIM_HEAD(text)
    if head is None or (head[1] in {"=>", "->"} and not text.count('"') % 2):
        return Kind.WHOLE
    return Kind.HEAD


# -- documents -------------------------------------------------------------------------------------------------------


def _in_document(value: bytes) -> Piece | None:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    name = _text_of(document)
    if not name:
        return None
    text = document[name]
    cri = _CRI(text)
    stream = _stream(document) + (f"\0{cri[2]}" if cri else "")
    kind = Kind.PART if _goes_on(document, text) else Kind.WHOLE
    if cri:
        text = text[cri.end() :].rstrip("\r\n")
        kind = Kind.PART if cri[3] == "P" else kind
    if kind is Kind.WHOLE and (attempt := _attempt(stream, text)):
        return attempt
    return Piece(stream, kind if kind is Kind.PART else _folding(text), text)


def _text_of(document: dict[str, Any]) -> str:
    return next((name for name in _TEXTS if isinstance(document.get(name), str)), "")


def _goes_on(document: dict[str, Any], text: str) -> bool:
    """Whether the shipper says so, or the runtime does."""
    tag = document.get("logtag", document.get("_p"))
    if tag in ("P", "F"):
        return bool(tag == "P")
    said = {key.lower().strip("_").removeprefix("container_"): value for key, value in _partials(document)}
    if said:
        return said.get("partial_last") != "true" and "true" in (said.get("partial_message"), said.get("partial"))
    if "stream" not in document or text.endswith("\n") or len(text) < CHUNK // _CHARACTER:
        return False
    return CHUNK - _CHARACTER < len(text.encode()) <= CHUNK


def _partials(document: dict[str, Any]) -> list[tuple[str, str]]:
    attributes = document.get("attrs")
    inner = list(attributes.items()) if isinstance(attributes, dict) else []
    found = [(key, value) for key, value in [*document.items(), *inner] if "partial" in key.lower()]
    return [(key, str(value).lower()) for key, value in found if isinstance(value, str | bool)]


def _stream(document: dict[str, Any]) -> str:
    """Where a shipper says that a record came from: the file, the container, the pod."""
    found = [str(document[key]) for key in _STREAMS if isinstance(document.get(key), str)]
    for key in _NESTED:
        if isinstance(document.get(key), dict):
            found += _words(document[key], 0)
    return "{" + "\0".join(found)  # no line of mere text is of the same stream


def _words(value: Any, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, dict) or depth > _DEEPEST:
        return []
    return [word for key, each in value.items() if key not in _OTHERS for word in _words(each, depth + 1)]


# Labels and annotations say nothing that a pod's name does not say; the others differ from piece to piece.
_OTHERS: Final = frozenset({"labels", "annotations", "partial_message", "partial_ordinal", "partial_last"})
