"""`mailgap explain`: one mail's story."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import Failure, ManyPaths, printable, settings_of, settings_options
from service.commands.scan import judge_files
from service.commands.topics import run_or_fail
from service.edges.lookup import find
from service.finding import forms, matches
from service.settings import SettingsError
from service.story import Story, tell

if TYPE_CHECKING:
    from service.contract.correlated import Correlated
    from service.settings import Settings


@click.command(cls=ManyPaths)
@click.argument("mail", metavar="ID")
@click.option("--smtp", multiple=True, metavar="PATH...", help="Mail logs: files, folders, or -.")
@click.option("--ses", multiple=True, metavar="PATH...", help="SES events: files, folders, or -.")
@click.option("--as-of", metavar="TIME", help="RFC 3339; both have spoken until then. [default: their last word]")
@click.option("--timezone", metavar="ZONE", help="Zone of log stamps without one. [default: as the SES ids show]")
@settings_options("bootstrap_servers", "prefix", "policy_file", "addresses", "pseudonym_key_file")
def explain(
    mail: str,
    smtp: tuple[str, ...],
    ses: tuple[str, ...],
    as_of: str | None,
    timezone: str | None,
    config: str | None,
    **flags: Any,
) -> None:
    """Tell what became of one mail: each thing that happened, on what evidence, what is missing, what to do.

    ID is an SES message id, a queue id, a Message-ID or a recipient. Looks in the files that are given, else on the
    correlated topic, where a recipient that you type is found under its pseudonym if the key is given.
    """
    settings = settings_of(flags, config)
    if smtp or ses:
        run, _ = judge_files(smtp, ses, as_of, settings.policy_file, timezone, lambda *_: None)
        wanted = forms(mail)
        found = [document for document in map(run.document, run.judged()) if matches(document, wanted)]
    else:
        found = run_or_fail(find(settings, forms(mail, _keys(settings))))
    if not found:
        raise Failure(f"{mail!r} is in none of the mails: check the id, or look in more files or with another --prefix")
    click.echo("\n\n".join(map(_written, found)))
    sys.exit(0)


def _keys(settings: Settings) -> list[Any]:
    """The key, where there is one: ids can be looked for without."""
    try:
        hide = settings.pseudonyms()
    except SettingsError:
        return []
    return [hide] if hide else []


def _written(document: Correlated) -> str:
    story = tell(document)
    lines = [story.title, "=" * len(story.title), *(f"{label:<16}{text}" for label, text in story.facts), ""]
    lines += ["Recipients", *(f"  {recipient}" for recipient in story.recipients or ["unknown"]), ""]
    lines += ["What happened", *_steps(story), ""]
    lines += ["What is missing", *(f"  {gap}" for gap in story.gaps), ""] if story.gaps else []
    lines += ["Verdict", f"  {story.verdict}", "", "What to do", f"  {story.next_step}"]
    return "\n".join(map(printable, lines))


def _steps(story: Story) -> list[str]:
    return [f"  {step.at}  {step.source:<4}  {step.text}  [{step.evidence}]" for step in story.steps]
