"""`mailgap dead-letters`: what could not be read, as it came; and sends it again once it can be."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from service.commands.common import Failure, printable, settings_of, settings_options
from service.commands.topics import run_or_fail
from service.contract.wire import timestamp
from service.edges import letters as edge
from service.facts import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.edges.letters import Letter

SHOWN = 100
"""Bytes of a record that the list shows."""

_reason = click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only these.")


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show and replay the records that could not be used. They hold raw addresses."""


@dead_letters.command("list")
@settings_options("bootstrap_servers", "prefix")
@_reason
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The latest so many.")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def list_(config: str | None, reason: str | None, limit: int, form: str, **flags: Any) -> None:
    """One line a letter: where it is, where it came from, and why it could not be used."""
    found = _chosen(run_or_fail(edge.read(settings_of(flags, config))), reason)
    if form == "jsonl":
        for letter in found[-limit:]:
            sys.stdout.buffer.write(orjson.dumps(_plain(letter)) + b"\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("letter", "record", "time", "reason", "stage", "begins with"):
        table.add_column(column, overflow="fold" if column in {"letter", "record"} else "ellipsis")
    for letter in found[-limit:]:
        table.add_row(*(printable(cell) for cell in map(str, _plain(letter).values())))
    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(table)
    counts = Counter(letter.about.reason.value for letter in found)
    said = ", ".join(f"{number} {why}" for why, number in counts.most_common()) or "there are none"
    click.echo(f"{len(found)} letters: {said}" if found else said, err=True)


@dead_letters.command()
@click.argument("letter")
@settings_options("bootstrap_servers", "prefix")
def show(letter: str, config: str | None, **flags: Any) -> None:
    """Write the record of LETTER (as in the list: partition/offset) to standard output, byte by byte."""
    found = {each.position: each for each in run_or_fail(edge.read(settings_of(flags, config)))}
    if letter not in found:
        raise Failure(f"there is no letter {letter}: `mailgap dead-letters list` shows those that are there")
    if found[letter].value is None:
        raise Failure(f"{letter}: the record was too large for a letter; it stood at {found[letter].origin}")
    sys.stdout.buffer.write(found[letter].value or b"")


@dead_letters.command()
@click.argument("chosen", metavar="[LETTER]...", nargs=-1)
@settings_options("bootstrap_servers", "prefix")
@_reason
@click.option("--all", "everything", is_flag=True, help="All letters.")
@click.option("--dry-run", is_flag=True, help="Only say how many would be sent.")
def replay(
    chosen: tuple[str, ...], config: str | None, reason: str | None, *, everything: bool, dry_run: bool, **flags: Any
) -> None:
    """Send letters again to the topics that they came from, as they were. To do it twice does no harm."""
    if not (chosen or reason or everything):
        raise click.UsageError("nothing chosen: give letters (partition/offset), --reason or --all")
    settings = settings_of(flags, config)
    every = run_or_fail(edge.read(settings))
    missing = set(chosen) - {letter.position for letter in every}
    if missing:
        raise Failure(f"there is no letter {min(missing)}: `mailgap dead-letters list` shows those that are there")
    found = edge.latest(letter for letter in _chosen(every, reason) if not chosen or letter.position in chosen)
    if dry_run:
        click.echo(f"{len(found)} records would be sent again")
        return
    sent, unsent = run_or_fail(edge.replay(settings, found))
    click.echo(f"{sent} records were sent again")
    for letter in unsent:
        why = "too large for a letter" if letter.value is None else f"refused by the bridge ({letter.about.reason})"
        click.echo(f"{letter.position}: {why}; the record stood at {letter.origin}", err=True)
    if unsent:
        sys.exit(1)


def _chosen(letters: Iterable[Letter], reason: str | None) -> list[Letter]:
    return [letter for letter in letters if reason is None or letter.about.reason == reason]


def _plain(letter: Letter) -> dict[str, str]:
    return {
        "letter": letter.position,
        "record": letter.origin,
        "time": timestamp(letter.about.timestamp),
        "reason": letter.about.reason.value,
        "stage": letter.about.stage,
        "begins": (letter.value or b"")[:SHOWN].decode(errors="replace").strip(),
    }
