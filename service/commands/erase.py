"""`mailgap erase`: takes what is known of one person out of our topics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import Failure, settings_of, settings_options
from service.commands.topics import run_or_fail
from service.contract.wire import timestamp
from service.edges import erasing
from service.finding import forms
from service.settings import SettingsError

if TYPE_CHECKING:
    from service.policy import Policy
    from service.settings import Settings


@click.command()
@click.argument("address")
@settings_options("bootstrap_servers", "prefix", "policy_file", "addresses", "pseudonym_key_file", "former_key_files")
@click.option("--dry-run", is_flag=True, help="Only say what there is.")
def erase(address: str, config: str | None, *, dry_run: bool, **flags: Any) -> None:
    """Erase one person: every mail to or from ADDRESS, and its gaps, from the correlated and the gaps topic.

    ADDRESS is looked for under the key of the pseudonyms, former keys (--former-key-file), and as it is. Kafka drops
    what is erased when it compacts the topics, and a trace page that follows them drops it at once. Needs the policy
    of the workers (--policy): of a mail that is still in their state they may publish again. Exit 1 where one is, with
    the time from which on the same command erases it for good. Dead letters are counted; they go by themselves.
    """
    if "@" not in address.strip("<> ").strip("@"):
        raise click.UsageError(f"{address!r} is no address: give one, like ann@example.com")
    settings = settings_of(flags, config)
    called, policy = _forms(settings, address), _policy(settings)
    held = run_or_fail(erasing.look(settings, called, address.strip("<> ")))
    if not dry_run:
        run_or_fail(erasing.erase(settings, held))
    did = "would be erased" if dry_run else "were erased"
    click.echo(f"{len(held.mails)} records of mails and {len(held.gaps)} of gaps {did}")
    if held.letters:
        click.echo(f"{held.letters} dead letters hold the address; each goes a week after it was written")
    again = erasing.settled_by(held.newest, policy) if held.newest is not None else 0
    if again > time.time() * 1000 and not dry_run:
        raise Failure(
            f"workers may still publish something of the newest of them: run this again after {timestamp(again)}"
        )


def _forms(settings: Settings, address: str) -> frozenset[str]:
    """All that the address may be called on our topics."""
    try:
        keys = [*filter(None, [settings.pseudonyms()]), *settings.former_pseudonyms()]
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    return forms(address, keys)


def _policy(settings: Settings) -> Policy:
    try:
        return settings.policy()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
