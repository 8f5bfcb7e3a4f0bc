"""`mailgap explain`: one mail's story."""

from __future__ import annotations

import secrets
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from service.aws.evidence import Evidence, wanted
from service.commands.aws import asked, regions_of
from service.commands.common import Failure, ManyPaths, printable, settings_of, settings_options
from service.commands.scan import judge_files
from service.commands.topics import run_or_fail
from service.contract.wire import timestamp
from service.edges.archive import Archive
from service.edges.lookup import find
from service.finding import forms
from service.parsing.addresses import address
from service.privacy import Pseudonyms
from service.settings import SettingsError
from service.story import Story, tell
from service.story_words import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.aws.ses import Regions
    from service.contract.correlated import Correlated
    from service.edges.gather import Tally
    from service.settings import Settings
    from service.story import Judgement, Step, Told

WIDTH: Final = 100
_LIMIT: Final = 5


class Found(msgspec.Struct, frozen=True):
    """What is told: the newest of the `mails` that the typed text leads to. `shown_as`: what it is called in them.

    `aws`: what AWS says beside each story, where it was asked.
    """

    looked_for: str
    shown_as: str
    mails: int
    stories: tuple[Story, ...]
    aws: tuple[tuple[Evidence, ...], ...] = ()


@click.command(cls=ManyPaths)
@click.argument("mail", metavar="ID")
@click.option("--smtp", multiple=True, metavar="PATH...", help="Mail logs: files, folders, or -.")
@click.option("--ses", multiple=True, metavar="PATH...", help="SES events: files, folders, or -.")
@click.option("--as-of", metavar="TIME", help="RFC 3339; both have spoken until then. [default: their last word]")
@click.option("--timezone", metavar="ZONE", help="Zone of log stamps without one. [default: as the SES ids show]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=_LIMIT, show_default=True, help="Mails to tell, newest first.")
@settings_options(
    *(
        "bootstrap_servers",
        "prefix",
        "policy_file",
        "addresses",
        "pseudonym_key_file",
        "ask_aws",
        "region",
        "endpoint_url",
    )
)
def explain(
    mail: str,
    smtp: tuple[str, ...],
    ses: tuple[str, ...],
    as_of: str | None,
    timezone: str | None,
    form: str,
    limit: int,
    config: str | None,
    **flags: Any,
) -> None:
    """Tell what became of one mail: each thing that happened, on what evidence, what is missing, what to do.

    ID is an SES message id, a queue id, a Message-ID (the mail's own, or the one that SES wrote over it), or a
    recipient: the address, or its pseudonym. A recipient's mails are told from the newest on.

    Looks in the files that are given: --smtp mail.log --ses events/. Without files, looks on the correlated topic.
    Addresses are shown as pseudonyms, those of the worker where its key is given, unless --addresses raw is.

    With --ask-aws, SES is asked how things stand now: the account, where it was refused; a suppressed recipient whose
    address is known, by ID or with --addresses raw; a sender that was not verified. deploy/iam/ has the least policies.
    """
    if not mail.strip(" <>"):
        raise click.UsageError("ID is empty: give an SES message id, a queue id, a Message-ID or a recipient")
    settings = settings_of(flags, config)
    aws = regions_of(settings)
    if smtp or ses:
        found = _in_files(settings, mail, (smtp, ses, as_of, timezone), limit, aws)
    else:
        found = _on_topic(settings, mail, limit, aws)
    click.echo(msgspec.json.encode(found).decode() if form == "json" else _written(found))
    sys.exit(0)


_Files = tuple[tuple[str, ...], tuple[str, ...], str | None, str | None]


def _in_files(settings: Settings, mail: str, given: _Files, limit: int, aws: Regions | None) -> Found:
    """Reads everything, judges it, and tells of it what the words lead to."""
    smtp, ses, as_of, timezone = given
    hide, archive = _pseudonyms(settings), Archive()
    run, tally = judge_files(
        smtp, ses, as_of, settings.policy_file, timezone, lambda *_: None, hide=hide, archive=archive
    )
    for _ in run.judged():
        pass  # only what is asked for is told
    sought = forms(mail, [hide] if hide else [])
    groups, count = archive.groups(sought, limit)
    if not groups:
        raise Failure(f"{mail!r} {_nowhere(run.summary.mails, tally, as_of)}")
    return _found(mail, hide, count, [[run.retold(archive, unit) for unit in group] for group in groups], aws)


def _on_topic(settings: Settings, mail: str, limit: int, aws: Regions | None) -> Found:
    """What the worker has published."""
    hide = _key(settings)
    groups, read = run_or_fail(find(settings, forms(mail, [hide] if hide else [])))
    if not groups:
        topic = settings.topics.correlated
        key = "" if hide or "@" not in mail else " (or for a recipient the --pseudonym-key-file of the worker)"
        raise Failure(
            f"{mail!r} is in none of the {read:,} records of {topic}, as an SES id, queue id, Message-ID or recipient:"
            f" try another name of the mail{key}, another --prefix, or the log files with --smtp and --ses, since a"
            " mail server that only passed it on is not on the topic"
        )
    return _found(mail, hide, len(groups), groups[:limit], aws)


def _found(
    mail: str, hide: Pseudonyms | None, count: int, groups: list[list[Correlated]], aws: Regions | None
) -> Found:
    """The stories, and beside them what AWS says. Where pseudonyms were published, it is asked about who was typed."""
    stories = tuple(tell(*group) for group in groups)
    evidence: tuple[tuple[Evidence, ...], ...] = ()
    if aws is not None:
        known = dict.fromkeys(forms(mail, [hide] if hide else []), address(mail.strip(" <>")))
        evidence = tuple(asked(aws, wanted(group, known)) for group in groups)
    return Found(mail, _shown_as(mail, hide, stories), count, stories, evidence)


def _nowhere(mails: int, tally: Tally, as_of: str | None) -> str:
    """What was looked through, and what to try."""
    read = " and ".join(f"{count:,} {source.upper()} records" for source, count in sorted(tally.records.items()))
    spoken = "; ".join(f"{source.upper()} until {clock(timestamp(at))}" for source, at in sorted(tally.latest.items()))
    left = f", and {tally.left_out:,} that are later than --as-of were left out" if as_of and tally.left_out else ""
    dead = sum(tally.rejected.values())
    unread = f", of which {dead:,} could not be understood (`mailgap scan --rejects FILE` keeps them)" if dead else ""
    return (
        f"is in none of the {mails:,} mails of {read or 'no records'}{unread}{left} ({spoken or 'nothing was said'}),"
        " as an SES id, queue id, Message-ID or recipient: try another name of the mail, or give the logs and events"
        " of its time and of every server that it went through"
    )


def _pseudonyms(settings: Settings) -> Pseudonyms | None:
    """The worker's, where its key is given; else some that nobody can undo, made for this story."""
    if settings.addresses == "raw":
        return None
    return _key(settings) or Pseudonyms(secrets.token_bytes(32))


def _key(settings: Settings) -> Pseudonyms | None:
    """The worker's pseudonyms, where there is a key: ids can be looked for without."""
    try:
        return settings.pseudonyms()
    except SettingsError:
        if settings.pseudonym_key_file:
            raise
        return None


def _shown_as(mail: str, hide: Pseudonyms | None, stories: tuple[Story, ...]) -> str:
    """The pseudonym under which the stories speak of a recipient that was typed."""
    known = {told.address for story in stories for told in story.recipients}
    known |= {address for story in stories for step in story.steps for address in step.recipients}
    sought = forms(mail, [hide] if hide else [])
    return next((each for each in sorted(known) if each in sought and each.casefold() != mail.casefold()), "")


# -- as text ---------------------------------------------------------------------------------------------------------


def _written(found: Found) -> str:
    return "\n".join(map(printable, _lines(found)))


def _lines(found: Found) -> Iterator[str]:
    if found.shown_as:
        yield f"{found.looked_for} is {found.shown_as} here."
    if found.mails > 1:
        told = len(found.stories)
        more = f"; the newest {told} are told, --limit {found.mails} tells all" if told < found.mails else ""
        yield f"{found.mails:,} mails are known as {found.looked_for}, the newest first{more}."
    for number, story in enumerate(found.stories):
        yield from ("", "") if number else [""] * bool(found.shown_as or found.mails > 1)
        yield from _story(story)
        if found.aws:
            yield from ("", "What AWS says now")
            for each in found.aws[number]:
                yield from _wrapped("  ", f"{each.about}: {each.says}")
            yield from [] if found.aws[number] else ["  nothing: there is nothing about this mail that it would know"]


def _story(story: Story) -> Iterator[str]:
    yield from (f"Mail {story.title}", "=" * (len(story.title) + 5))
    for label, text in story.facts:
        yield from _wrapped(f"{label:<12}", text)
    yield from ("", "What happened (UTC)")
    width = max((len(step.host) for step in story.steps), default=0)
    everyone = {recipient.address for recipient in story.recipients}
    for step in story.steps:
        yield from _step(step, width, everyone)
    yield from ("", "Recipients")
    for recipient in story.recipients or ():
        yield from _told(recipient)
    yield from [] if story.recipients else ["  unknown: no line that was read names one to whom SES has to deliver"]
    if story.gaps:
        yield from ("", "What is missing")
        for gap in story.gaps:
            yield from _wrapped("  ", gap)
    for verdict in story.verdicts:
        yield from ("", *_verdict(verdict))


def _step(step: Step, width: int, everyone: set[str]) -> Iterator[str]:
    some = step.recipients and set(step.recipients) != everyone
    about = f", for {_listed(step.recipients)}" if some else ""
    yield from _wrapped(f"  {clock(step.at)}  {step.host:<{width}}  ", f"{step.text}{about}  [{step.evidence}]")
    if step.said:
        yield from _wrapped(" " * (2 + len(clock(step.at)) + 2 + width + 2), f"| {step.said}")


def _told(recipient: Told) -> Iterator[str]:
    since = f" since {clock(recipient.at)}" if recipient.at else ""
    yield from _wrapped("  ", f"{recipient.address}: {recipient.outcome}{since}")
    if recipient.said:
        yield from _wrapped("      ", f"| {recipient.said}")


def _verdict(verdict: Judgement) -> Iterator[str]:
    whom = f" for {_listed(verdict.recipients)}" if verdict.recipients else ""
    yield from _wrapped("", f"Verdict{whom}")
    yield from _wrapped("  ", verdict.explanation)
    yield "What to do"
    yield from _wrapped("  ", verdict.next_step)


def _listed(recipients: tuple[str, ...]) -> str:
    shown = ", ".join(recipients[:3])
    return shown if len(recipients) <= 3 else f"{shown} and {len(recipients) - 3} more"  # noqa: PLR2004 as above


def _wrapped(lead: str, text: str) -> list[str]:
    """Lines that a terminal shows whole; ids and addresses are never cut, so that they can be copied."""
    return textwrap.wrap(
        text,
        WIDTH + len(lead) // 2,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [lead.rstrip()]
