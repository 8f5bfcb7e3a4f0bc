"""`mailgap scan`: files in, verdicts out, by the very step that the worker runs.

Order matters only for the work, not for the result: submissions first, since they tell their SES mails what they know;
then the Message-IDs that were asked; then every SES mail, once, when all that concerns it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from service.contract.correlated import Correlated
from service.correlate import Correlator, Outputs
from service.documents import Documents
from service.edges.gather import Gathered
from service.facts import Asked, Instant, Name, Source
from service.facts_record import FactsRecord
from service.policy import Policy
from service.watermarks import Watermarks

_decode = msgspec.json.Decoder(Correlated).decode


class Rows(dict[bytes, bytes]):
    """Rows of a scan. An SES mail is judged once, at the end, so its row is not needed again."""

    def put(self, key: bytes, value: bytes) -> None:
        """Keeps what may be asked for again."""
        if key[:2] != b"S:":
            self[key] = value

    def remove(self, key: bytes) -> None:
        """Drops a row."""
        self.pop(key, None)


@dataclass(slots=True)
class Summary:
    """What a scan found."""

    mails: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    open_gaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    resolved_gaps: int = 0
    held: int = 0
    failures: list[str] = field(default_factory=list)


class Scan:
    """Judges what was gathered."""

    def __init__(self, gathered: Gathered, policy: Policy, sources: tuple[Source, ...], as_of: Instant | None) -> None:
        """With `as_of`, both sources have spoken until then; without, each until its own last fact, and may stall."""
        self._gathered = gathered
        self.summary = Summary()
        self._asked: set[Name] = set()
        self._correlator = Correlator(Rows(), policy, Documents(), sources)
        latest = gathered.tally.latest
        fixed = {source: latest.get(source, 0) if as_of is None else as_of for source in Source}
        self._correlator.marks = Watermarks(configured=sources, fixed=fixed, stalls=as_of is None)
        self._correlator.marks.hear(gathered.listener.take())
        self._correlator.advance()

    def documents(self) -> Iterator[tuple[Correlated, bytes]]:
        """Every mail's final record, decoded and as bytes."""
        submissions: dict[str, bytes] = {}
        names = self._gathered.names(b"Q:")
        while names:
            for name in names:
                submissions.update((key, value) for key, _, value in self._step(name).correlated)
            for name in [name for name in self._gathered.names(b"M:") if name in self._asked]:
                self._step(name)
            names = self._gathered.names(b"Q:")
        for data in submissions.values():
            yield self._count(data)
        for name in self._gathered.names(b"S:"):
            for published in self._step(name).correlated:
                yield self._count(published.value)

    def _step(self, name: Name) -> Outputs:
        self._correlator.take([FactsRecord([(name, self._gathered.take(name))])])
        said = self._correlator.drain()
        for message in said.messages:
            self._gathered.add(message.name, message.fact, message.sighting)
            if isinstance(message.fact, Asked):
                self._asked.add(message.name)
        self.summary.failures += [f"{failed!r}: {why}" for failed, _, why in said.failures]
        return said

    def _count(self, data: bytes) -> tuple[Correlated, bytes]:
        document = _decode(data)
        summary = self.summary
        if document.superseded_by is None:
            summary.mails += 1
            summary.held += document.held
            summary.outcomes.update(recipient.outcome for recipient in document.recipients)
        for gap in document.gaps:
            if gap.resolution is None:
                summary.open_gaps[gap.kind, gap.cause] += 1
            else:
                summary.resolved_gaps += 1
        return document, data
