"""`mailgap doctor`: what is set, whether it works, and how to mend what does not."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.commands.aws import regions_of
from service.commands.common import printable, settings_of, settings_options
from service.edges import doctor as edges
from service.edges.doctor_finding import Finding, State
from service.edges.doctor_sinks import of_sinks
from service.policy import Policy
from service.settings import TABLE, SettingsError, origins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.settings import Settings

_WIDE: Final = 2000
"""Columns where no terminal is: a line a finding, for grep."""
_STYLES: Final = {State.OK: "green", State.LOOK: "yellow", State.WRONG: "bold red"}


@click.command()
@settings_options(*[setting.key for setting in TABLE])
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
@click.option("--try-writing", is_flag=True, help="Write to our topics in a transaction, and abort it.")
def doctor(config: str | None, form: str, *, try_writing: bool, **flags: Any) -> None:
    """Look at settings, broker, topics, permissions, sources, lag, clocks and sinks, and say how to mend what is wrong.

    With --ask-aws also at SES: whether the account may send, and whether its configuration sets publish the events that
    the deadlines rely on. Changes nothing. Exit 0 where nothing is wrong (there may be things worth a look), else 1.
    """
    settings = settings_of(flags, config)
    try:
        findings = [*edges.of_settings(settings, origins(flags, config=config))]
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    findings += _of_page(settings)
    findings += asyncio.run(_of_others(settings, write=try_writing))
    _say(findings, form)
    if any(finding.state is State.WRONG for finding in findings):
        sys.exit(1)


def _of_page(settings: Settings) -> list[Finding]:
    """Whether the trace page would open its door, where somebody has said who may come in."""
    if settings.trace_tokens_file is None:
        return []
    from service.trace.serving import access  # noqa: PLC0415 only here its framework has to be loaded

    try:
        access(settings, own_file=False)
    except SettingsError as error:
        return [Finding("settings", "trace page", State.WRONG, "cannot be used", str(error))]
    return [Finding("settings", "trace page", State.OK, "can be used")]


async def _of_others(settings: Settings, *, write: bool) -> list[Finding]:
    kafka, worker, sinks, aws = await asyncio.gather(
        edges.of_kafka(settings, write=write),
        edges.of_worker(settings.http_bind),
        of_sinks(settings),
        asyncio.to_thread(_of_aws, settings),
    )
    return [*kafka, worker, *sinks, *aws]


def _of_aws(settings: Settings) -> list[Finding]:
    """What SES's account and configuration sets are like, where AWS is to be asked."""
    regions = regions_of(settings)
    if regions is None:
        return []
    from service.aws.doctor import findings  # noqa: PLC0415 only who asks pays for loading boto3

    try:
        policy = settings.policy()
    except SettingsError:  # said already
        policy = Policy()
    return list(findings(regions.of(), policy, settings.configuration_sets))


def _say(findings: Sequence[Finding], form: str) -> None:
    if form == "jsonl":
        for finding in findings:
            click.echo(json.dumps(asdict(finding)))
        return
    table = Table("part", "what", "", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        state = Text(finding.state, _STYLES[finding.state])
        cells = [Text(printable(text)) for text in (finding.found, finding.advice)]
        table.add_row(finding.part, Text(printable(finding.what)), state, *cells)
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    with console.capture() as said:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in said.get().splitlines()))  # padded lines would wrap for nothing
    states = Counter(finding.state for finding in findings)
    click.echo(f"{states[State.WRONG]} wrong, {states[State.LOOK]} worth a look, {states[State.OK]} well")
