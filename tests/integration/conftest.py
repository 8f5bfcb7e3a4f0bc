"""What several files ask for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.integration.aws import Aws, serving
from tests.integration.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """A stand-in for AWS, one for the run."""
    with serving() as made:
        yield made


@pytest.fixture
def world(kafka: str, prefix: str, tmp_path: Path) -> Iterator[World]:
    """Topics of the test's own, inputs and ours; its workers end with it."""
    made = World(kafka, prefix, tmp_path)
    made.prepare()
    yield made
    made.end()


@pytest.fixture
def inputs(kafka: str, prefix: str, tmp_path: Path) -> World:
    """A world that has the topic of the mail logs, and none of ours."""
    made = World(kafka, prefix, tmp_path)
    asyncio.run(made.make_topics({made.smtp: 3}))
    return made
