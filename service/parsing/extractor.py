"""Extractors: what an operator teaches us of a log that nobody else writes.

`parse_extractors` checks the section of the policy file when the process starts, and raises `ExtractorError` with a
sentence that names the value and the way out; `Extractor` reads lines and documents and never raises. Patterns are
RE2's: it has no backtracking, so no pattern and no line takes more than linear time, and what it cannot do in linear
time (lookaround, backreferences) it refuses at the start. A pattern on hostile text is no place for `re`, in which
`(a+)+$`, but also `.*a.*b.*c`, takes minutes for a line of 256 KiB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import re2  # type: ignore[import-untyped]  # ships no types

from service.parsing.applications.fields import addresses
from service.parsing.applications.names import own_message_id
from service.parsing.applications.said import Attempt, End, Facts, Said, api_attempt, facts_of, fault, reply_attempt
from service.parsing.replies import API_CODES, api_code
from service.parsing.syslog import Line, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

GROUPS: Final = ("message_id", "ses_id", "submission", "sender", "recipient", "reply", "error", "at")
USEFUL: Final = frozenset({"message_id", "ses_id", "reply", "error"})
"""Without one of these, nothing can be said of a mail."""

_PLACES: Final = ("program", "host")
_PATH: Final = re.compile(r"\$((?:\.[^.\[\]\s]{1,100}|\[\d{1,4}\]){1,16})").fullmatch
_STEP: Final = re.compile(r"\.([^.\[\]\s]{1,100})|\[(\d{1,4})\]")
_LONGEST_PATTERN: Final = 4000
_LONGEST_SUBMISSION: Final = 255
_SES_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{15,127}").fullmatch


class ExtractorError(ValueError):
    """An extractor of the policy file is wrong; the text says where and what would be right."""


@dataclass(frozen=True, slots=True)
class ExtractorSpec:
    """One entry of `extractors`: pairs of names and values, a pattern or else the JSON path of each group."""

    name: str
    match: tuple[tuple[str, str], ...] = ()
    pattern: str = ""
    json: tuple[tuple[str, str], ...] = ()


# -- checked at the start --------------------------------------------------------------------------------------------


def parse_extractors(section: object) -> tuple[ExtractorSpec, ...]:
    """The entries of the section; each can be compiled."""
    if section is None:
        return ()
    if not isinstance(section, list):
        raise ExtractorError(f"extractors: expected a list, found {section!r}")
    specs = tuple(_spec(item, f"extractors[{number}]") for number, item in enumerate(section))
    names = [spec.name for spec in specs]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ExtractorError(f"extractors[{number}].name: {name!r} is there twice; give each its own")
    return specs


def _spec(item: object, where: str) -> ExtractorSpec:
    entry = _mapping(item, where, {"name", "match", "pattern", "json"})
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise ExtractorError(f"{where}: has no name; give it one, so that its lines can be told from others'")
    if ("pattern" in entry) == ("json" in entry):
        raise ExtractorError(f"{where}: needs either `pattern`, for text, or `json`, for structured logs")
    match = _match(entry.get("match"), f"{where}.match")
    if "pattern" in entry:
        pattern = entry["pattern"]
        _compiled(pattern, f"{where}.pattern")
        return ExtractorSpec(name, match, pattern=pattern)
    return ExtractorSpec(name, match, json=_json(entry["json"], f"{where}.json"))


def _match(value: object, where: str) -> tuple[tuple[str, str], ...]:
    entry = _mapping(value, where, None)
    for key in entry:
        if key not in _PLACES:
            _path(key, where, f"use {', '.join(_PLACES)} or a JSON path such as $.logger")
    return tuple((key, str(item)) for key, item in entry.items())


def _json(value: object, where: str) -> tuple[tuple[str, str], ...]:
    entry = _mapping(value, where, set(GROUPS))
    _check_useful(entry, where)
    for group, path in entry.items():
        _path(path, f"{where}.{group}", "write a path such as $.mail.id or $.to[0]")
    return tuple((group, str(path)) for group, path in entry.items())


def _path(path: object, where: str, way_out: str) -> tuple[str | int, ...]:
    found = _PATH(path) if isinstance(path, str) else None
    if found is None:
        raise ExtractorError(f"{where}: {path!r} is no path; {way_out}")
    return tuple(int(step[2]) if step[2] else step[1] for step in _STEP.finditer(found[1]))


def _compiled(pattern: object, where: str) -> Any:
    if not isinstance(pattern, str) or not pattern or len(pattern) > _LONGEST_PATTERN:
        raise ExtractorError(f"{where}: {pattern!r} is no pattern; write one with named groups, like (?P<reply>.*)")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ExtractorError(
            f"{where}: {pattern!r} cannot be used: {why}; write it without lookaround and backreferences (RE2's syntax)"
        ) from error
    groups = list(compiled.groupindex)
    unknown = [group for group in groups if group not in GROUPS]
    if unknown:
        raise ExtractorError(f"{where}: the group {unknown[0]!r} is unknown; use {', '.join(GROUPS)}")
    _check_useful(groups, where)
    return compiled


def _check_useful(groups: object, where: str) -> None:
    if not USEFUL & set(groups):  # type: ignore[call-overload]
        wanted = ", ".join(group for group in GROUPS if group in USEFUL)
        raise ExtractorError(f"{where}: says nothing about a mail; name at least one of {wanted}")


def _mapping(value: object, where: str, known: set[str] | None) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ExtractorError(f"{where}: expected a mapping of keys to values, found {value!r}")
    entry = {str(key): item for key, item in value.items()}
    unknown = sorted(set(entry) - known) if known is not None else []
    if unknown:
        raise ExtractorError(f"{where}: {unknown[0]!r} is unknown; use {', '.join(sorted(known or ()))}")
    return entry


# -- at work ---------------------------------------------------------------------------------------------------------


class Extractor:
    """A checked entry, ready to read. Equal to another of the same entry."""

    __slots__ = ("_match", "_paths", "_pattern", "spec")

    def __init__(self, spec: ExtractorSpec) -> None:
        """Raises `ExtractorError` for an entry that `parse_extractors` would not have let pass."""
        self.spec = spec
        self._match = tuple(
            (key if key in _PLACES else _path(key, f"{spec.name}.match", "use $.name"), value)
            for key, value in spec.match
        )
        self._pattern = _compiled(spec.pattern, spec.name) if spec.pattern else None
        self._paths = tuple((group, _path(path, spec.name, "use $.name")) for group, path in spec.json)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extractor) and other.spec == self.spec

    def __hash__(self) -> int:
        return hash(self.spec)

    def read(self, line: Line, document: Mapping[str, Any] | None, zone: tzinfo | None = None) -> Facts:
        """The facts in a line, or in the document that it came in; none where this is not the extractor's log."""
        if not all(self._agrees(key, value, line, document) for key, value in self._match):
            return []
        if self._pattern is None:
            found = {group: _texts(_at(document, path)) for group, path in self._paths} if document else {}
        else:
            hit = self._pattern.search(line.message)
            found = {group: [text] for group, text in hit.groupdict().items() if text} if hit else {}
        return _facts({group: texts for group, texts in found.items() if texts}, line, zone)

    def _agrees(
        self, key: str | tuple[str | int, ...], value: str, line: Line, document: Mapping[str, Any] | None
    ) -> bool:
        if isinstance(key, tuple):
            return value in _texts(_at(document, key))
        return value == (line.program if key == "program" else line.host)


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(step, int):
            document = document[step] if isinstance(document, list) and step < len(document) else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
    return document


def _texts(value: Any) -> list[str]:
    each = value if isinstance(value, list) else [value]
    scalars = (item for item in each[:1000] if isinstance(item, str | int | float))
    return [text for item in scalars if (text := str(item).strip())]


def _facts(found: dict[str, list[str]], line: Line, zone: tzinfo | None) -> Facts:
    if not USEFUL & found.keys():
        return []
    first = {group: texts[0] for group, texts in found.items()}
    to = addresses(found.get("recipient", []))
    attempts = tuple(_attempts(first, to))
    message_id = own_message_id(first.get("message_id", ""))
    if not attempts and not message_id:
        return []
    submission = first.get("submission", "")[:_LONGEST_SUBMISSION]
    said = Said(
        attempts,
        message_id,
        next(iter(addresses(first.get("sender", ""))), ""),
        to,
        essence=" ".join(f"{group}={' '.join(texts)}" for group, texts in sorted(found.items())),
        submission=f"{line.host.lower() or '-'}/{submission}" if submission else "",
    )
    return facts_of(said, _dated(line, first.get("at", ""), zone))


def _attempts(first: dict[str, str], to: tuple[str, ...]) -> Iterator[Attempt]:
    ses_id, reply, error = first.get("ses_id", ""), first.get("reply", ""), first.get("error", "")
    attempt = reply_attempt(reply, to) if reply else None
    if _SES_ID(ses_id):
        yield Attempt(End.ACCEPTED, reply, ses_id=ses_id, recipients=to)
    elif attempt:
        yield attempt
    elif error:
        code, colon, message = error.partition(": ")
        known = api_code(code) in API_CODES
        by_reply = reply_attempt(error, to)
        if by_reply and by_reply.end in {End.DEFERRED, End.REFUSED}:
            yield by_reply
        else:
            yield (api_attempt(code, message if colon else error, 0, to) if known else fault(error, None, to))


def _dated(line: Line, at: str, zone: tzinfo | None) -> Line:
    stamp = stamp_of(at, line.at, zone) if at else None
    return Line(stamp.at, stamp.floating, line.host, line.program, line.message) if stamp else line
