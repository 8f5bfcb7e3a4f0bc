"""A backlog is read at one pace by time; nobody is waited for who does not come, and what is live is never paused."""

from __future__ import annotations

from service.alignment import AHEAD, GAIN, STEADY, Alignment, Standing
from service.facts import HOUR, MINUTE, SECOND
from service.policy import DAY
from service.watermarks import NEVER

NOW = 1_795_000_000_000
SMTP, SES, THIRD = ("smtp", 0), ("ses", 0), ("ses", 1)
LOOK = SECOND // 2


class Backlog:
    """Partitions that are read, and the clock. `at` is how far each came; `fast` what each gains a look, if read."""

    def __init__(self, at, **fast):
        self.alignment, self.now = Alignment(), NOW
        self.at = dict(at)
        self.gain = {SMTP: fast.get("smtp", MINUTE), SES: fast.get("ses", MINUTE), THIRD: fast.get("third", MINUTE)}
        self.ended = set()
        self.paused = frozenset()

    def look(self, passed=LOOK):
        self.now += passed
        for tp in self.at:
            if tp in self.ended:
                self.at[tp] = self.now
            elif tp not in self.paused and self.at[tp] != NEVER:
                self.at[tp] += self.gain[tp]
        standings = {tp: Standing(at, at, tp not in self.ended, at) for tp, at in self.at.items()}
        self.paused = self.alignment.pause(standings, self.now)
        return self.paused

    def looks(self, number):
        return [self.look() for _ in range(number)]


def test_who_is_far_ahead_pauses_until_the_other_has_come():
    backlog = Backlog({SMTP: NOW - 7 * DAY, SES: NOW - 7 * DAY}, ses=5 * MINUTE)
    backlog.looks(int(STEADY / LOOK))
    for paused in backlog.looks(500):
        assert SMTP not in paused
        assert backlog.at[SES] - backlog.at[SMTP] <= AHEAD + 5 * MINUTE
    assert backlog.at[SMTP] == NOW - 7 * DAY + (500 + STEADY // LOOK) * MINUTE, "it is read at every turn"


def test_a_lead_within_the_bound_is_nothing():
    backlog = Backlog({SMTP: NOW - DAY, SES: NOW - DAY + AHEAD})
    assert not any(backlog.looks(200))


def test_who_is_read_to_its_end_is_not_waited_for():
    backlog = Backlog({SMTP: NOW - DAY, SES: NOW - 7 * DAY})
    assert SMTP in backlog.looks(50)[-1]
    backlog.ended.add(SES)
    assert not backlog.look()


def test_who_stands_still_is_not_waited_for_longer_than_a_moment():
    """Its leader is away, its broker is dead, or what it holds cannot be read."""
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 7 * DAY})
    assert SMTP in backlog.looks(50)[-1]
    backlog.gain[SES] = 0
    paused = backlog.looks(2 * STEADY // LOOK)
    assert not paused[-1]
    assert not any(backlog.looks(200)), "and not again while it does not move"


def test_who_moves_again_is_waited_for_again():
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 7 * DAY}, ses=0)
    backlog.looks(100)
    backlog.gain[SES] = MINUTE
    assert SMTP in backlog.looks(2 * STEADY // LOOK)[-1]


def test_among_the_others_the_slowest_counts_while_one_stands_still():
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 7 * DAY, THIRD: NOW - 6 * DAY}, ses=0)
    assert backlog.looks(100)[-1] == {SMTP}


def test_of_a_partition_of_which_nothing_was_read_nobody_knows_where_it_is():
    backlog = Backlog({SMTP: NOW - DAY, SES: NEVER})
    assert not any(backlog.looks(100))


def test_what_is_live_is_never_paused():
    """One host's log comes a day late: the mails of all others go on being judged by what SES says of them now."""
    backlog = Backlog({SMTP: NOW - DAY, SES: NOW - MINUTE}, ses=LOOK)
    assert not any(backlog.looks(200))


def test_a_clock_that_is_an_hour_behind_pauses_nobody_in_live_operation():
    """Seen in the middle of a batch it never stands at its end, and gains as much as passes."""
    backlog = Backlog({SMTP: NOW - 2 * HOUR, SES: NOW - 3 * HOUR}, smtp=LOOK, ses=LOOK)
    assert not any(backlog.looks(500))


def test_a_backlog_that_grows_faster_than_it_is_read_is_not_waited_for():
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 7 * DAY}, ses=GAIN * LOOK - 1)
    assert not any(backlog.looks(500))


def test_records_that_go_back_in_time_are_no_progress():
    """A transport delay that grows moves a watermark back, and so does a rebalance, after which all is read again."""
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 6 * DAY}, ses=-MINUTE)
    assert not any(backlog.looks(200))


def test_one_record_from_the_future_neither_pauses_its_partition_nor_the_others():
    """It is counted as of now, and the delay that it shows holds the watermark back: the partition reads on."""
    alignment = Alignment()
    for look in range(100):
        now = NOW + look * LOOK
        smtp = NOW - 7 * DAY + look * HOUR
        standings = {SMTP: Standing(smtp, smtp, True, smtp), SES: Standing(now - 6 * DAY, now, True, now - 6 * DAY)}
        assert not alignment.pause(standings, now)


def test_a_clock_that_is_set_back_delays_the_decision_and_no_more():
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 7 * DAY})
    assert SMTP in backlog.looks(50)[-1]
    backlog.look(-HOUR)
    backlog.gain[SES] = 0
    assert not backlog.looks(2 * STEADY // LOOK)[-1]


def test_whoever_was_paused_is_waited_for_at_once_when_its_turn_comes():
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 7 * DAY}, smtp=2 * HOUR, ses=30 * MINUTE)
    backlog.looks(200)  # the one was far ahead from the beginning
    turns, leads = [], []
    for _ in range(50):
        turns.append(backlog.look())
        leads.append(abs(backlog.at[SMTP] - backlog.at[SES]))
    assert {frozenset(), frozenset({SMTP})} == set(turns)
    assert max(leads) <= AHEAD + 2 * HOUR


def test_a_partition_that_is_another_workers_now_is_forgotten():
    backlog = Backlog({SMTP: NOW - 5 * DAY, SES: NOW - 7 * DAY})
    assert SMTP in backlog.looks(50)[-1]
    del backlog.at[SES]
    assert not backlog.look()


def test_who_is_far_ahead_of_what_was_said_of_it_pauses():
    alignment, stated = Alignment(), NOW - 7 * DAY
    ahead = Standing(stated + AHEAD + 1, stated + AHEAD + 1, True, stated)
    near = Standing(stated + AHEAD, stated + AHEAD, True, stated)
    done = Standing(NOW, NOW - DAY, False, stated)
    assert alignment.pause({SMTP: ahead, SES: near, THIRD: done}, NOW) == {SMTP}
