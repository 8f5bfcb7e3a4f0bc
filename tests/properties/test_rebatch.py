"""Rule 9, and what a crash may do: any story, told in any batches, in any order, doubled, and cut anywhere."""

from __future__ import annotations

from hypothesis import given, note, settings

from tests.properties.telling import stories
from tests.stories.retelling import retell
from tests.stories.story import Story


# A story is retold some fifty times: HYPOTHESIS_PROFILE=long tells a thousand stories in a minute.
@settings(max_examples=settings.default.max_examples // 5)
@given(stories())
def test_any_story_ends_the_same_however_it_is_told(story: Story):
    """Gaps are announced once and ended once, revisions rise by one: `World` sees to that in every telling."""
    note(repr(story))
    retell(story)
