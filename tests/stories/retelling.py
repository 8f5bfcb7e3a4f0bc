"""Tells a story again in every way that must make no difference: in other batches, in another order, cut by crashes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from service.facts_record import FactsRecord
from tests.stories.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.stories.story import Story

FEW: Final = 40
"""A story of so few records is retold with every cut; a longer one with some."""


def retell(story: Story) -> None:
    """In other batches, doubled, in another order, cut by crashes, over several shards: it must end the same."""
    world = story.told()
    _crash_everywhere(story, world)
    if not story.forgets:
        _order_anew(story, world)
    if not (story.sampled or story.forgets):
        told = _play(story, [[record] for record in story.log], shards=3).truth(loosely=True)
        _same(told, world.truth(loosely=True), "over three shards")


def _order_anew(story: Story, world: World) -> None:
    log, expected = story.log, world.truth(loosely=True)
    for batches in _batches(log):
        how = f"in batches of {[len(batch) for batch in batches]}"
        _same(_play(story, batches).truth(loosely=True), expected, how)
    doubled = [[record, record] for record in log]
    doubled.append([record for record in log if record.fragments])
    _same(_play(story, doubled).truth(loosely=True), expected, "doubled")
    for seed in range(4):
        segments = _shuffled(log, random.Random(seed))
        batches = segments if seed % 2 else [[record] for segment in segments for record in segment]
        _same(_play(story, batches).truth(loosely=True), expected, f"shuffled by {seed}")


def _crash_everywhere(story: Story, world: World) -> None:
    """Every record is followed by a crash, or its transaction is aborted once: what was said, was said once."""
    for abort in (False, True):
        other = World(story.policy, story.sources)
        often = max(1, len(story.log) // FEW)
        for number, record in enumerate(story.log):
            mishap = number % often == 0
            other.take([record], abort=abort and mishap)
            if mishap and not abort:
                other.crash()
        how = "aborted" if abort else "cut by crashes"
        assert sorted(other.published) == sorted(world.published), how
        assert sorted(map(repr, other.gaps)) == sorted(map(repr, world.gaps)), how
        assert other.conditions == world.conditions, how
        _same(other.truth(), world.truth(), how)
        assert other.counts == world.counts, how
        assert sorted(other.timings) == sorted(world.timings), how


def _play(story: Story, batches: Sequence[Sequence[FactsRecord]], shards: int = 1) -> World:
    world = World(story.policy, story.sources, shards)
    for batch in batches:
        world.take(batch)
    return world


def _same(found: dict[str, Any], expected: dict[str, Any], how: str) -> None:
    """Says which fields of which mails differ when the story is told so."""
    differences = [
        f"{mail}: {field} is {mine.get(field)!r}, not {theirs.get(field)!r}"
        for mail in sorted({*found, *expected})
        for mine, theirs in [(found.get(mail, {}), expected.get(mail, {}))]
        for field in sorted({*mine, *theirs})
        if mine.get(field) != theirs.get(field)
    ]
    assert not differences, f"told {how}, it ends otherwise:\n" + "\n".join(differences[:10])


def _batches(log: list[FactsRecord]) -> list[list[list[FactsRecord]]]:
    """Ways to cut the log: all at once, in two at (almost) every place, and in pieces of a few."""
    step = max(1, len(log) // FEW)
    cuts = [[log[:cut], log[cut:]] for cut in range(1, len(log), step)]
    return [[log], *cuts, [log[n : n + 3] for n in range(0, len(log), 3)]]


def _shuffled(log: list[FactsRecord], chance: random.Random) -> list[list[FactsRecord]]:
    """Facts change places among those between two watermarks; there they may come in any order."""
    segments: list[list[FactsRecord]] = []
    facts: list[FactsRecord] = []
    for record in [*log, None]:
        if record is not None and record.watermark is None:
            facts += [FactsRecord([(name, [item])]) for name, items in record.fragments for item in items]
            continue
        chance.shuffle(facts)
        segments += [facts, [record] if record is not None else []]
        facts = []
    return [segment for segment in segments if segment]
