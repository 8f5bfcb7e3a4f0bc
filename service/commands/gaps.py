"""`mailgap gaps`: which are open, and closes those that somebody knows about."""

from __future__ import annotations

import getpass
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from rich.console import Console
from rich.table import Table

from service.commands.common import Failure, printable, settings_of, settings_options
from service.commands.topics import run_or_fail
from service.contract.enums import Cause, GapKind, GapState
from service.contract.wire import encode
from service.edges import gaps as edge
from service.setting_values import SettingsError, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from service.contract.gap import GapRecord

LONGEST: Final = 500
"""Characters of a reason, and of a name."""


_F = TypeVar("_F", bound="Callable[..., Any]")


def _chosen_by(function: _F) -> _F:
    """The filters that both commands share."""
    for option in (
        click.option("--cause", type=click.Choice([cause.value for cause in Cause]), help="Only these."),
        click.option("--kind", type=click.Choice([kind.value for kind in GapKind]), help="Only these."),
        click.option("--stream", help="Only these."),
    ):
        function = option(function)
    return function


@click.group()
def gaps() -> None:
    """List open gaps, and close those that are known."""


@gaps.command("list")
@settings_options("bootstrap_servers", "prefix")
@_chosen_by
@click.option("--all", "everything", is_flag=True, help="Those that have ended, too.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The oldest so many.")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def list_(config: str | None, limit: int, form: str, *, everything: bool, **flags: Any) -> None:
    """One line a gap, the oldest first; as jsonl the records of the gaps topic."""
    chosen = {key: flags.pop(key) for key in ("stream", "kind", "cause")}
    every = run_or_fail(edge.read(settings_of(flags, config))).values()
    found = [gap for gap in _matching(every, **chosen) if everything or gap.state is GapState.OPENED]
    shown = sorted(found, key=lambda gap: (gap.opened_at, gap.gap_id))[:limit]
    if form == "jsonl":
        for gap in shown:
            sys.stdout.buffer.write(encode(gap) + b"\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("gap", "state", "opened", "stream", "kind", "cause", "mail", "recipient"):
        table.add_column(column, overflow="fold")
    for gap in shown:
        cells = (gap.gap_id, gap.state, gap.opened_at, gap.stream, gap.kind, gap.cause, gap.mail_id, gap.recipient)
        table.add_row(*(printable(str(cell or "-")) for cell in cells))
    Console(width=None if sys.stdout.isatty() else 300, highlight=False, markup=False).print(table)
    counts = Counter((gap.stream, gap.kind.value, gap.cause.value) for gap in found)
    said = "; ".join(f"{number} {printable(' '.join(words))}" for words, number in counts.most_common())
    click.echo(f"{len(found)} gaps: {said}" if found else "there are none", err=True)


@gaps.command()
@click.argument("chosen", metavar="[GAP]...", nargs=-1)
@settings_options("bootstrap_servers", "prefix")
@_chosen_by
@click.option("--all", "everything", is_flag=True, help="All that are open.")
@click.option("--reason", required=True, help="Why: it stands in the record for good.")
@click.option("--by", help="Who.  [default: you, as this system knows you]")
@click.option("--dry-run", is_flag=True, help="Only say which would be closed.")
@click.option("--wait", default="30s", show_default=True, help="How long to wait for the workers to have done it.")
def close(
    chosen: tuple[str, ...],
    config: str | None,
    reason: str,
    by: str | None,
    wait: str,
    *,
    everything: bool,
    dry_run: bool,
    **flags: Any,
) -> None:
    """Close open gaps (by the ids that `list` shows, or by filters): nobody is told of them any more.

    The workers write a record of it to the gaps topic: closed by whom, when and why. A closed gap is never opened
    again; what still becomes of its mail stands in the mail's own record. Exit 1 where not all were closed in
    time: what was asked for stays, and is done once a worker reads it.
    """
    criteria = {key: flags.pop(key) for key in ("stream", "kind", "cause")}
    if not (chosen or everything or any(criteria.values())):
        raise click.UsageError("nothing chosen: give ids of gaps, --stream, --kind, --cause or --all")
    reason, by = _words(reason, "--reason"), _words(by or getpass.getuser(), "--by")
    patience = _patience(wait)
    settings = settings_of(flags, config)
    every = run_or_fail(edge.read(settings))
    missing = [identity for identity in chosen if identity not in every]
    if missing:
        raise Failure(f"there is no gap {missing[0]!r}: `mailgap gaps list` shows those that are open")
    candidates = [every[identity] for identity in chosen] or every.values()
    open_ = [gap for gap in _matching(candidates, **criteria) if gap.state is GapState.OPENED]
    if dry_run or not open_:
        click.echo(f"{len(open_)} gaps would be closed" if open_ else "none of these is open")
        return
    ended = run_or_fail(edge.close(settings, open_, by, reason, patience))
    closed = sum(gap.closed_by is not None for gap in ended.values())
    click.echo(
        f"{closed} gaps were closed" + (f", {len(ended) - closed} had just ended" if closed < len(ended) else "")
    )
    if left := len(open_) - len(ended):
        raise Failure(f"{left} are not closed yet: this is done once a worker reads it; is `mailgap worker` running?")


def _matching(every: Iterable[GapRecord], stream: str | None, kind: str | None, cause: str | None) -> list[GapRecord]:
    wanted = {"stream": stream, "kind": kind, "cause": cause}
    return [gap for gap in every if all(value is None or getattr(gap, key) == value for key, value in wanted.items())]


def _words(text: str, flag: str) -> str:
    """What will stand in a record for good. Raises `click.UsageError` where it says nothing."""
    words = printable(" ".join(text.split()))
    if not 0 < len(words) <= LONGEST:
        raise click.UsageError(f"{flag}: give between 1 and {LONGEST} characters")
    return words


def _patience(wait: str) -> float:
    try:
        return seconds("0s", "1h")(wait, "--wait")
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
