"""Every story is told again, in every way that must make no difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.retelling import retell
from tests.stories.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def tell() -> Iterator[Callable[..., Story]]:
    """Begins a story under circumstances of its own: `tell(policy=..., sources=...)`."""
    stories: list[Story] = []

    def begin(**circumstances: Any) -> Story:
        stories.append(Story(**circumstances))
        return stories[-1]

    yield begin
    for story in stories:
        retell(story)


@pytest.fixture
def story(tell: Callable[..., Story]) -> Story:
    """A story under the usual circumstances."""
    return tell()
