"""A submission's lines, cut into the mails that had its queue id one after the other (rule 8)."""

from __future__ import annotations

import pytest

from service.facts import Accepted, Answered, Closed, Deferred, Queued, Sighting, Started
from service.lives import bears, lives
from service.trail import collect

HERE = Sighting(10**12, "mail.log:1")
NAME = "mx1/4F2A1"
ID = "0100019fa3723de8-00000002-0000-4000-8000-000000000002-000000"


def started(at):
    return Started(at, False, "app")


def queued(at):
    return Queued(at, False, "no-reply@shop.example", 1)


def accepted(at):
    return Accepted(at, False, ("ann@example.com",), ID, NAME, "")


def deferred(at):
    return Deferred(at, False, ("ann@example.com",), "timeout", "")


def closed(at, how="removed"):
    return Closed(at, False, how)


def cut(*facts):
    return [[fact.at for fact, _ in life.facts] for life in lives(NAME, collect((fact, HERE) for fact in facts))]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([started(1), queued(2), accepted(3), closed(4)], [[1, 2, 3, 4]], id="one life"),
        pytest.param([closed(4), accepted(3), started(1)], [[1, 3, 4]], id="read in another order"),
        pytest.param([started(1), closed(4), started(9), closed(12)], [[1, 4], [9, 12]], id="used again"),
        pytest.param([started(1), deferred(2), started(9)], [[1, 2], [9]], id="its end was not logged"),
        pytest.param([accepted(3), closed(4), accepted(9)], [[3, 4], [9]], id="its beginning was not logged"),
        pytest.param([started(1), started(2), queued(3)], [[1, 2, 3]], id="two lines that begin it"),
        pytest.param([started(1), closed(4), closed(6)], [[1, 4, 6]], id="removed twice"),
        pytest.param([closed(4)], [[4]], id="the end alone"),
        pytest.param([started(1), closed(3, "requeued"), accepted(4)], [[1, 3], [4]], id="requeued"),
    ],
)
def test_lives(facts, expected):
    assert cut(*facts) == expected


def test_lines_of_one_second_stand_in_the_order_in_which_they_are_written():
    (life,) = lives(NAME, collect((fact, HERE) for fact in (closed(5), accepted(5), queued(5), started(5))))
    assert [type(fact).__name__ for fact, _ in life.facts] == ["Started", "Queued", "Accepted", "Closed"]


def test_an_answer_goes_to_the_life_that_asked():
    facts = [started(1_000), closed(2_500), started(9_000), closed(9_900), Answered(9_500, f"{NAME}@9", ID, ())]
    first, second = lives(NAME, collect((fact, HERE) for fact in facts))
    assert not any(isinstance(fact, Answered) for fact, _ in first.facts)
    assert any(isinstance(fact, Answered) for fact, _ in second.facts)
    assert (first.mail_id, second.mail_id) == (f"{NAME}@1", f"{NAME}@9")


@pytest.mark.parametrize(
    ("mail_id", "borne"),
    [("q@1", True), ("q@2", True), ("q@0", False), ("q@3", False), ("q", False), ("q@", False), ("q@--1", False)],
)
def test_whose_id_it_is(mail_id, borne):
    assert bears(mail_id, 1_000, 2_999) is borne
