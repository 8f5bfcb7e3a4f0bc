"""When a record came: what it says, and what is known of it whatever its producer's clock says (rules 14 and 19)."""

from __future__ import annotations

import pytest

from service.facts import HOUR, Accepted, Source
from service.intake import Intake
from service.parsing.smtp import DEFAULT
from tests.unit.test_intake_pieces import LINE, NOW, Record, facts

ACCEPTED = 0x018E0E7C25E8
"""By the clock in the id that SES gave in `LINE`."""


def seen(record_at: int, since: int) -> tuple[int, int]:
    """When the record's facts count as seen, and how long its news was on its way."""
    harvest = Intake(Source.SMTP, DEFAULT, None).take([Record(7, LINE.encode(), record_at)], NOW + 10 * HOUR, since)
    (sighting,) = set(facts(harvest).values())
    assert {type(fact) for _, fact in facts(harvest)} == {Accepted}
    return sighting.seen, harvest.delay


@pytest.mark.parametrize(
    ("record_at", "since", "expected"),
    [
        (NOW, 0, NOW),
        (NOW, NOW - 5, NOW),
        (NOW, NOW + 5, NOW + 5),
        (NOW, NOW + HOUR, NOW + HOUR),
        (NOW, NOW + HOUR + 1, NOW),
    ],
)
def test_what_comes_after_the_end_was_read_is_no_older_than_that(record_at: int, since: int, expected: int):
    assert seen(record_at, since) == (expected, max(expected - ACCEPTED, 0))
