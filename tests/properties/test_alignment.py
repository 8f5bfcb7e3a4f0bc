"""Whatever the records' times, the paces and the partitions that stand still: everything else is read to its end."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from service.alignment import AHEAD, STEADY, Alignment, Standing
from service.facts import MINUTE, SECOND
from service.policy import DAY
from service.watermarks import NEVER

NOW = 1_795_000_000_000
LOOK = SECOND
times = st.one_of(
    st.integers(NOW - 7 * DAY, NOW),
    st.integers(NOW - 2 * AHEAD, NOW + MINUTE),
    st.sampled_from([NEVER, 1, NOW - 50 * 365 * DAY, NOW + DAY]),
)


@dataclass
class Read:
    """A partition that is read: its records' times, and how many looks one of them takes; 0: it stands still."""

    times: list[int]
    looks: int
    delay: int
    done: int = 0
    waited: int = 0

    def step(self):
        self.waited += 1
        if self.looks and self.waited >= self.looks and self.done < len(self.times):
            self.done, self.waited = self.done + 1, 0

    @property
    def ended(self):
        return self.done == len(self.times)

    def standing(self, now):
        last = max((min(at, now) for at in self.times[: self.done]), default=NEVER)
        reached = now if self.ended else last
        return Standing(max(reached - self.delay, 0), last, not self.ended, max(reached - self.delay, 0))


partitions = st.lists(
    st.builds(
        Read,
        st.lists(times, min_size=1, max_size=12) | st.lists(times, min_size=1, max_size=12).map(sorted),
        st.sampled_from([0, 1, 1, 2, 15]),
        st.sampled_from([0, 0, AHEAD, DAY]),
    ),
    min_size=1,
    max_size=6,
)


@given(partitions)
def test_all_that_can_be_read_is_read(reads):
    alignment, now = Alignment(), NOW
    bound = sum(len(read.times) * max(read.looks, 1) for read in reads) + len(reads) * (2 * STEADY // LOOK + 2)
    for _ in range(bound):
        standings = {("t", number): read.standing(now) for number, read in enumerate(reads)}
        paused = alignment.pause(standings, now)
        _is_sound(standings, paused, now)
        for number, read in enumerate(reads):
            if ("t", number) not in paused:
                read.step()
        now += LOOK
    assert all(read.ended for read in reads if read.looks)


def _is_sound(standings, paused, now):
    """Who is paused waits for one that is read, is behind, and is far less far; and is itself neither live nor done."""
    going = [at for tp, at in standings.items() if tp not in paused and at.behind and at.up_to != NEVER]
    for tp in paused:
        at = standings[tp]
        assert at.behind
        assert at.last_record_at < now - AHEAD
        assert min(one.up_to for one in going) + AHEAD < at.up_to
