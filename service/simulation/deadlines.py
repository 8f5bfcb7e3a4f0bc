"""How long each silence may last, read from the policy file by a reader that shares nothing with the one it checks.

It knows what the truth needs: deadlines, the grace, and which stream a simulated mail falls into. Times are
milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND: Final = 1000
SES_LIFETIME: Final = 14 * 3600 * SECOND
GRACE: Final = 120 * SECOND
SHORTEST: Final = 2 * SECOND
"""Half of a deadline has to be long enough for a mail to be handed over in."""

LONGEST: Final = 365 * 86_400 * SECOND

_UNITS: Final = {"ms": 1, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m|h|d)")


class PlanError(ValueError):
    """What was asked for cannot be simulated; the text says why and the way out."""


def milliseconds(text: object, where: str) -> int:
    """`90s`, `1h30m`, `2.5s`. Raises `PlanError`."""
    parts = _PART.findall(str(text))
    if not parts or _PART.sub("", str(text)).strip():
        raise PlanError(f"{where}: {text!r} is no duration; write a number and a unit, like 90s, 15m or 14h")
    found = int(sum(float(number) * _UNITS[unit] for number, unit in parts))
    if found > LONGEST:
        raise PlanError(f"{where}: {text!r} is longer than a year; give something shorter")
    return found


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The silences of one stream."""

    handoff: int = 15 * 60 * SECOND
    first_event: int = 15 * 60 * SECOND
    max_delivery: int = SES_LIFETIME
    own_max_delivery: bool = False

    def delivery(self, accepted: int, expires: int = 0) -> int:
        """When a final event is due; `expires` is what the last DeliveryDelay said."""
        usual = accepted + self.max_delivery
        return usual if self.own_max_delivery else max(usual, min(expires, accepted + SES_LIFETIME))


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of mail: who sends it, by which configuration set, and what holds for it on either side of SES.

    Logs know no configuration set, so the hand-off may fall under another stream than the delivery.
    """

    sender_domain: str
    configuration_set: str
    handoff: Deadlines
    delivery: Deadlines


@dataclass(frozen=True, slots=True)
class Policy:
    """What of a policy file the truth depends on."""

    defaults: Deadlines = Deadlines()
    grace: int = GRACE
    streams: tuple[tuple[Mapping[str, str], Deadlines], ...] = ()
    message_id_join: bool = True
    unlogged_send: bool = False

    def stream(self, sender_domain: str, configuration_set: str, region: str) -> Stream:
        """The stream of a mail with these."""
        log = {"sender_domain": sender_domain}
        ses = log | {"configuration_set": configuration_set, "region": region}
        return Stream(sender_domain, configuration_set, self._first(log), self._first(ses))

    def _first(self, known: Mapping[str, str]) -> Deadlines:
        taken = (d for match, d in self.streams if all(known.get(key, "") == value for key, value in match.items()))
        return next(taken, self.defaults)

    @property
    def longest(self) -> int:
        """No mail is settled later than so long after its hand-off, but for what is said of it later still."""
        every = (self.defaults, *(deadlines for _, deadlines in self.streams))
        return max(max(d.handoff + d.first_event, d.handoff + d.max_delivery) for d in every) + self.grace


def read_policy(document: object) -> Policy:
    """From the policy file's document. Raises `PlanError`; what only mailgap understands is mailgap's to check."""
    root = _mapping(document, "policy")
    defaults = _mapping(root.get("defaults"), "defaults")
    base = _deadlines(defaults, Deadlines(), "defaults")
    streams = []
    for number, item in enumerate(root.get("streams") or ()):
        entry = _mapping(item, f"streams[{number}]")
        match = {key: str(value) for key, value in _mapping(entry.get("match"), f"streams[{number}].match").items()}
        own = replace(_deadlines(entry, base, f"streams[{number}]"), own_max_delivery="max_delivery" in entry)
        streams.append((match, own))
    grace = milliseconds(defaults["grace"], "defaults.grace") if "grace" in defaults else GRACE
    return Policy(
        base,
        grace,
        tuple(streams),
        message_id_join=root.get("message_id_join", True) not in _OFF,
        unlogged_send=root.get("unlogged_send", False) not in _OFF,
    )


_OFF: Final = (False, "off", "false", "no")


def _deadlines(entry: Mapping[str, Any], base: Deadlines, where: str) -> Deadlines:
    given = {
        key: milliseconds(entry[key], f"{where}.{key}")
        for key in ("handoff", "first_event", "max_delivery")
        if key in entry
    }
    for key, value in given.items():
        if value < SHORTEST:
            raise PlanError(f"{where}.{key}: under {SHORTEST // SECOND} s nothing can be simulated; give it more time")
    return Deadlines(
        given.get("handoff", base.handoff),
        given.get("first_event", base.first_event),
        given.get("max_delivery", base.max_delivery),
    )


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PlanError(f"{where}: expected a mapping of keys to values, found {value!r}")
    return value
