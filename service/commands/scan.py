"""`mailgap scan`: what became of the mails in these files."""

from __future__ import annotations

import gc
import re
import shutil
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.commands.common import Failure, ManyPaths, printable, why
from service.contract.wire import timestamp
from service.edges.crew import Crew, CrewError, alone, cores
from service.edges.gather import Gathered, Reject, Tally
from service.edges.inputs import InputError, Raw, files, shown
from service.edges.large import Found, parts_for, scan_large
from service.edges.large_judging import Shape
from service.edges.large_reading import Inputs, file_of, tasks
from service.edges.report import write_report
from service.edges.scan import Scan, Summary
from service.edges.shapes import COLUMNS, SHAPES, read_cells
from service.facts import Instant, Source, Unparsable
from service.intake import smtp_context
from service.parsing.instants import instant
from service.policy import advice
from service.settings import SettingsError, read_policy, read_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    from service.edges.archive import Archive
    from service.policy import Policy
    from service.privacy import Pseudonyms

GAP_OPEN = 3
TERMINATED = 128 + signal.SIGTERM
LARGE = 24 << 20
"""Bytes of input from which on it is worth to start processes, and to keep on disk what was read."""
PLAIN_WIDTH = 200
RARELY = (100_000, 50, 1000)
"""How often Python looks for cycles of garbage. There are none in facts and trails, and to walk over those of a large
file again and again takes a sixth of the time."""


@click.command(cls=ManyPaths)
@click.option("--smtp", multiple=True, metavar="PATH...", help="Mail logs: files, folders, or -.")
@click.option("--ses", multiple=True, metavar="PATH...", help="SES events: files, folders, or -.")
@click.option("--as-of", metavar="TIME", help="RFC 3339; both have spoken until then. [default: their last word]")
@click.option("--policy", "policy_file", metavar="FILE", help="Streams and deadlines (YAML).")
@click.option("--format", "form", type=click.Choice(["table", "jsonl", "html"]), default="table", show_default=True)
@click.option("--only", type=click.Choice(["gaps"]), help="Only mails with a gap.")
@click.option("--fail-on-gap", is_flag=True, help="Exit 3 when any gap is open.")
@click.option("--rejects", metavar="FILE", help="Where to put what cannot be parsed, untouched.")
@click.option("--timezone", metavar="ZONE", help="Zone of log stamps without one. [default: as the SES ids show]")
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes that read large files. [default: one a core]")
def scan(
    smtp: tuple[str, ...],
    ses: tuple[str, ...],
    as_of: str | None,
    policy_file: str | None,
    form: str,
    only: str | None,
    rejects: str | None,
    timezone: str | None,
    *,
    jobs: int | None,
    fail_on_gap: bool,
) -> None:
    """Joins mail logs with SES events, in files, and says what became of each mail.

    PATHs may be plain, gzip or zstd; JSON lines, pretty-printed or concatenated. The summary goes to standard error.
    """
    began = time.perf_counter()
    gc.set_threshold(*RARELY)
    sought = _sought(smtp, ses, as_of, policy_file, timezone)
    with _rejects(rejects, (*smtp, *ses)) as put, ExitStack() as stack:
        found = _found(sought, _How(form, only is not None, jobs or cores(), rejects is not None), put, stack)
        _WRITERS[form](found.shown)
    _summarize(found.tally, found.summary, time.perf_counter() - began)
    if fail_on_gap and found.summary.open_gaps:
        sys.exit(GAP_OPEN)


class _Sought(NamedTuple):
    """What to read, and by which policy; zone and time as they were given."""

    smtp: tuple[str, ...]
    ses: tuple[str, ...]
    until: Instant | None
    policy: Policy
    zone: ZoneInfo | None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those of which there is something to read."""
        return tuple(source for source, given in ((Source.SMTP, self.smtp), (Source.SES, self.ses)) if given)

    @property
    def link(self) -> bool:
        """What stands under a Message-ID is wanted."""
        return bool(self.smtp and self.ses) and self.policy.message_id_join


class _How(NamedTuple):
    """In which form to show which mails, by how many processes; `rejects`: somebody wants to see those, too."""

    form: str
    only_gaps: bool
    jobs: int
    rejects: bool


def _sought(
    smtp: tuple[str, ...], ses: tuple[str, ...], as_of: str | None, policy_file: str | None, timezone: str | None
) -> _Sought:
    if not smtp and not ses:
        raise click.UsageError("nothing to read: give --smtp PATH, --ses PATH or both (- is standard input)")
    if "-" in smtp and "-" in ses:
        raise click.UsageError("standard input can be the mail log or the events, not both: give one as a file")
    return _Sought(smtp, ses, _instant(as_of), _policy(policy_file), _zone(timezone))


def _found(sought: _Sought, how: _How, rejects: _Rejects, stack: ExitStack) -> Found:
    """Reads and judges: large files on disk, by processes that end with the stack; small ones in memory, here."""
    try:
        every = [
            (source, [file_of(path, _modified(path)) for path in files(paths) if path != "-"])
            for source, paths in ((Source.SMTP, sought.smtp), (Source.SES, sought.ses))
        ]
        size = sum(file.size for _, some in every for file in some)
        if size < LARGE or "-" in (*sought.smtp, *sought.ses):
            return _found_here(sought, how, rejects)
        inputs = Inputs(
            int(time.time() * 1000),
            sought.until,
            sought.policy,
            sought.zone,
            sought.link,
            stack.enter_context(TemporaryDirectory(prefix="mailgap-scan-")),
            parts_for(size),
            how.rejects,
        )
        _end_in_order(stack)
        each = alone if how.jobs == 1 else stack.enter_context(Crew(how.jobs)).each
        shape = Shape(how.form, how.only_gaps)
        return scan_large(inputs, tasks(every), sought.sources, shape, each, rejects.append)
    except (InputError, CrewError) as error:
        raise Failure(str(error)) from error


def _found_here(sought: _Sought, how: _How, rejects: _Rejects) -> Found:
    run, tally = _judged(sought, rejects.put)
    shape = SHAPES[how.form]
    shown = (shape(run.document(judged)) for judged in run.judged() if judged.book.gaps or not how.only_gaps)
    return Found(shown, run.summary, tally)


def _end_in_order(stack: ExitStack) -> None:
    """Told to end, it takes away what stands on disk: it holds addresses."""
    stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED)))


def judge_files(
    smtp: tuple[str, ...],
    ses: tuple[str, ...],
    as_of: str | None,
    policy_file: str | None,
    timezone: str | None,
    reject: Reject,
    *,
    hide: Pseudonyms | None = None,
    archive: Archive | None = None,
) -> tuple[Scan, Tally]:
    """Reads the files and gets ready to judge; what is wrong with the arguments or the files is said in a sentence."""
    try:
        return _judged(_sought(smtp, ses, as_of, policy_file, timezone), reject, hide, archive)
    except InputError as error:
        raise Failure(str(error)) from error


def _judged(
    sought: _Sought, reject: Reject, hide: Pseudonyms | None = None, archive: Archive | None = None
) -> tuple[Scan, Tally]:
    context = smtp_context(sought.policy, sought.zone)
    gathered = Gathered(int(time.time() * 1000), sought.until, context, reject, link=sought.link, hide=hide)
    _read(gathered, sought.smtp, sought.ses, sought.until)
    return Scan(gathered, sought.policy, sought.sources, sought.until, archive), gathered.tally


def _policy(path: str | None) -> Policy:
    try:
        policy = read_policy(path)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    for sentence in advice(policy):
        click.echo(f"Warning: {path}: {sentence}", err=True)
    return policy


def _instant(text: str | None) -> Instant | None:
    if text is None:
        return None
    value = instant(text)
    if value is None:
        raise click.UsageError(f"--as-of {text!r} is no time; write RFC 3339, like 2026-11-24T09:00:00Z")
    if not _ZONED(text):  # to take the clock on the wall for UTC would open gaps hours early, or late
        raise click.UsageError(f"--as-of {text!r} has no zone; end it with Z for UTC, or with an offset like +02:00")
    return value


_ZONED = re.compile(r"(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)\s*$").search


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else read_zone(name)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


class _Rejects(NamedTuple):
    """Where rejects go: one by one, or a file of them at a time."""

    put: Reject
    append: Callable[[str], None]


@contextmanager
def _rejects(path: str | None, inputs: Iterable[str]) -> Iterator[_Rejects]:
    """Keeps what could not be parsed: the bytes untouched, one record a line. The reasons go to the summary."""
    if path is None:
        yield _Rejects(lambda *_: None, lambda _: None)
        return
    _spare(path, inputs)
    try:
        file = Path(path).open("wb")  # noqa: SIM115 closed below
    except (OSError, ValueError) as error:
        raise Failure(f"{shown(path) or repr(path)}: cannot be written: {why(error)}") from error

    def put(_path: str, raw: Raw, _why: Unparsable) -> None:
        try:
            file.write(raw.data if raw.data.endswith(b"\n") else raw.data + b"\n")
        except OSError as error:
            raise Failure(f"{shown(path)}: cannot be written: {why(error)}") from error

    def append(more: str) -> None:
        try:
            with Path(more).open("rb") as rest:
                shutil.copyfileobj(rest, file)
        except OSError as error:
            raise Failure(f"{shown(path)}: cannot be written: {why(error)}") from error

    try:
        yield _Rejects(put, append)
    finally:
        try:
            file.close()
        except OSError as error:
            raise Failure(f"{shown(path)}: cannot be written: {why(error)}") from error


def _spare(path: str, inputs: Iterable[str]) -> None:
    """To write the rejects over what is to be read would lose it."""
    if not Path(path).exists():
        return
    for each in _or_fail(inputs):
        if each != "-" and Path(each).samefile(path) and Path(each).is_file():
            raise click.UsageError(f"--rejects {shown(path)}: is one of the files to read; give another name")


def _or_fail(paths: Iterable[str]) -> list[str]:
    try:
        return files(paths)
    except InputError as error:
        raise Failure(str(error)) from error


def _read(gathered: Gathered, smtp: Iterable[str], ses: Iterable[str], until: Instant | None) -> None:
    for path in files(smtp):
        modified = _modified(path)
        gathered.read_smtp(path, modified if until is None else until, max(modified, until or 0))
    for path in files(ses):
        gathered.read_ses(path)


def _modified(path: str) -> Instant:
    """When the file was last written: the nearest thing to a year that a log of RFC 3164 lines has."""
    try:
        return int((time.time() if path == "-" else Path(path).stat().st_mtime) * 1000)
    except OSError as error:
        raise InputError(f"{shown(path)}: {error.strerror}") from error


def _write_lines(texts: Iterable[bytes]) -> None:
    out = sys.stdout.buffer
    for text in texts:
        out.write(text + b"\n")
    out.flush()


def _write_page(rows: Iterable[bytes]) -> None:
    write_report(sys.stdout.buffer, rows)


def _write_table(rows: Iterable[bytes]) -> None:
    """One line a mail. Text of mails is shown as text: control characters and markup do nothing."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, overflow="fold" if column in {"mail", "next step"} else "ellipsis")
    for each in rows:
        table.add_row(*(Text(printable(cell)) for cell in read_cells(each)))
    console.print(table)


_WRITERS: Final = {"jsonl": _write_lines, "html": _write_page, "table": _write_table}


def _summarize(tally: Tally, summary: Summary, seconds: float) -> None:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(counts.items(), key=lambda i: (-i[1], i[0])))

    read = sum(tally.records.values())
    records = listed({f"{source} records": count for source, count in tally.records.items()})
    why = listed({reason.value: count for reason, count in tally.rejected.items()})
    lines = [
        f"read      {records or 'nothing'} in {seconds:.1f} s ({read / max(seconds, 0.001):,.0f} a second)",
        f"          {tally.ignored} say nothing about a mail, {tally.left_out} are later than --as-of",
        f"mails     {summary.mails}: {listed(dict(summary.outcomes)) or 'none'}",
        f"gaps      {sum(summary.open_gaps.values())} open",
        *(f"          {count} {kind}: {cause}" for (kind, cause), count in sorted(summary.open_gaps.items())),
        f"          {summary.resolved_gaps} opened and resolved",
        f"rejected  {sum(tally.rejected.values())}{why and f': {why}'}",
    ]
    if summary.held:
        lines.append(f"held      {summary.held} mails: their source has gone quiet for many at once")
    if summary.failures:
        lines.append(f"failed    {len(summary.failures)} (a bug in mailgap, please report it): {summary.failures[0]}")
    spoken = ", ".join(f"{source} until {timestamp(at)}" for source, at in tally.latest.items())
    lines.append(f"spoken    {spoken or 'nobody'}")
    click.echo("\n".join(lines), err=True)
