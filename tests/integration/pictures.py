"""Draws a dashboard from what a Prometheus answered, as SVG: our own plot of its queries, and not Grafana's rendering.

It shows that the panels have data and what they tell. `MAILGAP_PICTURES=<folder>` has `test_prometheus.py` write them.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

X, Y = 50, 30
"""Pixels of a unit of Grafana's grid."""
HEAD = 60
COLOURS = ("#3274d9", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#b7872b", "#1f9e9e", "#6b6b6b")
_TEXT = {
    "": 'font-size="12" fill="#222"',
    "t": 'font-size="12" font-weight="bold" fill="#222"',
    "s": 'font-size="10" fill="#777"',
    "b": 'font-size="26" fill="#222"',
}
SAYS = "mailgap's own plot of this dashboard's queries, answered by a real Prometheus over `mailgap demo`. Not Grafana."


class Line(NamedTuple):
    """One series: its legend, and its points as (seconds, value)."""

    legend: str
    points: list[tuple[float, float]]


def draw(board: dict[str, Any], answer: Callable[[str], list[Line]]) -> str:
    """The board as SVG; `answer(expr, legend)` gives a query's lines."""
    height = HEAD + Y * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    size = f'viewBox="0 0 {24 * X} {height}" width="{24 * X}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="#f4f5f5"/>',
        _text(12, 24, board["title"], "t"),
        _text(12, 44, SAYS, "s"),
    ]
    for panel in board["panels"]:
        parts += _panel(panel, answer)
    return "\n".join([*parts, "</svg>\n"])


def _text(x: float, y: float, said: str, how: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {_TEXT[how]}>{escape(said)}</text>'


def _panel(panel: dict[str, Any], answer: Any) -> Iterator[str]:
    at = panel["gridPos"]
    x, y, w, h = at["x"] * X, HEAD + at["y"] * Y, at["w"] * X, at["h"] * Y
    if panel["type"] == "row":
        yield _text(x + 8, y + 20, panel["title"], "t")
        return
    yield f'<rect x="{x + 3}" y="{y + 3}" width="{w - 6}" height="{h - 6}" rx="3" fill="#fff" stroke="#ccc"/>'
    yield _text(x + 12, y + 20, panel["title"], "t")
    lines = [line for target in panel["targets"] for line in answer(target["expr"], target["legendFormat"])]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if not lines:
        yield _text(x + w / 2 - 25, y + h / 2 + 6, "No data", "s")
    elif panel["type"] == "timeseries":
        yield from _graph(lines, unit, x + 60, y + 32, w - 75, h - 60)
    elif panel["type"] == "stat":
        yield from _numbers(lines, unit, x + 12, y + 44, w)
    else:
        yield from _bars(lines, unit, x + 12, y + 44, w, h)


def _numbers(lines: list[Line], unit: str, x: int, y: int, w: int) -> Iterator[str]:
    each = w / len(lines)
    for number, line in enumerate(lines):
        yield _text(x + each * number, y + 30, shown(line.points[-1][1], unit), "b" if each > 60 else "")
        yield _text(x + each * number, y + 50, line.legend[: int(each // 6)], "s")


def _bars(lines: list[Line], unit: str, x: int, y: int, w: int, h: int) -> Iterator[str]:
    last = sorted(((line.points[-1][1], line.legend) for line in lines), reverse=True)
    for number, (value, legend) in enumerate(last[: (h - 50) // 16]):
        at, width = y + 16 * number, max((w - 400) * value / (last[0][0] or 1), 0)
        yield f'<rect x="{x + 300}" y="{at - 9}" width="{width:.0f}" height="11" fill="{COLOURS[0]}"/>'
        yield _text(x, at, legend[:60], "s")
        yield _text(x + 306 + width, at, shown(value, unit))


def _graph(lines: list[Line], unit: str, x: int, y: int, w: int, h: int) -> Iterator[str]:
    points = [point for line in lines for point in line.points]
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    low, high = min(0.0, *(v for _, v in points)), max(v for _, v in points)
    across, up = max(last - first, 1e-9), (high - low) or 1
    for share in (0, 0.5, 1):
        at = y + h * (1 - share)
        yield f'<line x1="{x}" x2="{x + w}" y1="{at:.0f}" y2="{at:.0f}" stroke="#e5e5e5"/>'
        yield _text(x - 50, at + 4, shown(low + up * share, unit), "s")
    for number, line in enumerate(lines):
        path = " ".join(
            f"{'L' if i else 'M'}{x + w * (at - first) / across:.1f},{y + h * (1 - (v - low) / up):.1f}"
            for i, (at, v) in enumerate(line.points)
        )
        yield f'<path d="{path}" fill="none" stroke-width="1.5" stroke="{COLOURS[number % len(COLOURS)]}"/>'
    yield from _legend(lines, x - 48, y + h + 20, w)


def _legend(lines: list[Line], x: int, y: int, w: int) -> Iterator[str]:
    at = x
    for number, line in enumerate(lines):
        wide = 6 * len(line.legend) + 12
        if at + wide > x + w + 60:
            yield _text(at, y, "…", "s")
            return
        colour = COLOURS[number % len(COLOURS)]
        yield f'<text x="{at}" y="{y}" font-size="10" fill="{colour}">{escape(line.legend)}</text>'
        at += wide


def shown(value: float, unit: str) -> str:
    """A value as a person reads it."""
    if unit == "percentunit":
        return f"{100 * value:.2f} %"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "s":
        return f"{value:.0f} s" if value >= 10 else f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"
    number = f"{value:.0f}" if math.isclose(value, round(value), abs_tol=0.005) else f"{value:.2f}"
    return f"{number}/s" if unit == "cps" else number
