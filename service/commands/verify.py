"""`mailgap verify`: what was published, against the truth of a simulated load."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from service.commands.common import Failure, printable, security_of, settings_of, settings_options
from service.commands.topics import run_or_fail
from service.edges.topics import counts
from service.settings import SettingsError
from service.simulation.deadlines import PlanError, milliseconds
from service.simulation.truth import TruthError, read
from service.verification.compare import Scoreboard, Truth, compare
from service.verification.said import Said
from service.verification.topics import Reader, TopicsError, Where

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.settings import Settings

WRONG = 3
_PAUSE = 1.0


@click.command()
@click.option("--truth", "path", type=click.Path(path_type=Path, dir_okay=False), required=True, help="What is true.")
@click.option("--scanned", type=click.File("rb"), help="Of `scan --format jsonl`, instead of the topics; - is stdin.")
@settings_options("bootstrap_servers", "prefix", "addresses", "pseudonym_key_file")
@click.option(
    "--wait", default="1m", show_default=True, help="How long to wait after all was due, while something is amiss."
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--details", default=20, show_default=True, help="So many of what is amiss are listed.")
def verify(path: Path, scanned: Any, wait: str, form: str, details: int, config: str | None, **flags: Any) -> None:
    """Compare verdicts and gaps with the truth that `mailgap simulate` wrote: missed, false, repeated, wrong, late.

    Reads the correlated and the gap topic as any consumer does; records of other mails on them are passed over. It
    needs the worker's --addresses and key, since addresses stand there as pseudonyms. Exit 0 when all is right, else 3.
    """
    settings = settings_of(flags, config)
    try:
        truth = Truth(str if scanned is not None else _shown(settings))
        truth.take(read(path))
        patience = milliseconds(wait, "--wait") / 1000
    except (TruthError, PlanError) as error:
        raise click.UsageError(str(error)) from error
    if scanned is None:
        run_or_fail(counts(settings))  # says why Kafka cannot be used, where it cannot
    try:
        board = _scanned(truth, scanned, details) if scanned else asyncio.run(_read(truth, settings, patience, details))
    except TopicsError as error:
        raise Failure(str(error)) from error
    except msgspec.DecodeError as error:
        raise Failure(f"a record cannot be read: {error}") from error
    _show(board, form)
    if not board.right:
        sys.exit(WRONG)


def _shown(settings: Settings) -> Callable[[str], str]:
    try:
        hide = settings.pseudonyms()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    return hide.address if hide else str


def _scanned(truth: Truth, lines: Any, details: int) -> Scoreboard:
    said = Said()
    for line in lines:
        said.take_scanned(line)
    return compare(truth, said, truth.end, details)


async def _read(truth: Truth, settings: Settings, patience: float, details: int) -> Scoreboard:
    """Reads until all is right and has been due, or patience is at an end."""
    topics = settings.topics
    where = Where(settings.bootstrap_servers, topics.correlated, topics.gaps, security_of(settings))
    until = max(truth.end / 1000, time.time()) + patience
    said = Said()
    async with Reader(where, said) as reader:
        while True:
            news = await reader.read_on()
            now = time.time()
            if now * 1000 < truth.end and now + patience < truth.end / 1000:
                return compare(truth, said, int(now * 1000), details)  # hours ahead: say what can be said
            if now * 1000 >= truth.end and (news == 0 or now >= until):
                board = compare(truth, said, int(now * 1000), details)
                if board.right or now >= until:
                    return board
            await asyncio.sleep(_PAUSE)


def _show(board: Scoreboard, form: str) -> None:
    if form == "json":
        click.echo(msgspec.json.encode(board))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("mails", "gaps due", "found", "missed", "false", "repeated", "wrong", "longest delay", "input lag"):
        table.add_column(name, justify="right")
    delay = "" if board.longest_delay_s is None else f"{board.longest_delay_s:.1f} s"
    counts = (board.mails, board.gaps_due, board.found, board.missed, board.false, board.repeated, board.wrong)
    table.add_row(*map(str, counts), delay, f"{board.input_lag_s:.1f} s")
    Console(highlight=False).print(table)
    if board.not_yet_due:
        click.echo(f"{board.not_yet_due} mails are left out: something about them may still come.")
    for detail in board.details:
        click.echo(printable(detail))
