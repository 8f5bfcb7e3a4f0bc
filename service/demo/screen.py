"""What the demo shows while it runs: steps, and a live view of the mails and gaps. A plain line now and then where the
output is no terminal.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from service.contract.enums import GapState
from service.demo import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.contract.gap import GapRecord
    from service.demo.findings import Findings
    from service.demo.sample import Story

WIDTH: Final = 110
"""Columns, where the terminal has more."""
PLAIN_EVERY: Final = 5.0
_LATEST: Final = 8


class Screen:
    """Writes to the standard output."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.console.width = min(self.console.width, WIDTH) if self.console.is_terminal else WIDTH
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._began

    def title(self) -> None:
        """Says what is to be seen."""
        self.console.print(
            "\n[bold]mailgap[/] finds the mails that went missing: sent and never accepted by Amazon SES,\n"
            "accepted and never delivered. No mail really leaves this machine.\n"
        )

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[dict[str, str]]:
        """One thing that takes a while; `done` is filled in with what the body puts into the mapping."""
        began, found = time.monotonic(), dict[str, str]()
        if self.console.is_terminal:
            with self.console.status(f"{doing} …", spinner_style="cyan"):
                yield found
        else:
            yield found
        self.check(done.format_map(found), time.monotonic() - began)

    def check(self, text: str, seconds: float) -> None:
        """Something is done."""
        line = Table.grid(expand=True)
        line.add_column()
        line.add_column(justify="right", style="dim")
        line.add_row(f" [green]✔[/] {escape(text)}", f"{seconds:.0f} s")
        self.console.print(line)

    @contextmanager
    def live(self, story: Story) -> Iterator[View]:
        """The view of a running story."""
        if self.console.is_terminal:
            with Live(console=self.console, transient=True, auto_refresh=False) as live:
                yield View(story, live)
        else:
            yield PlainView(story, self.console)


class View:
    """Draws the state of things again and again."""

    def __init__(self, story: Story, live: Live | None) -> None:
        self._starts = [mail.at for mail in story.mails]
        self._live, self._drawn = live, 0.0

    def draw(self, now: float, findings: Findings) -> None:
        """At most some times a second."""
        if self._live is not None and time.monotonic() - self._drawn > 1 / 8:
            self._drawn = time.monotonic()
            self._live.update(self._picture(now, findings), refresh=True)

    def sent(self, now: float) -> int:
        """Mails that the application has sent by now."""
        return bisect_right(self._starts, now)

    @property
    def total(self) -> int:
        """Mails in the story."""
        return len(self._starts)

    def _bar(self, number: int) -> ProgressBar:
        return ProgressBar(self.total, min(number, self.total), style="grey23", finished_style="green")

    def _picture(self, now: float, findings: Findings) -> Group:
        bars = Table.grid(padding=(0, 2))
        bars.add_column(width=22)
        bars.add_column(width=50)
        bars.add_column(justify="right", width=5)
        bars.add_row("mails sent", self._bar(self.sent(now)), str(self.sent(now)))
        bars.add_row("their fate is known", self._bar(findings.settled), str(findings.settled))
        gaps = Text(f"gaps found: {len(findings.gaps)}", style="bold yellow" if findings.gaps else "dim")
        closed = sum(gap.resolution is not None for gap in findings.gaps.values())
        gaps.append(
            f"   of these closed again: {closed}   unreadable records: {findings.dead.total()}", style="not bold dim"
        )
        latest = Table.grid(padding=(0, 2))
        latest.add_column(width=9)
        latest.add_column(width=24)
        for gap in islice(reversed(findings.news), _LATEST):
            latest.add_row(*_news(gap))
        blank = [Text()] * (_LATEST - min(len(findings.news), _LATEST))
        return Group(Text(), Padding(Group(bars, Text(), gaps, latest, *blank), (0, 1)))


class PlainView(View):
    """A line every few seconds."""

    def __init__(self, story: Story, console: Console) -> None:
        super().__init__(story, None)
        self._console, self._said = console, 0.0

    def draw(self, now: float, findings: Findings) -> None:
        """A line, if it is time for one."""
        if now - self._said < PLAIN_EVERY:
            return
        self._said = now
        self._console.print(
            f"   {self.sent(now):>4} of {self.total} mails sent; fate known of {findings.settled};"
            f" gaps found: {len(findings.gaps)}"
        )


def _news(gap: GapRecord) -> tuple[Text, Text, Text]:
    """A line of the latest news."""
    to = Text(gap.recipient or gap.mail_id.partition("@")[0], style="dim")
    if gap.state is GapState.OPENED:
        return Text("   gap", style="yellow"), Text(words.cause(gap.cause)), to
    how = words.resolution(gap.resolution) if gap.resolution else "closed"
    return Text("   closed", style="green"), Text(how), to
