"""Small charts as SVG: drawn here, since the page loads nothing from anywhere and needs no script to be read.

Each has a title that says in words what it shows, for those who do not see it. Colours are the style sheet's classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup

from service.edges.report import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH: Final = 640
HEIGHT: Final = 96
_GAP: Final = 1


class Bar(NamedTuple):
    """One span of time: its label, and numbers that are stacked from the bottom, each with its class."""

    label: str
    parts: tuple[tuple[str, int], ...]


def bars(title: str, columns: Sequence[Bar]) -> Markup:
    """A stack for every span, all to the scale of the highest; below it, from when to when, and how much that is."""
    highest = max((sum(number for _, number in column.parts) for column in columns), default=0)
    width = WIDTH / max(len(columns), 1)
    drawn = "".join(_stack(column, place * width, width, highest) for place, column in enumerate(columns))
    axis = f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}"/>'
    ends = [escape(column.label) for column in (columns[0], columns[-1])] if columns else ["", ""]
    return Markup(  # noqa: S704 what is not ours is escaped
        f'<figure><svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT + 1}" preserveAspectRatio="none"'
        f' aria-label="{escape(title)}">{drawn}{axis}</svg>'
        f"<figcaption><span>{ends[0]}</span> <span>highest {highest:,}</span> <span>{ends[1]}</span></figcaption>"
        "</figure>"
    )


def _stack(column: Bar, left: float, width: float, highest: int) -> str:
    said = ", ".join(f"{number:,} {kind}" for kind, number in column.parts)
    return f"<g><title>{escape(column.label)}: {said}</title>{''.join(_boxes(column, left, width, highest))}</g>"


def _boxes(column: Bar, left: float, width: float, highest: int) -> Iterable[str]:
    top = float(HEIGHT)
    for kind, number in column.parts:
        if number:
            height = max(1.0, HEIGHT * number / highest)  # one lost mail among a million is a line, too
            top -= height
            inner = max(width - _GAP, 0.5)
            yield f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{inner:.1f}" height="{height:.1f}"/>'
