"""One record of an SMTP log -> the facts in it.

Decides how a record falls into parts (lines, JSON documents, frames) and which dialect reads each. Nothing may be lost:
where some parts of a record can be read and others cannot, the facts of the good ones are returned *and* an
`Unparsable`, and the caller puts the whole record into the dead letters as well. A part that says nothing about a mail
is counted. It never raises, and never does more than linear work.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from service.facts import Parsed, Reason, Unparsable
from service.parsing.documents import documents
from service.parsing.envelopes import Envelope, open_envelope
from service.parsing.postfix import Facts, is_postfix, parse_postfix
from service.parsing.syslog import Line, decode, frames, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from service.facts import Instant

LIMIT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class SmtpContext:
    """What the lines do not say themselves.

    `relays`: host names, in lower case, that lead to SES besides SES's own. `zone`: that of stamps without one.
    """

    relays: frozenset[str] = frozenset()
    zone: tzinfo | None = None


DEFAULT: Final = SmtpContext()

Parser: TypeAlias = Callable[[Line, frozenset[str]], Facts | None]


class Dialect(NamedTuple):
    """A mail server's way to log: whose tags it knows, and how it reads a line (None: it should and cannot)."""

    speaks: Callable[[str], bool]
    parse: Parser


DIALECTS: Final = (Dialect(is_postfix, parse_postfix),)
"""The first that knows a line's program reads it."""

_Part: TypeAlias = Facts | Unparsable

_DEEPEST: Final = 4  # a document in a line in a document: Docker in Fluent Bit in Filebeat
_PADDING: Final = b"\0 \t\r\n\xef\xbb\xbf"
# A bracket alone may be a log level: `[NOTICE] ...`.
_IS_JSON: Final = re.compile(rb'\{|\[[ \t\r\n]*[\[{"\]]').match
_PACKED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
_CRI: Final = re.compile(r"\d{4}-\d\d-\d\dT\S{1,32} std(?:out|err) [FP] ").match
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
# Of random bytes a ninth are control characters; what is not UTF-8 counts four times, being escaped.
_FEW_CONTROLS, _CONTROL_SHARE = 8, 33
_REPLY: Final = re.compile(r"250 Ok [A-Za-z0-9-]{16}").search


def parse_smtp(raw: bytes, seen: Instant, context: SmtpContext = DEFAULT) -> tuple[Parsed, Unparsable | None]:
    """The facts in one record whose timestamp is `seen`, and, if any of its parts could not be read, why not."""
    if len(raw) > LIMIT:
        return Parsed([]), Unparsable(Reason.TOO_LARGE, f"{len(raw)} bytes")
    # Nearly every record is one line with a header: no need to look for other shapes first.
    text = decode(raw)
    if text.find("\n", 0, -1) < 0:
        line = parse_line(text, seen, context.zone)
        if line is not None:
            said = _read(line, context)
            if isinstance(said, list):
                return Parsed(said, 0 if said else 1), None
            return Parsed([]), said
    return _collected(_parts(raw, text, seen, context))


def _collected(parts: Iterator[_Part]) -> tuple[Parsed, Unparsable | None]:
    facts: Facts = []
    bad: list[Unparsable] = []
    count = ignored = 0
    for part in parts:
        count += 1
        if isinstance(part, Unparsable):
            bad.append(part)
        elif part:
            facts += part
        else:
            ignored += 1
    return Parsed(facts, ignored if count else 1), _first(bad, count)


def _first(bad: list[Unparsable], count: int) -> Unparsable | None:
    if not bad or count == 1:
        return bad[0] if bad else None
    return Unparsable(bad[0].reason, f"{len(bad)} of {count} parts, the first of them: {bad[0].detail}")


def _read(line: Line, context: SmtpContext) -> _Part:
    """What a line says, in the dialect of its program."""
    parse = _parser(line.program)
    if parse is None:
        return []
    facts = parse(line, context.relays)
    if facts is None:
        return Unparsable(
            Reason.UNPARSABLE_MAIL_LINE, f"a line of {line.program} that should say what became of a mail"
        )
    return facts


@lru_cache(maxsize=1024)
def _parser(program: str) -> Parser | None:
    return next((dialect.parse for dialect in DIALECTS if dialect.speaks(program)), None)


# -- records of other shapes -----------------------------------------------------------------------------------------


def _parts(raw: bytes, text: str, seen: Instant, context: SmtpContext) -> Iterator[_Part]:
    if raw.startswith(_PACKED):
        yield Unparsable(Reason.NOT_TEXT, "compressed")
    elif _IS_JSON(raw.lstrip(_PADDING)):
        reader = _Reader(seen, context, None, 0)
        found = documents(raw)
        for value in found.values:
            yield from reader.document(value)
        for piece in found.broken:
            yield Unparsable(Reason.BAD_JSON, f"{len(piece)} bytes that are no JSON document")
    else:
        reader = _Reader(seen, context, None, 0)
        framed = frames(raw)
        for frame in [text] if len(framed) == 1 and framed[0] is raw else map(decode, framed):
            yield from reader.text(frame)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads text and documents at one depth: `envelope` is what the document around them says."""

    seen: Instant
    context: SmtpContext
    envelope: Envelope | None
    depth: int

    def document(self, value: Any) -> Iterator[_Part]:
        """One JSON value: an envelope, or a list of lines or envelopes; anything else says nothing."""
        inner = _Reader(self.seen, self.context, None, self.depth + 1)
        if isinstance(value, dict):
            envelope = open_envelope(value, self.seen, self.context.zone)
            if envelope is not None:
                yield from _Reader(self.seen, self.context, envelope, self.depth + 1).text(envelope.text)
                return
        elif isinstance(value, str):
            yield from inner.text(value)
            return
        elif isinstance(value, list) and self.depth < _DEEPEST:
            for each in value:
                yield from inner.document(each)
            return
        yield []

    def text(self, text: str) -> Iterator[_Part]:
        """One or more lines."""
        for line in _unfolded(text):
            yield from self._nested(line) or [self._line(line)]

    def _nested(self, text: str) -> list[_Part]:
        """The parts of a line that is itself JSON; none where it is not."""
        if not text.startswith("{") or self.depth >= _DEEPEST:
            return []
        found = documents(text.encode())
        return [] if found.broken else [part for value in found.values for part in self.document(value)]

    def _line(self, text: str) -> _Part:
        cri = _CRI(text)
        text = text[cri.end() :] if cri else text
        line = parse_line(text, self.seen, self.context.zone)
        envelope = self.envelope
        if line is None:
            line = _bare(text, envelope, self.seen) if envelope else None
            return _read(line, self.context) if line else _unknown(text)
        if envelope and not line.host:
            line = Line(line.at, line.floating, envelope.host, line.program, line.message)
        return _read(line, self.context)


def _unfolded(text: str) -> Iterator[str]:
    """The lines of `text`; one that starts with space or tab continues the one before it."""
    parts: list[str] = []
    for raw in text.split("\n"):
        line = raw.strip("\0\r\ufeff")
        if parts and line.startswith((" ", "\t")):
            parts.append(line.strip())
        elif line.strip():
            if parts:
                yield " ".join(parts)
            parts = [line.strip()]
    if parts:
        yield " ".join(parts)


def _bare(text: str, envelope: Envelope, seen: Instant) -> Line | None:
    """A message without a header, under what its envelope says; None where that does not say who spoke."""
    if not envelope.program:
        return None
    stamp = envelope.stamp
    at, floating = (stamp.at, stamp.floating) if stamp else (seen, False)
    return Line(at, floating, envelope.host, envelope.program, text)


def _unknown(text: str) -> _Part:
    """A line without a header, of nobody knows whom."""
    if "postfix/" in text and "to=<" in text and ("status=" in text or _REPLY(text)):
        return Unparsable(Reason.UNPARSABLE_MAIL_LINE, "a status line in no known envelope")
    controls = len(_CONTROL.findall(text))
    if "\0" in text or (controls >= _FEW_CONTROLS and controls * _CONTROL_SHARE > len(text)):
        return Unparsable(Reason.NOT_TEXT, f"{controls} control characters in {len(text)}")
    return []
