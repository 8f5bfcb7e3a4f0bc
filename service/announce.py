"""Which gaps to open and which to end, given what was announced before: each opened once, each ended once (rule 3).

The announcements are history and stay. The book of a gap that the verdict still holds follows the verdict in silence,
so that a mail's document says the same in whatever order its facts came; only a gap that has ended stays ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.contract.enums import FINAL, GapKind, Outcome, Resolution
from service.rows import Book, GapState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.facts import Instant
    from service.verdicts import Gap, Verdict

_FINAL: Final[frozenset[Outcome]] = FINAL


def update(book: Book, verdict: Verdict) -> list[tuple[str, GapState]]:
    """Brings the book up to the verdict; returns every change as (gap id, a copy of its state), in order."""
    changes: list[tuple[str, GapState]] = []
    current = dict(_by_id(verdict))
    for gap_id, gap in current.items():
        known = book.gaps.get(gap_id)
        if known is None:
            known = book.gaps[gap_id] = _opened(gap, verdict.stream)
            changes.append((gap_id, _copy(known)))
        _follow(known, gap)
        if known.resolved_at is None and gap.resolved_at is not None and gap.resolution is not None:
            changes.append((gap_id, _end(known, gap.resolved_at, gap.resolution)))
    for gap_id, known in book.gaps.items():
        resolution = None if gap_id in current else _overtaken(known, verdict)
        if resolution is None:
            continue
        if known.resolution is None:
            changes.append((gap_id, _end(known, _learned_at(known, verdict), resolution)))
        elif known.resolution is not Resolution.WINDOW_CLOSED:
            known.resolution = resolution
    return changes


def close(book: Book, at: Instant) -> list[tuple[str, GapState]]:
    """Ends every open gap because its row is about to be dropped."""
    return [
        (gap_id, _end(known, at, Resolution.WINDOW_CLOSED))
        for gap_id, known in book.gaps.items()
        if known.resolved_at is None
    ]


def close_one(book: Book, gap_id: str, at: Instant) -> GapState | None:
    """Ends one gap because somebody said so; None where it is not open (any more)."""
    known = book.gaps.get(gap_id)
    if known is None or known.resolution is not None:
        return None
    return _end(known, max(at, known.opened_at), Resolution.CLOSED_BY_OPERATOR)


def _by_id(verdict: Verdict) -> Iterator[tuple[str, Gap]]:
    for gap in verdict.gaps:
        subject = gap.recipient if gap.kind is GapKind.ACCEPTED_NOT_DELIVERED else None
        yield gap.gap_id(verdict.mail_id, subject), gap


def _opened(gap: Gap, stream: str) -> GapState:
    return GapState(gap.kind, gap.which, gap.recipient, gap.cause, gap.deadline, gap.opened_at, stream)


def _follow(known: GapState, gap: Gap) -> None:
    known.recipient, known.cause = gap.recipient, gap.cause
    known.deadline, known.opened_at = gap.deadline, gap.opened_at
    if known.resolution is not None and gap.resolution is not None:
        known.resolved_at, known.resolution = gap.resolved_at, gap.resolution


def _end(known: GapState, at: Instant, resolution: Resolution) -> GapState:
    known.resolved_at, known.resolution = at, resolution
    known.revision += 1
    return _copy(known)


def _copy(known: GapState) -> GapState:
    return GapState(*(getattr(known, name) for name in GapState.__struct_fields__))


def _learned_at(known: GapState, verdict: Verdict) -> Instant:
    """Evidence from before the deadline has no later date of its own: the gap ended when it was read."""
    return max(known.opened_at, *(sighting.seen for _, _, sighting in verdict.facts))


def _overtaken(known: GapState, verdict: Verdict) -> Resolution | None:
    """How an announced gap ended that by now never was; None while nothing contradicts the announcement.

    (A deadline that moved, a feed that fell silent since, or a policy that changed does not take it back.)
    """
    if known.kind is GapKind.SENT_NO_SES_ID:
        if verdict.superseded_by is not None and verdict.found:
            return Resolution.FOUND_BY_MESSAGE_ID
        return Resolution.LATE_EVIDENCE if verdict.settled else None
    if known.kind is GapKind.UNLOGGED_SEND:
        return Resolution.LATE_EVIDENCE if verdict.queue_ids else None
    if known.recipient is None and verdict.recipients:
        return Resolution.RECIPIENTS_KNOWN
    if known.which == "first_event":  # whichever of several late events is read first, it ended so
        return Resolution.LATE_EVIDENCE if any(not _is_line(fact) for _, fact, _ in verdict.facts) else None
    outcomes = {r.address: r.outcome for r in verdict.recipients}
    return Resolution.LATE_EVIDENCE if outcomes.get(known.recipient or "") in _FINAL else None


def _is_line(fact: object) -> bool:
    return hasattr(fact, "floating")
