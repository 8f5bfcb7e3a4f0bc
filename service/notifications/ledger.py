"""What one sink was told and what it must be told next. Pure: the time is an argument.

An alert that a sink may have been told of is in the ledger, from *before* it is sent until the sink has taken its
resolution. So nothing that has to be resolved is ever forgotten, whenever the process dies, and what is open is told as
it is, not as it once was: however long a sink is gone, of each alert only the latest state waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.facts import Instant
from service.notifications.subject import ACCOUNT, GAP, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from service.notifications.board import Board

MANY: Final = 8
"""So many streams of one kind and cause are one alert: nobody reads two hundred."""
MANY_OF_THE_ACCOUNT: Final = 2
"""The same, where the cause is the account's and not the stream's."""
REFUSALS: Final = 3
"""How often one and the same thing is sent to a sink that refuses it (HTTP 4xx)."""


class Pace(NamedTuple):
    """Milliseconds. What is open for less than `wait` is not worth a notification, and what opens meanwhile goes along.

    `update` lies between two notifications that only the number tells apart; `repeat` between repeats of what a sink
    forgets by itself, 0 where it does not.
    """

    wait: int = 30_000
    update: int = 15 * 60_000
    repeat: int = 0


class Entry(msgspec.Struct):
    """What a sink was told of one alert, or may have been told (`taken` is false)."""

    subject: Subject
    firing: bool
    number: int
    since: Instant
    at: Instant
    taken: bool


class Task(NamedTuple):
    """What a sink is to be told next: that so many are open, or that none is. `since` the oldest of them opened."""

    alert_id: str
    subject: Subject
    number: int
    since: Instant
    covers: tuple[str, ...] = ()
    """Alerts of single streams that are told by this one, and not beside it."""

    @property
    def firing(self) -> bool:
        """Something is open."""
        return self.number > 0


class Scope(NamedTuple):
    """What a sink wants to hear of. Empty sets are all there is."""

    streams: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    at_least: int = 1

    def holds(self, subject: Subject) -> bool:
        """Whether it is for this sink."""
        of_stream = not self.streams or (subject.where in self.streams and subject.what == "gap")
        of_kind = subject.kind in self.kinds if self.kinds else subject.kind != "unlogged_send"
        return of_stream and of_kind and (not self.severities or subject.severity in self.severities)


class Ledger:
    """Of one sink."""

    def __init__(self, prefix: str, pace: Pace, scope: Scope, entries: Mapping[str, Entry] | None = None) -> None:
        """`entries` is what the journal has, by alert id."""
        self.entries: dict[str, Entry] = dict(entries or {})
        self._prefix, self._pace, self._scope = prefix, pace, scope
        self._changed: dict[str, Instant] = {}
        """Since when an alert that is not as it was told is so."""
        self._refused: dict[str, tuple[bool, int, int]] = {}
        """By alert: what the sink refused (firing, number), and how often."""

    def due(self, board: Board, now: Instant) -> tuple[list[Task], Instant | None]:
        """What to tell now, and when there may be more, if nothing changes until then."""
        tasks: list[Task] = []
        later: list[Instant] = []
        changed, self._changed = self._changed, {}
        for task in self._all(board):
            self._remember(task, changed, now)
            at = self._when(task, now)
            if at is None or self._is_set_aside(task):
                continue
            if at <= now:
                tasks.append(task)
            else:
                later.append(at)
        return tasks, min(later, default=None)

    def waiting(self, board: Board) -> int:
        """Alerts of which the sink does not know that they fire, or that they do so no more."""
        return sum(self._is_news(task) for task in self._all(board))

    def set_aside(self, board: Board) -> int:
        """Those among them that the sink has refused, and that are not sent again as they are."""
        return sum(self._is_set_aside(task) and self._is_news(task) for task in self._all(board))

    def intend(self, task: Task, now: Instant) -> Entry | None:
        """About to be sent: the entry to keep before; None where it is a mere repeat.

        To keep it is also what tells a process that was paused that somebody else leads by now, so it is kept each
        time. A repeat needs no such proof: what is repeated is soon repeated right, or forgotten by the sink.
        """
        entry = self.entries.get(task.alert_id)
        if self._pace.repeat and entry is not None and entry.taken and entry.firing == task.firing:
            return None
        entry = Entry(task.subject, task.firing, task.number, task.since, now, taken=False)
        self.entries[task.alert_id] = entry
        return entry

    def taken(self, task: Task, now: Instant) -> tuple[bool, Entry | None]:
        """The sink has it. Whether that must be kept, and the entry to keep: None where none is needed any more."""
        before = self.entries.get(task.alert_id)
        self._refused.pop(task.alert_id, None)
        self._changed.pop(task.alert_id, None)
        if not task.firing:
            self.entries.pop(task.alert_id, None)
            return True, None
        entry = Entry(task.subject, task.firing, task.number, task.since, now, taken=True)
        self.entries[task.alert_id] = entry
        return before is None or not before.taken or before.number != entry.number, entry

    def refused(self, task: Task) -> None:
        """The sink does not want it as it is."""
        firing, number, times = self._refused.get(task.alert_id, (task.firing, task.number, 0))
        same = (firing, number) == (task.firing, task.number)
        self._refused[task.alert_id] = (task.firing, task.number, times + 1 if same else 1)

    def _all(self, board: Board) -> Iterable[Task]:
        """The state of every alert that is open or in the ledger."""
        found = set()
        for subject, number, covers in self._told_as(board):
            alert_id = subject.alert_id(self._prefix)
            known = alert_id in self.entries
            if known or number >= self._scope.at_least:
                found.add(alert_id)
                yield Task(alert_id, subject, number, self.entries[alert_id].since if known else 0, covers)
        for alert_id, entry in self.entries.items():
            if alert_id not in found:
                yield Task(alert_id, entry.subject, 0, entry.since)

    def _told_as(self, board: Board) -> Iterator[tuple[Subject, int, tuple[str, ...]]]:
        """What is open, how many, and which alerts of single streams are told by it.

        Many streams that share a kind and a cause are told as one, and stay so until none of them has any: what was
        told of a single stream before goes on to its own end, and nothing is told twice. A sink that names its streams
        hears of each.
        """
        alike: dict[Subject, list[tuple[Subject, int]]] = {}
        for subject, number in filter(lambda found: self._scope.holds(found[0]), board.subjects()):
            if subject.what == GAP and not self._scope.streams:
                alike.setdefault(subject.together, []).append((subject, number))
            else:
                yield subject, number, ()
        for together, parts in alike.items():
            many = MANY_OF_THE_ACCOUNT if together.cause in ACCOUNT else MANY
            if len(parts) < many and together.alert_id(self._prefix) not in self.entries:
                yield from ((subject, number, ()) for subject, number in parts)
                continue
            ids = {subject: subject.alert_id(self._prefix) for subject, _ in parts}
            covers = tuple(alert_id for alert_id in ids.values() if alert_id not in self.entries)
            yield together, sum(number for _, number in parts), covers
            yield from ((subject, number, ()) for subject, number in parts if ids[subject] in self.entries)

    def _remember(self, task: Task, changed: Mapping[str, Instant], now: Instant) -> None:
        """Since when it is as it is; what is over before it was told is forgotten.

        Many streams wait as long as the first of them, and each goes on waiting where they turn out to be few.
        """
        for alert_id in (task.alert_id, *task.covers):
            if alert_id in changed:
                self._changed[alert_id] = changed[alert_id]
        for alert_id in task.covers:
            self._changed.setdefault(alert_id, now)
        if task.covers:
            self._changed.setdefault(task.alert_id, min(self._changed[alert_id] for alert_id in task.covers))

    def _is_news(self, task: Task) -> bool:
        entry = self.entries.get(task.alert_id)
        return entry is None or not entry.taken or entry.firing != task.firing

    def _when(self, task: Task, now: Instant) -> Instant | None:
        """When it is to be told; None where the sink knows it."""
        entry = self.entries.get(task.alert_id)
        if entry is not None and entry.firing == task.firing:
            if not entry.taken:
                return now
            self._changed.pop(task.alert_id, None)
            times = [entry.at + self._pace.update] if task.number != entry.number else []
            times += [entry.at + self._pace.repeat] if self._pace.repeat else []
            return min(times, default=None)
        if entry is not None and not entry.taken:
            return now  # it may have been told the contrary of what is true
        wait = 0 if task.firing and task.subject.urgent else self._pace.wait
        return self._changed.setdefault(task.alert_id, now) + wait

    def _is_set_aside(self, task: Task) -> bool:
        firing, number, times = self._refused.get(task.alert_id, (False, 0, 0))
        return times >= REFUSALS and (firing, number) == (task.firing, task.number)
