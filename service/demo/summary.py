"""The demo's last screen: what became of the mails, which gaps there are, what to do, and whether all that is true."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from service.contract.enums import GapKind
from service.contract.wire import instant_of
from service.demo import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from service.contract.gap import GapRecord
    from service.demo.findings import Comparison, Findings

_BAR: Final = 36
_DIFFERENCES: Final = 10
_KIND_ORDER: Final = (GapKind.SENT_NO_SES_ID, GapKind.ACCEPTED_NOT_DELIVERED, GapKind.UNLOGGED_SEND)


def show(console: Console, findings: Findings, compared: Comparison) -> None:
    """All but how to look further."""
    _heading(console, "What became of them", "by recipient")
    console.print(_outcomes(findings))
    hidden = any(gap.recipient and gap.recipient.startswith("p-") for gap in findings.gaps.values())
    remark = "one mail of each kind; p-… stands for an address" if hidden else "one mail of each kind"
    _heading(console, f"{len(findings.gaps)} gaps that no single log line shows", remark)
    for group in _groups(findings.gaps.values()):
        console.print(_group(findings, group))
    _verdict(console, compared)


def _heading(console: Console, text: str, remark: str) -> None:
    console.print(f"\n[bold]{text}[/]  [dim]{remark}[/]")


def _outcomes(findings: Findings) -> Table:
    counts = findings.outcomes()
    most = max(counts.values(), default=1)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", width=6)
    table.add_column(width=34)
    table.add_column()
    for name, text in words.OUTCOMES.items():
        if counts[name]:
            missing = name in words.MISSING
            style = "yellow" if missing else "green" if name == "delivered" else "default"
            bar = Text(_bar(counts[name] / most), style=style)
            table.add_row(str(counts[name]), Text(text), bar.append("  gap" if missing else ""))
    if findings.dead:
        table.add_row(
            str(findings.dead.total()), Text("unreadable records, kept untouched", style="dim"), "", style="dim"
        )
    return table


def _bar(share: float) -> str:
    """Blocks, to an eighth of one."""
    whole, eighths = divmod(max(round(share * _BAR * 8), 1), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths].strip()


def _groups(gaps: Iterable[GapRecord]) -> list[list[GapRecord]]:
    """By kind and cause; within one, the open gaps first."""

    def kind(gap: GapRecord) -> tuple[int, int, str]:
        return _KIND_ORDER.index(gap.kind), words.place(gap.cause), gap.cause

    ordered = sorted(gaps, key=lambda gap: (kind(gap), gap.resolution is not None, gap.opened_at))
    return [list(group) for _, group in groupby(ordered, kind)]


def _group(findings: Findings, gaps: list[GapRecord]) -> Padding:
    first = gaps[0]
    heading = Table.grid(padding=(0, 2))
    heading.add_row(
        Text(f"{len(gaps):>2}  {words.cause(first.cause)}", style="bold yellow"),
        Text(words.KINDS[first.kind], style="dim"),
    )
    said = Table.grid(padding=(0, 1))
    said.add_column(width=5, style="dim")
    said.add_column()
    mail = first.recipient or first.mail_id.partition("@")[0]
    said.add_row("mail", Text(mail).append(_times(findings, gaps), style="dim"))
    said.add_row("why", Text(words.first_sentence(first.explanation)))
    said.add_row("next", Text(words.first_sentence(first.next_step)))
    return Padding(Group(heading, Padding(said, (0, 0, 0, 4))), (0, 0, 0, 2))


def _times(findings: Findings, gaps: list[GapRecord]) -> str:
    """How soon the gaps were found, and how those that closed did."""
    found = [findings.found_after[gap.gap_id] for gap in gaps if gap.gap_id in findings.found_after]
    parts = [f"found within {max(found):.1f} s" if found else ""]
    closed = sorted((gap for gap in gaps if gap.resolution), key=lambda gap: str(gap.resolution))
    for how, ones in groupby(closed, lambda gap: gap.resolution):
        if how is not None:
            each = list(ones)
            parts.append(f"{len(each)} closed after {max(map(_open_for, each)):.1f} s, {words.resolution(how)}")
    return "".join(f"  · {part}" for part in parts if part)


def _open_for(gap: GapRecord) -> float:
    return (instant_of(gap.resolved_at or gap.opened_at) - instant_of(gap.opened_at)) / 1000


def _verdict(console: Console, compared: Comparison) -> None:
    mark = "[bold green]✔[/]" if compared.equal else "[bold red]✘[/]"
    console.print(
        f"\n {mark} The application knows what it really did: [bold]{compared.found} of {compared.due} gaps found,"
        f" {compared.false} false[/]; {compared.right} of {compared.mails} mails right."
    )
    for difference in compared.differences[:_DIFFERENCES]:
        console.print(f"   [red]{escape(difference)}[/]")


def further(console: Console, rows: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    """How to look further: what for, and what to type or read. Never wrapped, so that it can be copied."""
    console.print("\n[bold]Look further[/]")
    for what, lines in rows:
        for number, line in enumerate(lines):
            label = Text(f"  {'' if number else what:<24}", style="dim")
            console.print(label.append(line, style="not dim"), soft_wrap=True)
    console.print()
