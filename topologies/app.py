"""Builds the Faust apps of the worker's roles, and runs them.

Each role is an app and a consumer group of its own, so that they scale and fail apart; `run_apps` may run several in
one process.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from topologies.engine import runner
from topologies.engine.app import App, new_app
from topologies.engine.settings import EngineSettings
from topologies.engine.table import ShardedTable

TRAILS = "trails"


def build_app(role: str, settings: EngineSettings) -> App:
    """The app, and consumer group, `<prefix>-<role>`."""
    return new_app(f"{settings.prefix}-{role}", settings)


def trails_table(app: App) -> ShardedTable:
    """The table of an app; its changelog is `<prefix>-<role>-trails-changelog`."""
    return app.Table(TRAILS, partitions=app.engine.partitions, key_type=bytes, value_type=bytes)  # type: ignore[no-any-return]


def input_topic(app: App, *names: str) -> Any:
    """Topics whose records an agent gets as raw bytes, in batches."""
    return app.topic(*names, key_type=bytes, value_type=bytes)


def run_apps(apps: Sequence[App], extra_services: Iterable[Any] = ()) -> int:
    """See `topologies.engine.runner.run_apps`."""
    return runner.run_apps(apps, extra_services)
