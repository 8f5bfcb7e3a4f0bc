"""What is open, grouped; and what a sink is told of it, when."""

from __future__ import annotations

import pytest

from service.contract.enums import Condition, GapKind
from service.contract.notification import AlertState, Severity
from service.contract.wire import timestamp
from service.facts import Cause
from service.notifications.ledger import REFUSALS, Pace
from service.notifications.subject import Subject
from tests.unit.notices import PACE, T0, board, condition, gap, notification, sink_ledger, take_due

SECOND, MINUTE = 1000, 60_000
OTP = Subject("gap", "sent_no_ses_id", "silent", "otp")


def _told(ledger, made, now):
    """What is due is told, and taken; as (firing, number)."""
    return [(task.firing, task.number) for task in take_due(ledger, made, now)]


# -- the board --------------------------------------------------------------------------------------------------------


def test_a_storm_is_one_alert_that_says_how_many_since_when_and_five_examples():
    made = board(*(gap(f"g{n}", at=T0 + n) for n in reversed(range(10_000))))
    assert list(made.subjects()) == [(OTP, 10_000)]
    said = made.notification(OTP, 0)
    assert said.summary == "10,000 mails of stream otp got no id from SES (silent)"
    assert (said.state, said.number, said.since) == (AlertState.FIRING, 10_000, timestamp(T0))
    assert [each.mail_id for each in said.examples] == [f"mx1.shop.example/g{n}@1700000000" for n in range(5)]
    assert said.examples[0].url == "https://trace.example/mails/mx1.shop.example%2Fg0%401700000000"


def test_streams_kinds_and_causes_are_alerts_of_their_own():
    records = [gap("a"), gap("b", stream="news"), gap("c", cause=Cause.TIMEOUT)]
    records += [gap("d", kind=GapKind.ACCEPTED_NOT_DELIVERED, cause=Cause.NO_EVENTS), condition("e")]
    made = board(*records)
    assert len({subject.alert_id("mailgap") for subject, _ in made.subjects()}) == len(records)
    assert OTP.alert_id("mailgap") != OTP.alert_id("staging")


@pytest.mark.parametrize(
    "end", [gap("a", "resolved"), gap("a", "closed"), ("a", None)], ids=["resolved", "closed", "-"]
)
def test_what_has_ended_is_not_open(end):
    made = board(gap("a"), end)
    assert list(made.subjects()) == []
    said = made.notification(OTP, T0)
    assert (said.state, said.number, said.examples) == (AlertState.RESOLVED, 0, ())
    assert said.summary == "Resolved: no sent_no_ses_id of stream otp is open any more (silent)"


def test_a_gap_that_turns_out_to_be_old_news_is_taken_off():
    assert list(board(gap("a"), gap("a", historic=True)).subjects()) == []
    assert list(board(gap("a", historic=True)).subjects()) == []


def test_a_gap_whose_cause_was_learned_moves_to_the_other_alert():
    made = board(gap("a"), gap("b"), gap("a", cause=Cause.TIMEOUT))
    assert sorted((subject.cause, number) for subject, number in made.subjects()) == [("silent", 1), ("timeout", 1)]


def test_conditions_are_grouped_too_and_say_what_they_are_about():
    said = notification(condition("a", about="the log of mx1"), condition("b", about="the log of mx2"))
    assert said.summary == "Source smtp has fallen silent (2 feeds)"
    assert [each.about for each in said.examples] == ["the log of mx1", "the log of mx2"]
    assert (said.severity, said.source, said.stream) == (Severity.PAGE, "smtp", None)
    assert list(board(condition("a"), condition("a", "cleared")).subjects()) == []


def test_the_account_pages_and_a_single_silence_does_not():
    assert notification(gap("a", cause=Cause.ACCOUNT_PAUSED)).severity is Severity.PAGE
    assert notification(gap("a")).severity is Severity.TICKET


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b'{"schema":"mailgap.gap/2"}', b'{"schema":"mailgap.gap/1"}', b"\xff", gap("a")[1][:-9]],
)
def test_what_is_no_record_of_ours_changes_nothing(value):
    made = board(gap("a"))
    assert made.take("b", value) is False
    assert list(made.subjects()) == [(OTP, 1)]


def test_no_link_where_there_is_no_trace_page():
    assert notification(gap("a"), trace_url="").examples[0].url is None


# -- what is due -------------------------------------------------------------------------------------------------------


def test_what_opens_within_the_wait_goes_along_and_the_end_waits_too():
    made, ledger = board(gap("a")), sink_ledger()
    assert _told(ledger, made, T0) == []
    assert ledger.due(made, T0) == ([], T0 + PACE.wait)
    made.take(*gap("b"))
    assert _told(ledger, made, T0 + PACE.wait) == [(True, 2)]
    assert ledger.due(made, T0 + PACE.wait) == ([], None), "told once"
    made.take(*gap("a", "resolved"))
    made.take(*gap("b", "resolved"))
    assert _told(ledger, made, T0 + MINUTE) == []
    assert _told(ledger, made, T0 + MINUTE + PACE.wait) == [(False, 0)]
    assert ledger.entries == {}


def test_what_flickers_within_the_wait_is_not_worth_a_word():
    made, ledger = board(gap("a")), sink_ledger()
    _told(ledger, made, T0)
    made.take(*gap("a", "resolved"))
    assert _told(ledger, made, T0 + 20 * SECOND) == []
    made.take(*gap("b"))
    assert _told(ledger, made, T0 + 40 * SECOND) == [], "the wait begins anew"


def test_a_refused_account_is_told_at_once():
    made = board(condition("a", kind=Condition.ACCOUNT_REFUSED, cause=Cause.ACCOUNT_PAUSED, about="region eu-west-1"))
    assert _told(sink_ledger(), made, T0) == [(True, 1)]


def test_a_number_that_grows_is_told_every_quarter_of_an_hour():
    made, ledger = board(gap("a")), sink_ledger()
    ledger.due(made, T0)
    told = []
    for minute in range(1, 60):
        made.take(*gap(f"more{minute}"))
        told += _told(ledger, made, T0 + minute * MINUTE)
    assert told == [(True, 2), (True, 17), (True, 32), (True, 47)]


def test_what_a_sink_forgets_is_repeated_every_minute():
    made, ledger = board(gap("a")), sink_ledger(PACE._replace(repeat=MINUTE))
    ledger.due(made, T0)
    told = [_told(ledger, made, T0 + second * SECOND) for second in range(30, 240, 10)]
    assert [n for n, said in enumerate(told) if said] == [0, 6, 12, 18]


def test_an_intention_is_kept_before_each_attempt_and_not_for_a_mere_repeat():
    made = board(gap("a"))
    for repeat, kept in ((0, True), (MINUTE, False)):
        ledger = sink_ledger(Pace(0, MINUTE, repeat))
        (task,), _ = ledger.due(made, T0)
        assert ledger.intend(task, T0).taken is False
        assert ledger.intend(task, T0).taken is False, "a second attempt proves again who leads"
        ledger.taken(task, T0)
        assert (ledger.intend(task, T0 + MINUTE) is not None) is kept


def test_a_death_between_sending_and_noting_is_made_good():
    """kill -9: whatever is told twice has the same key; what must be resolved is never forgotten."""
    made, ledger = board(gap("a")), sink_ledger(Pace(0, MINUTE))
    (task,), _ = ledger.due(made, T0)
    kept = {task.alert_id: ledger.intend(task, T0)}
    assert [t.firing for t in sink_ledger(entries=kept).due(made, T0)[0]] == [True], "told again"
    made.take(*gap("a", "resolved"))
    (end,), _ = sink_ledger(entries=kept).due(made, T0)
    assert (end.firing, end.alert_id) == (False, task.alert_id), "it may have been told, so it is resolved"


def test_a_death_between_resolving_and_noting_is_made_good():
    made, ledger = board(gap("a")), sink_ledger(Pace(0, MINUTE))
    _told(ledger, made, T0)
    made.take(*gap("a", "resolved"))
    (end,), _ = ledger.due(made, T0)
    kept = {end.alert_id: ledger.intend(end, T0)}
    assert [t.firing for t in sink_ledger(entries=kept).due(made, T0)[0]] == [False]
    made.take(*gap("b"))
    assert [t.firing for t in sink_ledger(entries=kept).due(made, T0)[0]] == [True], (
        "it may believe that nothing is open"
    )


def test_what_is_refused_again_and_again_is_set_aside_until_it_changes():
    made, ledger = board(gap("a")), sink_ledger(Pace(0, MINUTE))
    for _ in range(REFUSALS):
        (task,), _ = ledger.due(made, T0)
        ledger.intend(task, T0)
        ledger.refused(task)
    assert ledger.due(made, T0 + 10 * MINUTE) == ([], None)
    assert (ledger.waiting(made), ledger.set_aside(made)) == (1, 1)
    made.take(*gap("b"))
    (task,), _ = ledger.due(made, T0 + 10 * MINUTE)
    assert task.number == 2
    ledger.intend(task, T0)
    ledger.taken(task, T0)
    assert (ledger.waiting(made), ledger.set_aside(made)) == (0, 0)


@pytest.mark.parametrize(
    ("scope", "heard"),
    [
        ({}, 3),
        ({"streams": frozenset({"news"})}, 1),
        ({"kinds": frozenset({"source_stalled"})}, 1),
        ({"kinds": frozenset({"unlogged_send"})}, 1),
        ({"severities": frozenset({"page"})}, 1),
        ({"at_least": 2}, 0),
    ],
)
def test_a_sink_hears_what_it_wants_to_hear(scope, heard):
    unlogged = gap("d", kind=GapKind.UNLOGGED_SEND, cause=Cause.NO_LOG)
    made = board(gap("a"), gap("b", stream="news"), condition("c"), unlogged)
    assert len(_told(sink_ledger(Pace(0, MINUTE), **scope), made, T0)) == heard
