"""What the store keeps of a correlated record: the record, and what it is found, listed and counted by. Pure.

A mail's `at` is the instant by which lists are sorted: when SES accepted it, else when it was submitted, else the first
thing that was said of it.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service import finding
from service.contract.correlated import Correlated
from service.contract.enums import Outcome
from service.contract.wire import instant_of
from service.parsing.addresses import domain
from service.providers import provider

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.contract.enums import GapKind, Resolution
    from service.facts import Cause, Instant

HOUR: Final = 3_600_000


class State(StrEnum):
    """One word for a mail in lists: an open gap before all else, then the worst that became of a recipient."""

    GAP = "gap"
    HELD = "held"
    REFUSED = "refused"
    REJECTED = "rejected"
    RENDERING_FAILED = "rendering_failed"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    SOFT_BOUNCED = "soft_bounced"
    COMPLAINED = "complained"
    DEFERRED = "deferred"
    DELAYED = "delayed"
    PENDING = "pending"
    DELIVERED = "delivered"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"


_RANK: Final = {state: rank for rank, state in enumerate(State)}
_STATES: Final = {outcome: State(outcome.value) for outcome in Outcome}


class GapRow(NamedTuple):
    """A gap as the store keeps it; instants in Unix milliseconds."""

    gap_id: str
    mail_id: str
    kind: GapKind
    cause: Cause
    stream: str
    provider: str
    recipient: str | None
    deadline: Instant
    opened_at: Instant
    resolved_at: Instant | None
    resolution: Resolution | None


class Counted(NamedTuple):
    """How many recipients of one mail share a provider and an outcome, and whether SES took the mail."""

    provider: str
    outcome: Outcome
    accepted: bool
    recipients: int


class Entry(NamedTuple):
    """One record, ready to be kept. `late`: it stands beside the mail's own record and replaces nothing."""

    key: str
    mail_id: str
    late: bool
    revision: int
    at: Instant
    stream: str
    state: State
    terms: tuple[int, ...]
    counted: tuple[Counted, ...]
    gaps: tuple[GapRow, ...]
    document: bytes


_decode: Final = msgspec.json.Decoder(Correlated).decode


def entry(key: str, value: bytes) -> Entry:
    """The entry of a record of the correlated topic. Raises `msgspec.ValidationError` for anything else."""
    document = _decode(value)
    state = state_of(document)
    # Its own id has an index, and a queue id is looked for without its host.
    known = {document.mail_id.casefold(), *map(str.casefold, document.queue_ids)}
    return Entry(
        key=key,
        mail_id=document.mail_id,
        late=document.partial,
        revision=document.revision,
        at=_at(document),
        stream=document.stream,
        state=state,
        terms=tuple({term(name) for name in names(document) if name not in known}),
        counted=() if state is State.SUPERSEDED else _counted(document),
        gaps=tuple(_gaps(document)),
        document=value,
    )


def names(document: Correlated) -> frozenset[str]:
    """What the mail is found by: its ids, recipients and sender, in one case, since people copy by hand."""
    said = finding.names(document) | ({document.sender} if document.sender else frozenset())
    return frozenset(map(str.casefold, said))


def term(name: str) -> int:
    """The name as the store's index has it: 63 bits of a hash. Whoever finds something compares the names.

    A queue id is `host[/instance]/QID`, and stands there as QID.
    """
    hashed = blake2b(name.casefold().encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "big") >> 1


def state_of(document: Correlated) -> State:
    """The mail's state in one word."""
    if document.superseded_by:
        return State.SUPERSEDED
    if any(gap.resolution is None for gap in document.gaps):
        return State.GAP
    if document.held:
        return State.HELD
    outcomes = {recipient.outcome for recipient in document.recipients}
    return min((_STATES[outcome] for outcome in outcomes), key=_RANK.__getitem__, default=State.UNKNOWN)


def _at(document: Correlated) -> Instant:
    said = document.accepted_at or document.submitted_at or (document.trail[0].at if document.trail else None)
    return instant_of(said) if said else 0


def _counted(document: Correlated) -> tuple[Counted, ...]:
    counts: dict[tuple[str, Outcome], int] = {}
    for recipient in document.recipients:
        key = provider(recipient.domain), recipient.outcome
        counts[key] = counts.get(key, 0) + 1
    accepted = document.accepted_at is not None
    return tuple(Counted(*key, accepted, number) for key, number in counts.items())


def _gaps(document: Correlated) -> Iterable[GapRow]:
    for gap in document.gaps:
        about = gap.recipient or (document.recipients[0].address if document.recipients else "")
        yield GapRow(
            gap_id=gap.gap_id,
            mail_id=document.mail_id,
            kind=gap.kind,
            cause=gap.cause,
            stream=document.stream,
            provider=provider(domain(about)),
            recipient=gap.recipient,
            deadline=instant_of(gap.deadline),
            opened_at=instant_of(gap.opened_at),
            resolved_at=None if gap.resolved_at is None else instant_of(gap.resolved_at),
            resolution=gap.resolution,
        )
