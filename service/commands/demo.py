"""`mailgap demo`: in a minute, on one screen, what mailgap is for."""

from __future__ import annotations

import sys

import click

from service.commands.common import Failure
from service.demo.sample import FEWEST_MAILS

INTERRUPTED = 130
MOST_MAILS = 5000


@click.command()
@click.option("--mails", type=click.IntRange(FEWEST_MAILS, MOST_MAILS), default=300, show_default=True, help="To send.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another one tells another story.")
@click.option("--keep", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@click.option("--no-kafka", is_flag=True, help="Tell the story with files and `mailgap scan` only.")
def demo(mails: int, seed: int, *, keep: bool, no_kafka: bool) -> None:
    """Shows on this machine, in a minute, what mailgap finds.

    Starts a real Apache Kafka and a worker, lets a sample application send mails by way of Postfix and SES (no mail
    leaves this machine), and stops everything again. Uses the broker in MAILGAP_BOOTSTRAP_SERVERS, where it is set,
    under a name of its own. Exits 0 if what was found is what really happened, else 1.
    """
    from service.demo.show import DemoFailed, Options, show  # noqa: PLC0415 other commands need not load it

    if keep and no_kafka:
        raise click.UsageError("--keep and --no-kafka contradict each other: without Kafka nothing runs")
    try:
        equal = show(Options(seed, mails, keep, not no_kafka))
    except DemoFailed as problem:
        raise Failure(str(problem)) from problem
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing of it is left running.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if equal else 1)
