"""The core is total: whatever facts stand under a name, and whatever was said of the sources, it answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.facts import Source
from service.facts_record import FactsRecord
from service.watermarks import Watermark
from tests.properties.arbitrary import items, names, records, watermarks
from tests.properties.telling import POLICIES
from tests.stories.statements import entry
from tests.stories.story import after
from tests.stories.world import World

# Every deadline has passed, and then every row's time.
LATER = [
    FactsRecord([], Watermark(tuple(entry(source, after(until)) for source in Source)))
    for until in ("1h", "20h", "60h", "200h")
]
sources = st.sampled_from([(Source.SMTP, Source.SES), (Source.SES,), (Source.SMTP,)])


@given(st.sampled_from(POLICIES), sources, st.lists(records, max_size=12), st.integers(1, 3))
def test_no_log_makes_the_core_fail(policy, configured, log, shards):
    """`World` asserts that nothing failed, that revisions rise by one, and that gaps open and end once."""
    world = World(policy, configured, shards)
    for record in [*log, *LATER]:
        world.take([record])
        world.crash()


@given(st.sampled_from(POLICIES), names, items)
def test_whatever_is_known_of_one_name_can_be_judged(policy, name, known):
    world = World(policy, tuple(Source))
    world.take([FactsRecord([(name, known)])] if known else [])
    for record in LATER:
        world.take([record])


@given(st.lists(watermarks, max_size=6), st.randoms(use_true_random=False))
def test_watermarks_may_be_read_in_any_order_and_again(statements, chance):
    once, again = World(POLICIES[0], tuple(Source)), World(POLICIES[0], tuple(Source))
    shuffled = [*statements, *statements]
    chance.shuffle(shuffled)
    for statement in statements:
        once.correlators[0].marks.learn(statement)
    for statement in shuffled:
        again.correlators[0].marks.learn(statement)
    for source in Source:
        assert once.correlators[0].marks.of(source) == again.correlators[0].marks.of(source)
