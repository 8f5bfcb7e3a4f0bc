"""Two hundred streams that fail at once are a handful of notifications, and whatever happens no resolution is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.enums import Condition
from service.facts import Cause
from service.notifications.ledger import MANY, Pace
from service.notifications.subject import CONDITION, GAP, STREAMS, Subject
from tests.unit.notices import PACE, T0, board, condition, gap, sink_ledger, take_due

SECOND, MINUTE = 1000, 60_000
SILENT = Subject(STREAMS, "sent_no_ses_id", "silent", "")


def _told(ledger, made, now):
    """What is due is told, and taken."""
    return [(task.subject.what, task.subject.where, task.number) for task in take_due(ledger, made, now)]


def _storm(streams, cause=Cause.SILENT, state="opened", each=3):
    return [
        gap(f"{cause}-{stream}-{number}", state, stream=f"s{stream:03}", cause=cause, at=T0 + stream)
        for stream in streams
        for number in range(each)
    ]


def test_an_account_that_ses_refuses_under_two_hundred_streams_is_two_notifications():
    refused = condition("a", kind=Condition.ACCOUNT_REFUSED, cause=Cause.ACCOUNT_PAUSED, about="region eu-west-1")
    made, ledger = board(refused, *_storm(range(200), Cause.ACCOUNT_PAUSED)), sink_ledger()
    assert _told(ledger, made, T0) == [(CONDITION, "smtp", 1)]
    assert _told(ledger, made, T0 + PACE.wait) == [(STREAMS, "", 600)]
    assert ledger.due(made, T0 + 10 * MINUTE) == ([], None)
    for key, value in _storm(range(200), Cause.ACCOUNT_PAUSED, "resolved"):
        made.take(key, value)
    ledger.due(made, T0 + 20 * MINUTE)
    assert _told(ledger, made, T0 + 20 * MINUTE + PACE.wait) == [(STREAMS, "", 0)]
    assert set(ledger.entries) == {Subject(CONDITION, "account_refused", "account_paused", "smtp").alert_id("mailgap")}


def test_it_says_how_many_of_how_many_streams_and_which_are_the_largest():
    made = board(*_storm(range(200)), *_storm([7], each=50))
    said = made.notification(SILENT, 0)
    assert said.summary == "647 mails of 200 streams got no id from SES (silent)"
    assert said.explanation.endswith(" Streams: s007 (50), s000 (3), s001 (3), s002 (3), s003 (3) and 195 more.")
    assert (said.stream, said.source, len(said.examples)) == (None, None, 5)
    assert said.runbook_url
    long = board(*(gap(str(n), stream=f"{n}" + "x" * 250) for n in range(MANY))).notification(SILENT, 0)
    assert len(long.explanation) < 500
    end = board().notification(SILENT, T0)
    assert end.summary == "Resolved: no sent_no_ses_id of any stream is open any more (silent)"


def test_a_few_streams_are_told_by_name():
    made, ledger = board(*_storm(range(MANY - 1))), sink_ledger()
    ledger.due(made, T0)
    assert [what for what, _, _ in _told(ledger, made, T0 + PACE.wait)] == [GAP] * (MANY - 1)


def test_causes_and_kinds_stay_apart():
    made, ledger = board(*_storm(range(MANY)), *_storm(range(3), Cause.TIMEOUT)), sink_ledger()
    ledger.due(made, T0)
    assert sorted(what for what, _, _ in _told(ledger, made, T0 + PACE.wait)) == [GAP, GAP, GAP, STREAMS]


def test_what_was_told_of_one_stream_goes_on_to_its_own_end():
    made, ledger = board(*_storm([0])), sink_ledger()
    ledger.due(made, T0)
    assert _told(ledger, made, T0 + PACE.wait) == [(GAP, "s000", 3)]
    for key, value in _storm(range(1, 50)):
        made.take(key, value)
    ledger.due(made, T0 + MINUTE)
    assert _told(ledger, made, T0 + MINUTE + PACE.wait) == [(STREAMS, "", 150)]
    for key, value in _storm(range(48), state="resolved"):
        made.take(key, value)
    ledger.due(made, T0 + 2 * MINUTE)
    assert _told(ledger, made, T0 + 2 * MINUTE + PACE.wait) == [(GAP, "s000", 0)]
    assert _told(ledger, made, T0 + 20 * MINUTE) == [(STREAMS, "", 6)], "it stays one alert until nothing is open"


def test_streams_that_flicker_around_the_limit_are_told_all_the_same():
    made, ledger = board(*_storm(range(MANY - 1))), sink_ledger()
    told = []
    for second in range(0, 60, 10):
        for key, value in _storm([99], state="resolved" if second % 20 else "opened"):
            made.take(key, value)
        told += _told(ledger, made, T0 + second * SECOND)
    assert told, "whoever waits goes on waiting where he left off"


def test_a_sink_that_names_its_streams_hears_of_each_of_them():
    made, ledger = board(*_storm(range(200))), sink_ledger(streams=frozenset({"s001", "s002"}))
    ledger.due(made, T0)
    assert _told(ledger, made, T0 + PACE.wait) == [(GAP, "s001", 3), (GAP, "s002", 3)]


@pytest.mark.parametrize("scope", [{"streams": frozenset({"other"})}, {"kinds": frozenset({"source_stalled"})}])
def test_what_a_sink_wants_to_hear_no_more_is_ended_there_once(scope):
    """The file of sinks was changed: what it was told is resolved, and is not told again and again."""
    for streams in (1, MANY):
        made, before = board(*_storm(range(streams))), sink_ledger()
        before.due(made, T0)
        assert _told(before, made, T0 + PACE.wait)
        after = sink_ledger(entries=before.entries, **scope)
        (task,), _ = sink_ledger(Pace(0, MINUTE), entries=before.entries, **scope).due(made, T0 + MINUTE)
        said = made.notification(task.subject, task.since, firing=task.firing)
        assert (said.state, said.number, said.examples) == ("resolved", 0, ())
        after.due(made, T0 + MINUTE)
        assert [number for _, _, number in _told(after, made, T0 + MINUTE + PACE.wait)] == [0]
        assert after.due(made, T0 + 60 * MINUTE) == ([], None)


# -- whatever happens -------------------------------------------------------------------------------------------------

STREAM = st.integers(0, MANY + 2)
CHANGES = st.lists(
    st.tuples(STREAM, st.integers(0, 1), st.sampled_from(["opened", "opened", "resolved"]), st.booleans()), max_size=60
)
FATES = st.sampled_from(["taken", "lost", "dies before", "dies after", "unavailable"])


class Life:
    """A sink that is told, a journal that stays, and a process that dies and begins anew with what the journal has."""

    def __init__(self, faults):
        self.sink, self.journal, self._fates = {}, {}, iter(faults)
        self._begin()

    def _begin(self):
        self._ledger = sink_ledger(Pace(0, MINUTE), self.journal)

    def go_on(self, made, now):
        for task in self._ledger.due(made, now)[0]:
            self.journal[task.alert_id] = self._ledger.intend(task, now)
            fate = next(self._fates, "taken")
            if fate in ("taken", "lost", "dies after"):
                self.sink[task.alert_id] = task.number
            if fate in ("dies before", "dies after"):
                self._begin()
                return
            if fate == "taken":
                self._note(task, now)

    def _note(self, task, now):
        keep, entry = self._ledger.taken(task, now)
        if keep and entry is None:
            del self.journal[task.alert_id]
        elif keep:
            self.journal[task.alert_id] = entry


@given(CHANGES, st.lists(FATES, max_size=40))
def test_whatever_happens_the_sink_knows_in_the_end_what_is_true(changes, faults):
    """Whenever the process dies and whatever answer is lost: the sink's last word of each alert is the truth, and
    whatever is open is told, of its stream or of all together."""
    made, life = board(), Life(faults)
    for number, (stream, which, state, is_late) in enumerate(changes):
        cause = Cause.SILENT if is_late else Cause.TIMEOUT
        made.take(*gap(f"{cause}-{stream}-{which}", state, stream=f"s{stream}", cause=cause))
        life.go_on(made, T0 + number * MINUTE)
    for number in range(60):
        life.go_on(made, T0 + (len(changes) + number) * MINUTE)
    open_ = dict(made.subjects())
    truth = {subject.alert_id("mailgap"): number for subject, number in open_.items()}
    for together in {subject.together for subject in open_}:
        all_of_them = sum(number for subject, number in open_.items() if subject.together == together)
        truth[together.alert_id("mailgap")] = all_of_them
    firing = {alert: number for alert, number in life.sink.items() if number}
    assert firing == {alert: truth[alert] for alert in firing}
    assert set(life.journal) == set(firing)
    for subject in open_:
        assert {subject.alert_id("mailgap"), subject.together.alert_id("mailgap")} & set(firing), subject
