"""What several files ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(kafka: str, prefix: str, tmp_path: Path) -> Iterator[World]:
    """Topics of the test's own, inputs and ours; its workers end with it."""
    made = World(kafka, prefix, tmp_path)
    made.prepare()
    yield made
    made.end()
