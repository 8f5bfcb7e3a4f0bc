"""Writes a run into a folder: a log a host, one file of events, the truth."""

from __future__ import annotations

from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from service.facts import Source
from service.simulation import truth
from service.simulation.story import Story

if TYPE_CHECKING:
    from pathlib import Path

    from service.simulation.plan import Plan
    from service.simulation.transport import Record


def write(plan: Plan, folder: Path) -> truth.Footer:
    """Makes `smtp/<host>.log`, `ses/events.jsonl` and `truth.jsonl`. Raises `OSError`."""
    (folder / "smtp").mkdir(parents=True, exist_ok=True)
    (folder / "ses").mkdir(exist_ok=True)
    with ExitStack() as stack:
        told = stack.enter_context((folder / "truth.jsonl").open("wb"))
        story = Story(plan, lambda mail: truth.write(told, mail))
        truth.write(told, story.header)
        files: dict[str, IO[bytes]] = {}
        for record in story.records():
            path = _path(record)
            if path not in files:
                files[path] = stack.enter_context((folder / path).open("wb"))
            files[path].write(record.value + b"\n")
        footer = story.footer()
        truth.write(told, footer)
    return footer


def _path(record: Record) -> str:
    return f"smtp/{record.host}.log" if record.source is Source.SMTP else "ses/events.jsonl"
