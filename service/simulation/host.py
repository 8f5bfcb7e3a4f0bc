"""A host that writes a log: its dialect, its clock, and the shipper that carries its lines."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from service.facts import Source
from service.simulation.shippers import SHIPPERS, Said, Shipper

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.facts import Instant
    from service.simulation.servers.submission import Letter, Submission

Send = "Callable[[Source, Instant, str, bytes, bytes, int], None]"
"""source, record time, host, key, value, how long its way takes"""

_AGAIN: Final = 3000
"""Milliseconds after which a queue id may be given again."""
_KEPT: Final = 1000
"""Free queue ids that are remembered."""

_FORMS: Final = ("rfc3164", "rfc5424", "rsyslog", "vector", "fluent-bit", "filebeat", "journald", "iso8601")
_ZONES: Final = (0, 2, 1, 0, 0, -5, 0, 9)


@dataclass(slots=True)
class Host:
    """One host. `skew`: by how many milliseconds its clock is wrong; `way`: how long its lines travel."""

    name: str
    tag: str
    dialect: type[Submission]
    shipper: Shipper
    zone: int
    skew: int
    way: int
    send: Callable[[Source, Instant, str, bytes, bytes, int], None] = field(repr=False)
    _free: deque[tuple[Instant, str]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def takes(self, at: Instant, letter: Letter) -> Submission:
        """A letter comes in."""
        return self.dialect(self, at, letter)

    def says(self, at: Instant, program: str, text: str) -> None:
        """A line. The record's time is the one in the line, in its resolution; a wrong clock does not count."""
        stamp = at - at % self.shipper.resolution
        line = self.shipper.wrap(Said(stamp + self.skew, self.name, self.zone, program, text))
        self._send(stamp, line, self.way + at - stamp)

    def writes(self, at: Instant, entry: dict[str, Any]) -> None:
        """An entry of a structured log, which stamps itself."""
        self._send(at, json.dumps(entry | {"time": at + self.skew}).encode(), self.way)

    def _send(self, at: Instant, value: bytes, way: int) -> None:
        self.send(Source.SMTP, at, self.name, self.name.encode(), value, way)

    def free_again(self, at: Instant) -> str | None:
        """A queue id that was in use a while ago."""
        if self._free and self._free[0][0] + _AGAIN < at:
            return self._free.popleft()[1]
        return None

    def release(self, queue_id: str, at: Instant) -> None:
        """The queue id's mail is gone."""
        self._free.append((at, queue_id))


def form_of(number: int) -> tuple[Shipper, int]:
    """The shipper and the zone of the host of this number: all there are, in turn."""
    return SHIPPERS[_FORMS[number % len(_FORMS)]], _ZONES[number % len(_ZONES)]
