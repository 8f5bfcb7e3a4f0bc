"""One record of an SMTP log -> the facts in it.

Decides how a record falls into parts (lines, JSON documents, frames) and which dialect reads each. Nothing may be lost:
where some parts of a record can be read and others cannot, the facts of the good ones are returned *and* an
`Unparsable`, and the caller puts the whole record into the dead letters as well. A part that says nothing about a mail
is counted. It never raises, and never does more than linear work.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from service.facts import HOUR, Parsed, Reason, Unparsable
from service.parsing.applications import (
    entry_of,
    headless,
    is_printed,
    may_concern_mail,
    said_by_document,
    said_by_line,
)
from service.parsing.batches import records_in
from service.parsing.delivering import Facts
from service.parsing.documents import documents
from service.parsing.envelopes import Envelope, open_envelope
from service.parsing.exim import bare_exim, is_exim, parse_exim
from service.parsing.halon import read_halon
from service.parsing.haraka import bare_haraka, is_haraka, parse_haraka, read_haraka
from service.parsing.journald import exported, is_exported
from service.parsing.msmtp import bare_msmtp, is_msmtp, parse_msmtp
from service.parsing.opensmtpd import bare_opensmtpd, is_opensmtpd, parse_opensmtpd
from service.parsing.packed import GZIP, GZIP_IN_BASE64, Unpacker
from service.parsing.pieces import unfolded
from service.parsing.postfix import bare_postfix, is_postfix, parse_postfix
from service.parsing.qmail import bare_multilog, is_qmail, parse_qmail
from service.parsing.sendmail import is_sendmail, parse_sendmail
from service.parsing.simple_clients import bare_nullmailer, is_simple, parse_simple
from service.parsing.strays import lost_line, string_in, unknown_line, written
from service.parsing.syslog import Line, decode, frames, parse_line, stamp_of
from service.parsing.usual import read_usual

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    from service.facts import Instant
    from service.parsing.batches import Batch
    from service.parsing.extractor import Extractor

LIMIT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class SmtpContext:
    """What the lines do not say themselves.

    `relays`: host names, in lower case, that lead to SES besides SES's own. `zone`: that of stamps without one.
    `extractors`: the operator's own, tried before what we know of applications.
    """

    relays: frozenset[str] = frozenset()
    zone: tzinfo | None = None
    extractors: tuple[Extractor, ...] = ()


DEFAULT: Final = SmtpContext()

Parser: TypeAlias = Callable[[Line, frozenset[str]], Facts | None]


class Dialect(NamedTuple):
    """A mail server's way to log: whose tags it knows, and how it reads a line (None: it should and cannot)."""

    speaks: Callable[[str], bool]
    parse: Parser


DIALECTS: Final = (
    Dialect(is_postfix, parse_postfix),
    Dialect(is_sendmail, parse_sendmail),
    Dialect(is_exim, parse_exim),
    Dialect(is_opensmtpd, parse_opensmtpd),
    Dialect(is_msmtp, parse_msmtp),
    Dialect(is_qmail, parse_qmail),
    Dialect(is_haraka, parse_haraka),
    Dialect(is_simple, parse_simple),
)
"""The first that knows a line's program reads it."""

BareReader: TypeAlias = "Callable[[str, Instant, tzinfo | None], Line | None]"

BARE_DIALECTS: Final[tuple[BareReader, ...]] = (
    *(bare_exim, bare_msmtp, bare_haraka, bare_multilog, bare_opensmtpd, bare_nullmailer, bare_postfix),
)
"""Lines of a mail server's own log file, which say neither host nor program: (text, when it was seen, the zone of
stamps without one) -> the line under its program's name, or None. The first that knows a text's beginning reads it."""

DOCUMENT_DIALECTS: Final = (read_halon, read_haraka)
"""JSON documents that are themselves a mail server's line: (document, seen, relays) -> facts, or None."""

_Part: TypeAlias = Facts | Unparsable

HALF_A_YEAR: Final = 182 * 24 * HOUR
_AHEAD: Final = 36 * HOUR
"""What a stamp's zone (14 h) and a clock that is wrong may be ahead by."""

_DEEPEST: Final = 6  # documents in lines in documents: Docker, Fluent Bit, CloudWatch, Firehose, Lambda
_PADDING: Final = b"\0 \t\r\n\xef\xbb\xbf"
# A bracket alone may be a log level: `[NOTICE] ...`.
_IS_JSON: Final = re.compile(rb'\{|\[[ \t\r\n]*[\[{"\]]').match
_CUT_JSON: Final = re.compile(r'\{ ?"|\[ ?[\[{"\]]').match
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_CRI: Final = re.compile(r"(\d{4}-\d\d-\d\dT\S{1,40}) std(?:out|err) [FP](?::\S{0,64})? ").match


def parse_smtp(raw: bytes, seen: Instant, context: SmtpContext = DEFAULT) -> tuple[Parsed, Unparsable | None]:
    """The facts in one record whose timestamp is `seen`, and, if any of its parts could not be read, why not."""
    if len(raw) > LIMIT:
        return Parsed([]), Unparsable(Reason.TOO_LARGE, f"{len(raw)} bytes")
    usual = read_usual(raw, seen, context.zone, context.relays)
    return parse_unusual(raw, seen, context) if usual is None else (Parsed(usual, 0 if usual else 1), None)


def parse_unusual(raw: bytes, seen: Instant, context: SmtpContext = DEFAULT) -> tuple[Parsed, Unparsable | None]:
    """As `parse_smtp`, of a record of any form."""
    # Most are one line with a header: no need to look for other shapes first.
    text = decode(raw)
    if text.find("\n", 0, -1) < 0:
        line = parse_line(text, seen, context.zone)
        if line is not None:
            said = _read(line, context)
            if isinstance(said, list):
                return Parsed(said, 0 if said else 1), None
            return Parsed([]), said
    return _collected(_parts(raw, text, seen, context))


def parse_not_later(
    raw: bytes, seen: Instant, latest: Instant, context: SmtpContext = DEFAULT
) -> tuple[Parsed, Unparsable | None]:
    """As `parse_smtp`, by a reader who knows that it was written by `latest`.

    A log does not speak of the future: a stamp without a year (RFC 3164) that is nearest to `seen` in the year to come
    is one of the year before. Where no SES id shows the year, nothing else would.
    """
    parsed, trouble = parse_smtp(raw, seen, context)
    limit = latest + _AHEAD
    for _, fact in parsed.facts:
        if fact.at > limit:
            return parse_smtp(raw, latest - HALF_A_YEAR, context)
    return parsed, trouble


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


def _read(line: Line, context: SmtpContext, *, wrapped: bool = False) -> _Part:
    """What a line says, in the dialect of its program. `wrapped`: a document holds it, and is read whole."""
    parse = _parser(line.program)
    if parse is None:
        return [] if wrapped else _by_application(line, None, context)
    facts = parse(line, context.relays)
    if facts is None:
        return Unparsable(
            Reason.UNPARSABLE_MAIL_LINE, f"a line of {line.program} that should say what became of a mail"
        )
    return facts


def _by_application(line: Line, document: dict[str, Any] | None, context: SmtpContext) -> Facts:
    """What a program says that is no mail server: in the operator's words, else in those of a mail client."""
    for extractor in context.extractors:
        if facts := extractor.read(line, document, context.zone):
            return facts
    return said_by_line(line) if document is None else said_by_document(document, line)


@lru_cache(maxsize=1024)
def _parser(program: str) -> Parser | None:
    return next((dialect.parse for dialect in DIALECTS if dialect.speaks(program)), None)


# -- records of other shapes -----------------------------------------------------------------------------------------


def _parts(raw: bytes, text: str, seen: Instant, context: SmtpContext) -> Iterator[_Part]:
    reader = _Reader(seen, context, None, 0, Unpacker())
    yield from reader.packed(raw) if raw.startswith(GZIP) else reader.record(raw, text)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads text and documents at one depth: `envelope` is what the document around them says."""

    seen: Instant
    context: SmtpContext
    envelope: Envelope | None
    depth: int
    unpacker: Unpacker

    def packed(self, raw: bytes) -> Iterator[_Part]:
        """A record inside another, or under gzip."""
        found = self.unpacker.opened(raw)
        if isinstance(found, Unparsable):
            yield found
        else:
            yield from self.record(found, decode(found))

    def record(self, raw: bytes, text: str) -> Iterator[_Part]:
        """Lines, JSON documents or frames; `text` is `raw` as text."""
        if raw.startswith(_ZSTD):
            yield Unparsable(Reason.NOT_TEXT, "compressed")
        elif is_exported(raw):
            for entry in exported(raw):
                yield from self.document(entry)
        elif raw.startswith(b'"') and (quoted := string_in(raw)) is not None:
            yield from self.document(quoted)
        elif _IS_JSON(raw.lstrip(_PADDING)):
            found = documents(raw)
            for value in found.values:
                yield from self.document(value)
            for piece in found.broken:
                yield self._no_json(piece)
        else:
            framed = frames(raw)
            for frame in [text] if len(framed) == 1 and framed[0] is raw else map(decode, framed):
                yield from self.text(frame)

    def _no_json(self, piece: bytes) -> _Part:
        """What cannot be read as JSON: cut off, or a text of which parts look like it. Node's objects do."""
        line = headless(" ".join(decode(piece).split()), self.seen, self.context.zone)
        if not _CUT_JSON(line.message):
            facts = _by_application(line, None, self.context)
            if facts or is_printed(line.message) or not may_concern_mail(line.message):
                return facts
        return Unparsable(Reason.BAD_JSON, f"{len(piece)} bytes that are no JSON document")

    def _inside(self, envelope: Envelope | None = None) -> _Reader:
        return _Reader(self.seen, self.context, envelope, self.depth + 1, self.unpacker)

    def _batch(self, records: Batch) -> Iterator[_Part]:
        inner = self._inside()
        for each in records:
            if isinstance(each, Unparsable):
                yield each
            elif isinstance(each, bytes):
                yield from inner.record(each, decode(each))
            else:
                yield from inner.document(each)
        if not records:
            yield []

    def document(self, value: Any) -> Iterator[_Part]:
        """One JSON value: an envelope, or a list of lines or envelopes; anything else says nothing."""
        if isinstance(value, dict) and value:
            batch = records_in(value, self.unpacker) if self.depth < _DEEPEST else None
            if batch is not None:
                yield from self._batch(batch)
                return
            said = next(filter(None, (read(value, self.seen, self.context.relays) for read in DOCUMENT_DIALECTS)), None)
            if said is not None:
                yield said
                return
            envelope = open_envelope(value, self.seen, self.context.zone)
            parts = list(self._inside(envelope).text(envelope.text)) if envelope else [lost_line(value) or []]
            facts = [] if any(parts) else self._application(value, envelope)
            yield from [facts] if facts else parts
            return
        elif isinstance(value, str):
            yield from self._inside().text(value)
            return
        elif isinstance(value, list) and self.depth < _DEEPEST:
            inner = self._inside()
            for each in value:
                yield from inner.document(each)
            return
        yield []

    def text(self, text: str) -> Iterator[_Part]:
        """One or more lines; or gzip in base64, which has none."""
        if text.startswith(GZIP_IN_BASE64) and self.depth < _DEEPEST:
            found = self.unpacker.decoded(text.strip())
            if found is not None:
                yield from [found] if isinstance(found, Unparsable) else self._inside().record(found, decode(found))
                return
        for each in self._messages(text):
            reader, line = self._out_of_cri(each)
            yield from reader._nested(line) or [reader._line(line)]  # noqa: SLF001 -- one's own

    def _out_of_cri(self, line: str) -> tuple[_Reader, str]:
        """A line without what a container's runtime wrote before it, which dates it where it does not itself."""
        cri = _CRI(line)
        if cri is None:
            return self, line
        stamp = None if self.envelope else stamp_of(cri[1], self.seen, self.context.zone)
        return replace(self, seen=stamp.at) if stamp else self, line[cri.end() :]

    def _messages(self, text: str) -> Iterable[str]:
        """The lines of `text`. What a document says one program said is one message, whatever stands on its lines.

        Else whoever can put a line break into an application's log could write a mail server's line after it.
        """
        lines = list(unfolded(text))
        if self.envelope is None or len(lines) == 1:
            return lines
        if not self.envelope.program and lines and self._headed(lines[0]) is not None:
            return lines
        return [" ".join(lines)]

    def _nested(self, text: str) -> list[_Part]:
        """The parts of a line that is itself JSON; none where it is not."""
        if not text.startswith("{") or self.depth >= _DEEPEST:
            return []
        found = documents(text.encode())
        return [] if found.broken else [part for value in found.values for part in self.document(value)]

    def _line(self, text: str) -> _Part:
        line = self._headed(text)
        if line is not None:
            return _read(line, self.context, wrapped=self.envelope is not None)
        # Nobody says who wrote it: an application to its own output, perhaps.
        line = None if self.envelope else headless(text, self.seen, self.context.zone)
        return (line and _by_application(line, None, self.context)) or (unknown_line(text) or [])

    def _headed(self, text: str) -> Line | None:
        """A line under a header of its own, its own form or what its envelope says; None where none says who spoke."""
        line = parse_line(text, self.seen, self.context.zone)
        envelope = self.envelope
        if line is None or (envelope and envelope.parsed and envelope.program not in {"", line.program}):
            return self._without_header(text)
        if envelope and not line.host:
            return Line(line.at, line.floating, envelope.host, line.program, line.message)
        return line

    def _application(self, document: dict[str, Any], envelope: Envelope | None) -> Facts:
        """What a structured entry says as a whole, unless a mail server speaks in it."""
        if envelope and _parser(envelope.program):
            return []
        if not self.context.extractors and not may_concern_mail(written(document)):
            return []
        entry = entry_of(document)
        around = envelope or open_envelope({"message": "-", **entry}, self.seen, self.context.zone)
        text = envelope.text if envelope else ""
        line = self._inside(around)._headed(text)  # noqa: SLF001 -- one's own
        if line is None:
            stamp = around.stamp if around else None
            at, floating = (stamp.at, stamp.floating) if stamp else (self.seen, False)
            line = Line(at, floating, around.host if around else "", "", text)
        return [] if _parser(line.program) else _by_application(line, entry, self.context)

    def _without_header(self, text: str) -> Line | None:
        """A line that only its own form or its envelope tells; None where neither says who spoke."""
        envelope = self.envelope
        seen = envelope.stamp.at if envelope and envelope.stamp else self.seen
        line = next(filter(None, (read(text, seen, self.context.zone) for read in BARE_DIALECTS)), None)
        if envelope is None:
            return line
        # Whoever is named in the envelope speaks: an application that quotes a mail server's log is that application.
        if envelope.program and (line is None or _parser(envelope.program) is not _parser(line.program)):
            return _bare(text, envelope, self.seen)
        return line and Line(line.at, line.floating, envelope.host, line.program, line.message)


def _bare(text: str, envelope: Envelope, seen: Instant) -> Line | None:
    """A message without a header, under what its envelope says; None where that does not say who spoke."""
    if not envelope.program:
        return None
    stamp = envelope.stamp
    at, floating = (stamp.at, stamp.floating) if stamp else (seen, False)
    return Line(at, floating, envelope.host, envelope.program, text)
