"""Answers about gaps: which are open, of what sort, and how many opened and ended over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from service.contract.enums import GapKind, Resolution
from service.facts import Cause
from service.trace.entry import GapRow
from service.trace.store.questions import END, Answers, Cursor, Gaps

if TYPE_CHECKING:
    from service.facts import Instant
    from service.trace.store.database import Database

By = Literal["stream", "kind", "cause", "provider"]

_COLUMNS: Final = ", ".join(GapRow._fields)


class Group(NamedTuple):
    """Gaps that share a stream, kind, cause or provider."""

    value: str
    gaps: int
    oldest: Instant


class Span(NamedTuple):
    """What happened to gaps from `start` on, for one step of time. `ended` are those resolved or closed in it."""

    start: Instant
    opened: int
    ended: int


class GapReader:
    """Every call may raise `TooBroadError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, wanted: Gaps, limit: int, after: Cursor | None = None) -> Answers[GapRow]:
        """The newest first."""
        conditions, parameters = _conditions(wanted)
        end: tuple[Instant, str] = (END, "") if after is None else (after.at, after.key)
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM gaps WHERE (opened_at, gap_id) < (?, ?) {conditions}"
            " ORDER BY opened_at DESC, gap_id DESC LIMIT ?",
            (*end, *parameters, limit + 1),
        )
        found = [_gap(row) for row in rows]
        last = found[limit - 1] if len(found) > limit else None
        return Answers(found[:limit], Cursor(last.opened_at, last.gap_id) if last else None)

    def groups(self, wanted: Gaps, by: By) -> list[Group]:
        """How many there are of each, the most first."""
        conditions, parameters = _conditions(wanted)
        rows = self._database.rows(
            f"SELECT {by}, count(*), min(opened_at) FROM gaps WHERE opened_at < ? {conditions}"
            f" GROUP BY {by} ORDER BY count(*) DESC, {by}",
            (END, *parameters),
        )
        return [Group(*row) for row in rows]

    def history(self, wanted: Gaps, since: Instant, until: Instant, step: int) -> list[Span]:
        """Opened and ended, step by step; steps in which nothing happened are there too."""
        opened = self._per_step("opened_at", wanted, since, until, step)
        ended = self._per_step("resolved_at", wanted, since, until, step)
        starts = range(since - since % step, until, step)
        return [Span(start, opened.get(start, 0), ended.get(start, 0)) for start in starts]

    def _per_step(self, column: str, wanted: Gaps, since: Instant, until: Instant, step: int) -> dict[Instant, int]:
        conditions, parameters = _conditions(Gaps(None, wanted.stream, wanted.kind, wanted.cause, wanted.provider))
        rows = self._database.rows(
            f"SELECT {column} / {step} * {step}, count(*) FROM gaps"
            f" WHERE {column} >= ? AND {column} < ? {conditions} GROUP BY 1",
            (since - since % step, until, *parameters),
        )
        return {int(start): int(count) for start, count in rows}


def _gap(row: tuple[object, ...]) -> GapRow:
    gap = GapRow(*row)  # type: ignore[arg-type]
    return gap._replace(
        kind=GapKind(gap.kind),
        cause=Cause(gap.cause),
        resolution=None if gap.resolution is None else Resolution(gap.resolution),
    )


def _conditions(wanted: Gaps) -> tuple[str, list[object]]:
    text = "" if wanted.open is None else f" AND resolution IS {'' if wanted.open else 'NOT '}NULL"
    stated: list[tuple[str, object]] = [
        ("stream = ?", wanted.stream),
        ("kind = ?", wanted.kind),
        ("cause = ?", wanted.cause),
        ("provider = ?", wanted.provider),
        ("opened_at >= ?", wanted.since),
        ("opened_at < ?", wanted.until),
    ]
    given = [(condition, value) for condition, value in stated if value is not None]
    return text + "".join(f" AND {condition}" for condition, _ in given), [value for _, value in given]
