"""Streams and their deadlines: which mail belongs to which stream, and how long each silence may last.

`parse_policy` turns the document of a policy file into a `Policy` or raises `PolicyError` with a sentence that names
the value and the way out. Reading the file is `service.settings`' business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from service.facts import HOUR, MINUTE, SECOND, Instant
from service.parsing.extractor import ExtractorError, ExtractorSpec, parse_extractors

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY: Final = 24 * HOUR
SES_LIFETIME: Final = 14 * HOUR
"""The longest that SES can be told to go on trying (DeliveryOptions.MaxDeliverySeconds <= 50400)."""

LONGEST_TIME: Final = 3650 * DAY
"""Longer than this, a duration is a slip of the finger."""

_UNITS: Final = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)")


class PolicyError(ValueError):
    """The policy document is wrong; the text says where and what would be right."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each silence may last, in milliseconds."""

    handoff: int = 15 * MINUTE
    first_event: int = 15 * MINUTE
    max_delivery: int = SES_LIFETIME
    own_max_delivery: bool = False
    """The stream sets `max_delivery` itself, so SES's `expirationTime` does not extend it (rule 5)."""

    def delivery(self, accepted: Instant, expires: Instant) -> Instant:
        """The instant by which a final event must have come."""
        usual = accepted + self.max_delivery
        if self.own_max_delivery:
            return usual
        return max(usual, min(expires, accepted + SES_LIFETIME))


class Attributes(msgspec.Struct, frozen=True):
    """What a stream may be chosen by; empty where unknown."""

    configuration_set: str = ""
    application: str = ""
    sender_domain: str = ""
    region: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    def get(self, key: str) -> str:
        """The value of one key of a `match`."""
        if key.startswith("tag."):
            return dict(self.tags).get(key.removeprefix("tag."), "")
        return str(getattr(self, key))


class Stream(msgspec.Struct, frozen=True):
    """A named kind of mail with deadlines of its own."""

    name: str
    deadlines: Deadlines = msgspec.field(default_factory=Deadlines)
    match: tuple[tuple[str, str], ...] = ()

    def takes(self, mail: Attributes) -> bool:
        """Every key of the match agrees."""
        return all(mail.get(key) == value for key, value in self.match)


@dataclass(frozen=True, slots=True)
class Policy:
    """All that is decided by the operator; times in milliseconds."""

    defaults: Deadlines = field(default_factory=Deadlines)
    streams: tuple[Stream, ...] = ()
    grace: int = 2 * MINUTE
    """How far record timestamps may be out of order."""
    keep: int = 24 * HOUR
    """How long a row stays after every deadline of its window has passed, for what comes late."""
    queue_lifetime: int = 5 * DAY
    """How long a mail server goes on trying (Postfix: maximal_queue_lifetime)."""
    window: int = HOUR
    stall_after: int = 10 * MINUTE
    stall_mails: int = 20
    relays: frozenset[str] = frozenset()
    """Host names that are SES besides its own (a proxy, a private name)."""
    message_id_join: bool = True
    unlogged_send: bool = False
    extractors: tuple[ExtractorSpec, ...] = ()
    """How to read logs that nobody else writes."""

    def stream(self, mail: Attributes) -> Stream:
        """The first stream that takes the mail; else one named after its configuration set, else `default`."""
        for stream in self.streams:
            if stream.takes(mail):
                return stream
        return Stream(mail.configuration_set or "default", self.defaults)

    @property
    def fingerprint(self) -> str:
        """Equal for equal policies, in every process."""
        return repr(replace(self, relays=frozenset())) + repr(sorted(self.relays))

    @property
    def shortest_handoff(self) -> int:
        """A hand-off that took no longer was in time in every stream."""
        return min(deadlines.handoff for deadlines in (self.defaults, *(stream.deadlines for stream in self.streams)))

    @property
    def longest(self) -> int:
        """No deadline of any mail lies farther from its window than this."""
        every = (self.defaults, *(stream.deadlines for stream in self.streams))
        own = max(max(d.handoff, d.first_event, d.max_delivery) for d in every)
        return own if all(d.own_max_delivery for d in every) else max(own, SES_LIFETIME)


def duration(text: object, where: str) -> int:
    """Milliseconds of `15m`, `1h30m`, `2.5s`; a bare number is refused, since nobody can tell its unit."""
    value = str(text).strip().lower()
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise PolicyError(f"{where}: {text!r} is no duration; write a number and a unit, like 90s, 15m, 14h or 5d")
    found = int(sum(float(number) * _UNITS[unit] for number, unit in parts))
    if found > LONGEST_TIME:
        raise PolicyError(f"{where}: {text!r} is longer than ten years; give something shorter")
    return found


def _time(text: object, where: str) -> int:
    """A duration that is above nothing."""
    found = duration(text, where)
    if not found:
        raise PolicyError(f"{where}: {text!r} leaves no time at all; give something longer, like 1s or 15m")
    return found


def parse_policy(document: object) -> Policy:
    """The policy that a document describes. An empty document gives the defaults."""
    root = _mapping(document, "policy", _SECTIONS)
    defaults = _mapping(root.get("defaults"), "defaults", _DEADLINES | _TIMES)
    sources = _mapping(root.get("sources"), "sources", {"stall_after", "stall_mails", "relays"})
    base = _deadlines(defaults, Deadlines(), "defaults")
    times = {
        key: (duration if key in _MAY_BE_NOTHING else _time)(defaults[key], f"defaults.{key}")
        for key in _TIMES
        if key in defaults
    }
    policy = Policy(
        defaults=base,
        streams=_streams(_list(root.get("streams"), "streams"), base),
        relays=frozenset(_relay(host, n) for n, host in enumerate(_list(sources.get("relays"), "sources.relays"))),
        message_id_join=_switch(root.get("message_id_join", True), "message_id_join"),
        unlogged_send=_switch(root.get("unlogged_send", False), "unlogged_send"),
        extractors=_extractors(root.get("extractors")),
        **times,
    )
    return _stalls(policy, sources)


def advice(policy: Policy) -> list[str]:
    """What the policy says that it can hardly mean, a sentence each with the way out."""
    return [
        f"streams[{number}] ({stream.name}): matches by {key}, which only SES's events name, so a mail that SES never"
        " answered is judged with another stream's deadlines; match its sender_domain or application instead"
        for number, stream in enumerate(policy.streams)
        for key in [key for key, _ in stream.match if key not in _KNOWN_TO_LOGS][:1]
    ]


_KNOWN_TO_LOGS: Final = {"sender_domain", "application"}
"""What is known of a mail before SES has spoken of it."""
_SECTIONS: Final = {"defaults", "sources", "streams", "message_id_join", "unlogged_send", "extractors"}
_DEADLINES: Final = {"handoff", "first_event", "max_delivery"}
_TIMES: Final = {"grace", "keep", "queue_lifetime", "window"}
_MAY_BE_NOTHING: Final = {"grace", "keep"}
_KEYS: Final = {"configuration_set", "application", "sender_domain", "region"}


def _stalls(policy: Policy, sources: Mapping[str, Any]) -> Policy:
    if "stall_after" in sources:
        policy = replace(policy, stall_after=_time(sources["stall_after"], "sources.stall_after"))
    count = sources.get("stall_mails", policy.stall_mails)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise PolicyError(f"sources.stall_mails: {count!r} is no count; write a whole number of 1 or more")
    return replace(policy, stall_mails=count)


def _extractors(section: object) -> tuple[ExtractorSpec, ...]:
    try:
        return parse_extractors(section)
    except ExtractorError as error:
        raise PolicyError(str(error)) from error


def _relay(host: object, number: int) -> str:
    if not isinstance(host, str) or not host.strip():
        raise PolicyError(f"sources.relays[{number}]: {host!r} is no host; write a name, like smtp-proxy.internal")
    return host.strip().lower()


def _streams(items: list[Any], base: Deadlines) -> tuple[Stream, ...]:
    """The streams, in their order. One that an earlier one leaves nothing to is a mistake that nobody would notice."""
    streams = tuple(_stream(item, base, number) for number, item in enumerate(items))
    for number, stream in enumerate(streams):
        for before, earlier in enumerate(streams[:number]):
            if set(earlier.match) <= set(stream.match):
                raise PolicyError(
                    f"streams[{number}] ({stream.name}): streams[{before}] ({earlier.name}) takes all of its mails,"
                    " since the first match counts; put it before that one"
                )
    return streams


def _stream(item: object, base: Deadlines, number: int) -> Stream:
    where = f"streams[{number}]"
    entry = _mapping(item, where, _DEADLINES | {"name", "match"})
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise PolicyError(f"{where}: has no name; give it one, since alerts and dashboards show it")
    match = _mapping(entry.get("match"), f"{where}.match", None)
    if not match:
        raise PolicyError(
            f"{where} ({name}): has no match, so it would take every mail; give it one, or put its deadlines into"
            " defaults"
        )
    own = "max_delivery" in entry
    deadlines = replace(_deadlines(entry, base, where), own_max_delivery=own)
    return Stream(name, deadlines, tuple((key, _wanted(key, value, f"{where}.match")) for key, value in match.items()))


def _wanted(key: str, value: object, where: str) -> str:
    if key not in _KEYS and (not key.startswith("tag.") or key == "tag."):
        raise PolicyError(f"{where}: {key!r} is unknown; use {', '.join(sorted(_KEYS))} or tag.<name>")
    if not isinstance(value, str):
        raise PolicyError(f"{where}.{key}: {value!r} is no text; write it in quotes, like '{value}'")
    if not value.strip():
        raise PolicyError(f"{where}.{key}: is empty; say what it must be, or leave the key out")
    return value.lower() if key == "sender_domain" else value


def _deadlines(entry: Mapping[str, Any], base: Deadlines, where: str) -> Deadlines:
    def given(key: str, otherwise: int) -> int:
        return _time(entry[key], f"{where}.{key}") if key in entry else otherwise

    return Deadlines(
        handoff=given("handoff", base.handoff),
        first_event=given("first_event", base.first_event),
        max_delivery=given("max_delivery", base.max_delivery),
    )


def _mapping(value: object, where: str, known: set[str] | None) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PolicyError(f"{where}: expected a mapping of keys to values, found {value!r}")
    entry = {str(key): item for key, item in value.items()}
    unknown = sorted(set(entry) - known) if known is not None else []
    if unknown:
        raise PolicyError(f"{where}: {unknown[0]!r} is unknown; use {', '.join(sorted(known or ()))}")
    return entry


def _list(value: object, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise PolicyError(f"{where}: expected a list, found {value!r}")
    return value


def _switch(value: object, where: str) -> bool:
    # YAML reads on/off as booleans, but quoted ones stay text.
    if value in (True, "on", "true", "yes"):
        return True
    if value in (False, "off", "false", "no"):
        return False
    raise PolicyError(f"{where}: {value!r} is neither on nor off")
