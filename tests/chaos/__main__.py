"""`make chaos`: rounds of faults against a real Kafka, and the scoreboard. `CHAOS="--help"` lists the options."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.chaos import cluster
from tests.chaos.faults import FAULTS, possible
from tests.chaos.round import Options, Outcome, TooBusyError, play


def _faults(text: str | None, brokers: int) -> tuple[str, ...]:
    if text is None:
        return possible(brokers)
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in FAULTS]:
        raise click.UsageError(f"--faults: {unknown[0]!r} is none; there are {', '.join(FAULTS)}")
    if too_hard := [name for name in names if name not in possible(brokers)]:
        raise click.UsageError(f"--faults: {too_hard[0]} needs --brokers 3")
    return names


@click.command()
@click.option("--mails", default=Options.mails, show_default=True, help="Mails a round.")
@click.option("--rate", default=Options.rate, show_default=True, help="Mails a second.")
@click.option("--faults", help=f"Of {', '.join(FAULTS)}; twice is twice as often. [default: all that are possible]")
@click.option("--brokers", type=click.Choice([1, 3]), default=1, show_default=True, help="How many there are.")
@click.option("--count", default=Options.count, show_default=True, help="Faults a round, at random times.")
@click.option("--outage", default=Options.outage, show_default=True, help="Seconds for which broker-pause lasts.")
@click.option("--patience", default=Options.patience, show_default=True, help="Times the grace: for a busy machine.")
@click.option("--workers", default=Options.workers, show_default=True, help="Workers at the beginning.")
@click.option("--seed", type=int, help="Of the load and of the faults. [default: a random one, which is printed]")
@click.option("--rounds", default=1, show_default=True, help="Rounds, each with a seed of its own.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep logs, truth and scan in this folder.")
def main(seed: int | None, rounds: int, keep: Path | None, faults: str | None, brokers: int, **more: float) -> None:
    """Faults at random times while mails are sent, and what mailgap made of it. Exit 1 where anything is amiss."""
    options = Options(faults=_faults(faults, brokers), **more)
    first = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    folder = keep or Path(tempfile.mkdtemp(prefix="mailgap-chaos-"))
    outcomes = []
    try:
        for number in range(first, first + rounds):
            outcomes += [_round(options, number, brokers, folder / str(number))]
    except TooBusyError as error:
        raise click.ClickException(f"{error} (--patience)") from error
    finally:
        _show(outcomes)
        if keep is None and outcomes and all(outcome.right for outcome in outcomes):
            shutil.rmtree(folder)
        else:
            click.echo(f"logs, truth and scan are in {folder}")
    if not all(outcome.right for outcome in outcomes):
        sys.exit(1)


def _round(options: Options, seed: int, count: int, folder: Path) -> Outcome:
    click.echo(f"seed {seed}: {options.mails} mails in {options.seconds:.0f} s, {options.count} faults")
    folder.mkdir(parents=True)
    with cluster.running(folder, count) as brokers:
        return asyncio.run(play(options, seed, brokers, folder, lambda text: click.echo(f"  {text}")))


def _show(outcomes: list[Outcome]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ("seed", "mails", "gaps due", "missed", "false", "repeated", "wrong", "unlike scan", "longest delay")
    for name in (*columns, "input lag", "faults", "died", "seconds"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        board = outcome.board
        counts = (
            outcome.seed,
            *(board[name] for name in ("mails", "gaps_due", "missed", "false", "repeated", "wrong")),
        )
        delay, lag = f"{board['longest_delay_s'] or 0:.1f} s", f"{board['input_lag_s']:.1f} s"
        more = (len(outcome.amiss), delay, lag, outcome.faults.total(), outcome.died.total())
        table.add_row(*map(str, (*counts, *more, round(outcome.seconds))))
    Console(width=150, highlight=False).print(table)
    for outcome in outcomes:
        met = ", ".join(f"{count} {name}" for name, count in sorted(outcome.faults.items()))
        click.echo(f"seed {outcome.seed}: {met}; ended by themselves: {dict(outcome.died) or 'none'};"
                   f" {outcome.tracebacks} tracebacks; SIGTERM over 10 s: {outcome.slow_stops or 'none'}")  # fmt: skip
        for text in (*outcome.board["details"][:10], *outcome.amiss[:10]):
            click.echo(f"  {text}")


if __name__ == "__main__":
    main()
