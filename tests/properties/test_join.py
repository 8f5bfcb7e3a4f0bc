"""The three laws of `join`: with them, duplicates, reordering and replays need no care anywhere else."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from service.facts import Closed, Delivered, Queued, Refused, Sent, Sighting, Started
from service.trail import EMPTY, GROUPS, KEEP, Trail, collect, join, trail
from tests.properties.arbitrary import items

trails = items.map(collect)
HERE = Sighting(7, "log/0/1")
# Far more attempts than are kept of one kind: any subset of a hundred instants.
crowds = st.sets(st.integers(0, 99), max_size=60).map(lambda ats: collect((Sent(at), HERE) for at in ats))


@st.composite
def lists_of_recipients(draw) -> Trail:
    """Part of a mail to more recipients than groups are kept, with what concerns all of them."""
    first, count = draw(st.integers(0, GROUPS + 40)), draw(st.integers(0, GROUPS + 60))
    sighting = Sighting(draw(st.integers(0, 3)), "log/0/2")
    facts = [Delivered(n % 7, (f"reader-{n:05}@example.com",), "250 ok") for n in range(first, first + count)]
    return collect((fact, sighting) for fact in [Closed(9, False, "removed"), *facts])


@given(trails, trails)
def test_commutative(a, b):
    assert join(a, b) == join(b, a)


@given(trails, trails, trails)
def test_associative(a, b, c):
    assert join(join(a, b), c) == join(a, join(b, c))


@given(trails)
def test_idempotent(a):
    assert join(a, a) == a
    assert join(a, EMPTY) == join(EMPTY, a) == a


@given(crowds, crowds, crowds)
def test_the_laws_hold_where_a_group_is_full(a, b, c):
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(join(a, b), b) == join(a, b)
    assert len(join(a, b).facts) <= 2 * KEEP


@given(lists_of_recipients(), lists_of_recipients(), lists_of_recipients())
def test_the_laws_hold_where_there_are_too_many_groups(a, b, c):
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(join(a, b), b) == join(a, b)
    assert len(join(a, b).facts) <= GROUPS


@given(items, st.randoms(use_true_random=False), st.integers(0, 30))
def test_facts_may_be_collected_in_any_order_and_in_any_parts(facts, chance: random.Random, cut):
    shuffled = [*facts, *facts[:3]]
    chance.shuffle(shuffled)
    assert collect(shuffled) == collect(facts) == join(collect(facts[:cut]), collect(facts[cut:]))


def test_of_a_repeated_fact_the_earliest_sighting_counts():
    early, late = Sighting(1, "b"), Sighting(2, "a")
    assert join(trail([Sent(5)], late), trail([Sent(5)], early)).facts == {Sent(5): early}
    assert collect([(Sent(5), early), (Sent(5), late)]).facts == {Sent(5): early}


def test_the_first_and_the_last_of_a_crowd_are_kept():
    crowd = trail([Sent(at) for at in range(100)], HERE)
    assert sorted(fact.at for fact in crowd.facts) == [*range(KEEP), *range(100 - KEEP, 100)]
    assert join(crowd, crowd) == crowd


def test_what_concerns_the_whole_mail_is_kept_however_many_recipients_it_has():
    """A list of many thousand readers behind one queue id: its beginning and its end must not be cut away."""
    whole = [Started(0, False, "app"), Queued(1, False, "list@shop.example", 1000), Closed(9, False, "removed")]
    each = [Refused(2, False, (f"reader-{n:04}@example.com",), "malformed", "no") for n in range(GROUPS)]
    kept = collect((fact, HERE) for fact in [*each, *whole]).facts
    assert all(fact in kept for fact in whole)
    assert len(kept) == GROUPS
