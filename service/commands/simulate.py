"""`mailgap simulate`: a load of made-up mails of which the truth is known, into files or to Kafka."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import Failure, security_of, settings_of, settings_options, why
from service.commands.topics import run_or_fail
from service.contract.wire import instant_of
from service.edges.topics import counts
from service.settings import TABLE, SettingsError
from service.simulation import files
from service.simulation.deadlines import PlanError, Policy, milliseconds, read_policy
from service.simulation.envelopes import ENVELOPES
from service.simulation.kafka import Inputs, KafkaLostError, play
from service.simulation.plan import Plan, chosen, length
from service.simulation.servers import DIALECTS
from service.simulation.transport import stall_of
from service.yaml_files import YamlFileError, read_yaml

if TYPE_CHECKING:
    from service.settings import Settings
    from service.simulation.truth import Footer

_DAY = 86_400_000


def _time(text: str, flag: str) -> int:
    return milliseconds(text, flag)


@click.command()
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write files into this folder.")
@settings_options("bootstrap_servers", "smtp_topics", "ses_topics", "policy_file")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="The truth file, when played to Kafka.")
@click.option("--mails", default=1000, show_default=True, help="How many.")
@click.option("--rate", default=50.0, show_default=True, help="Mails a second.")
@click.option("--seed", default=1, show_default=True, help="The same seed and --start make the same records.")
@click.option("--start", metavar="TIME", help="RFC 3339. [default: now; for files, so that all is past]")
@click.option(
    "--ago",
    metavar="DURATION",
    help="Start so long before now: the past comes at once, too late for workers that run already.",
)
@click.option(
    "--mix",
    default="usual",
    show_default=True,
    help="usual, even (half is well, and of every other fate there is as much), or fate=share,…",
)
@click.option("--recipients", default=3, show_default=True, help="The most that a mail has.")
@click.option("--hosts", default=8, show_default=True, help="Hosts that log; each its own form, zone and clock.")
@click.option("--dialect", "dialects", multiple=True, help=f"{', '.join(DIALECTS)}. [default: all, in turn]")
@click.option("--envelope", "envelopes", multiple=True, help=f"{', '.join(ENVELOPES)}. [default: all]")
@click.option("--lateness", default="0s", show_default=True, help="The longest way of a record to Kafka.")
@click.option("--duplicates", default=0.02, show_default=True, help="The share of records that come twice.")
@click.option("--reorder", default=0.0, show_default=True, help="The share of records that others overtake.")
@click.option("--skew", default="0s", show_default=True, help="How wrong a host's clock is at most.")
@click.option("--stall", "stalls", multiple=True, help="smtp or ses:since+length, like ses:30s+20s: nothing, then all.")
def simulate(folder: Path | None, truth: Path | None, config: str | None, **given: Any) -> None:
    """Make up mails, and what servers and SES say of them; and write down what must be found.

    Into a folder (--to), for `mailgap scan`; or to Kafka (--truth FILE and topics), for workers, each record at its
    time. Deadlines are those of --policy, the file that the worker has: with deadlines of seconds a run takes minutes.
    `mailgap verify` compares.
    """
    if (folder is None) is (truth is None):
        raise click.UsageError("give --to FOLDER for files, or --truth FILE to play to Kafka")
    flags = {setting.key: given.pop(setting.key) for setting in TABLE if setting.key in given}
    settings = settings_of(flags, config)
    try:
        plan = _plan(_policy(settings), files_only=folder is not None, **given)
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    if folder is not None:
        _say(_to_files(plan, folder), plan, f"mailgap scan --smtp {folder}/smtp --ses {folder}/ses")
        return
    if not settings.smtp_topics or not settings.ses_topics:
        raise click.UsageError("nowhere to send it: give --smtp-topic and --ses-topic")
    assert truth is not None
    run_or_fail(counts(settings))  # says why Kafka cannot be used, where it cannot
    inputs = Inputs(settings.bootstrap_servers, settings.smtp_topics, settings.ses_topics, security_of(settings))
    footer = _to_kafka(plan, inputs, truth)
    _say(footer, plan, f"mailgap verify --truth {truth}")
    if footer.worst_lag_ms > plan.policy.grace:
        raise Failure(
            f"Kafka had a record {footer.worst_lag_ms / 1000:.1f} s late, and the grace is {plan.policy.grace / 1000:g}"
            " s: no verdict is promised for this run; give the policy a longer grace, or simulate at a lower --rate"
        )


def _policy(settings: Settings) -> Policy:
    """As the simulation reads it, once mailgap itself takes the file."""
    try:
        settings.policy()
        return Policy() if settings.policy_file is None else read_policy(read_yaml(settings.policy_file, "policy"))
    except (SettingsError, YamlFileError) as error:
        raise click.UsageError(str(error)) from error


def _plan(policy: Policy, *, files_only: bool, start: str | None, ago: str | None, **given: Any) -> Plan:
    if start is not None and ago is not None:
        raise click.UsageError("give --start or --ago, not both")
    whole = length(given["mails"], given["rate"]) + 3 * policy.longest
    back = _time(ago, "--ago") if ago is not None else whole if files_only else 0
    return Plan(
        mails=given["mails"],
        rate=given["rate"],
        seed=given["seed"],
        start=_start(start) if start is not None else int(time.time() * 1000) - back,
        policy=policy,
        mix=given["mix"],
        recipients=given["recipients"],
        hosts=given["hosts"],
        dialects=chosen(given["dialects"], tuple(DIALECTS), "--dialect"),
        envelopes=chosen(given["envelopes"], tuple(ENVELOPES), "--envelope"),
        lateness=_time(given["lateness"], "--lateness"),
        duplicates=given["duplicates"],
        reordered=given["reorder"],
        skew=_time(given["skew"], "--skew"),
        stalls=tuple(map(stall_of, given["stalls"])),
    )


def _start(text: str) -> int:
    try:
        return instant_of(text)
    except ValueError as error:
        raise click.UsageError(f"--start {text!r} is no time; write RFC 3339, like 2026-11-24T09:00:00Z") from error


def _to_files(plan: Plan, folder: Path) -> Footer:
    try:
        return files.write(plan, folder)
    except (OSError, ValueError) as error:
        raise Failure(f"{folder}: cannot be written: {why(error)}") from error


def _to_kafka(plan: Plan, inputs: Inputs, truth: Path) -> Footer:
    shown = [0.0]

    def progress(mails: int, records: int) -> None:
        if sys.stderr.isatty() and time.monotonic() > shown[0] + 1:
            shown[0] = time.monotonic()
            click.echo(f"\r{mails} mails, {records} records", err=True, nl=False)

    try:
        return asyncio.run(play(plan, inputs, truth, progress))
    except KafkaLostError as error:
        raise Failure(str(error)) from error
    except (OSError, ValueError) as error:
        raise Failure(f"{truth}: cannot be written: {why(error)}") from error


def _say(footer: Footer, plan: Plan, command: str) -> None:
    lines = [
        f"mails     {footer.mails}, of which {footer.gaps} gaps must be found",
        f"records   {footer.smtp_records} of logs, {footer.ses_records} of SES",
        f"all due   {footer.end}",
        f"next      {command}" + (f" --as-of {footer.end}" if command.startswith("mailgap scan") else ""),
    ]
    if plan.policy.longest > _DAY // 24 and not command.startswith("mailgap scan"):
        lines.append("          that is long: a --policy with deadlines of seconds makes it minutes")
    click.echo("\n".join(lines), err=True)
