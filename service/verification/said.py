"""What mailgap said, as a reader of its topics has it: of each mail the latest record, of each gap every one.

Records are kept small, since a run may have a million mails.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.contract.correlated import Correlated
from service.contract.enums import Cause, GapKind, GapState, Outcome, Resolution
from service.contract.gap import SCHEMA, GapRecord

if TYPE_CHECKING:
    from service.facts import Instant

_mail: Final = msgspec.json.Decoder(Correlated).decode
_gap: Final = msgspec.json.Decoder(GapRecord).decode


class _Any(msgspec.Struct):
    schema: str


_any: Final = msgspec.json.Decoder(_Any).decode


class SaidGap(NamedTuple):
    """A gap as it stands."""

    kind: GapKind
    cause: Cause
    recipient: str | None
    resolution: Resolution | None


class SaidMail(msgspec.Struct, frozen=True, array_like=True):
    """A correlated record, as far as a truth has anything to say of it."""

    name: str
    outcomes: dict[str, Outcome]
    gaps: tuple[tuple[GapKind, Cause, str | None, Resolution | None], ...]
    superseded_by: str | None
    held: bool
    partial: bool
    place: tuple[str, ...]
    """Sender and recipients' domains, by which one knows whose mail it is."""


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(SaidMail).decode


@dataclass(slots=True)
class Announced:
    """All records of one gap."""

    mail: str
    gap: SaidGap
    states: list[GapState]
    at: Instant | None
    """When its first record was published; None where that is unknown (`scan`)."""


@dataclass(slots=True)
class Said:
    """All that was read so far."""

    _mails: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    gaps: dict[str, Announced] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    """Revisions that came again, or after a later one."""
    _revisions: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take_mail(self, value: bytes) -> Correlated:
        """A correlated record."""
        document = _mail(value)
        key = f"{document.mail_id}#{len(self._mails)}" if document.partial else document.mail_id
        known = self._mails.get(key)
        if known is not None and document.revision <= known[0]:
            self.repeated.append(f"mail {key}: revision {document.revision} after {known[0]}")
        else:
            self._mails[key] = document.revision, _pack(_slim(document))
        return document

    def take_gap(self, value: bytes, at: Instant) -> None:
        """A record of the gap topic, and when it was published. What concerns many mails (conditions) is no gap."""
        if _any(value).schema != SCHEMA:
            return
        record = _gap(value)
        gap = SaidGap(record.kind, record.cause, record.recipient, record.resolution)
        known = self.gaps.get(record.gap_id)
        if known is None:
            name = name_of(record.mail_id, record.message_id_header)
            self.gaps[record.gap_id] = Announced(name, gap, [record.state], at)
        else:
            known.states.append(record.state)
            known.gap = gap
        if record.revision <= self._revisions[record.gap_id]:
            self.repeated.append(
                f"gap {record.gap_id}: revision {record.revision} after {self._revisions[record.gap_id]}"
            )
        self._revisions[record.gap_id] = max(record.revision, self._revisions[record.gap_id])

    def take_scanned(self, value: bytes) -> None:
        """A line of `scan --format jsonl`: the record, and with it its gaps, each announced once."""
        document = self.take_mail(value)
        name = name_of(document.mail_id, document.message_id_header)
        for gap in document.gaps:
            said = SaidGap(gap.kind, gap.cause, gap.recipient, gap.resolution)
            states = [GapState.OPENED] if gap.resolution is None else [GapState.OPENED, GapState.RESOLVED]
            self.gaps[gap.gap_id] = Announced(name, said, states, None)

    def mails(self) -> list[SaidMail]:
        """The latest record of every mail."""
        return [_unpack(packed) for _, packed in self._mails.values()]


def _slim(document: Correlated) -> SaidMail:
    return SaidMail(
        name_of(document.mail_id, document.message_id_header),
        {person.address: person.outcome for person in document.recipients},
        tuple((gap.kind, gap.cause, gap.recipient, _by_itself(gap.resolution)) for gap in document.gaps),
        document.superseded_by,
        document.held,
        document.partial,
        (document.mail_id, document.sender, *(person.domain for person in document.recipients)),
    )


def _by_itself(resolution: Resolution | None) -> Resolution | None:
    """How a gap ended by itself: one that somebody closed has not."""
    return None if resolution is Resolution.CLOSED_BY_OPERATOR else resolution


def name_of(mail_id: str, message_id: str | None) -> str:
    """As a truth names it: without the second that tells lives of a queue id apart, and by the Message-ID itself."""
    if mail_id.startswith("mid:") and message_id:
        return message_id
    return mail_id.rpartition("@")[0] if "/" in mail_id and "@" in mail_id else mail_id
