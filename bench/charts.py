"""Pictures of benchmarks as SVG: lines over a growing size, and stacked bars.

Plain shapes for light and dark pages. Axes begin at zero, so that nothing looks larger than it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 64, 52
BAR_HEIGHT, BAR_GAP, NAMES_WIDTH = 22, 10, 120
GRID_LINES = 4
THOUSAND, MILLION = 1_000, 1_000_000

STYLE = """\
text{font-size:12px;fill:#4b544f}.title{font-size:14px;font-weight:650;fill:#1d2320}.grid{stroke:#d8deda}
.a{stroke:#0b7a5e;fill:#0b7a5e}.b{stroke:#b4632a;fill:#b4632a}.c{stroke:#4a62a8;fill:#4a62a8}.line{fill:none;stroke-width:2.2}
.on{fill:#fff;stroke:none}
@media (prefers-color-scheme: dark){text{fill:#9aa59f}.title{fill:#e6ebe7}.grid{stroke:#343c38}\
.a{stroke:#4cc9a0;fill:#4cc9a0}.b{stroke:#e59a66;fill:#e59a66}.c{stroke:#8ea4e8;fill:#8ea4e8}.on{fill:#14271f}}"""
COLOURS = "abc"


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis and its label; a `logarithmic` one must not have zero on it."""

    label: str
    logarithmic: bool = False


Points = Sequence[tuple[float, float]]
Scale = Callable[[float], float]


def lines(title: str, x: Axis, y: Axis, series: Mapping[str, Points]) -> str:
    """Draw named series of (x, y) points."""
    every = [point for points in series.values() for point in points]
    across = _scale([px for px, _ in every], x, LEFT, WIDTH - RIGHT)
    most = _rounded_up(max(py for _, py in every))
    parts = [*_grid(most, y), *_ticks(sorted({px for px, _ in every}), across), _x_label(x)]
    for colour, (name, points) in zip(COLOURS, series.items(), strict=False):
        parts += _line([(across(px), _height(py, most)) for px, py in points], colour)
        parts.append(_legend(name, colour, COLOURS.index(colour)))
    return _page(title, parts, HEIGHT)


def stacks(title: str, unit: str, bars: Mapping[str, Mapping[str, float]]) -> str:
    """Draw a horizontal bar for each name, made of named parts that add up."""
    most = max(sum(parts.values()) for parts in bars.values())
    names = list(dict.fromkeys(part for parts in bars.values() for part in parts))
    drawn = [_legend(name, COLOURS[i], i) for i, name in enumerate(names)]
    for row, (name, parts) in enumerate(bars.items()):
        drawn += _stack(name, parts, names, most=most, y=TOP - 14 + row * (BAR_HEIGHT + BAR_GAP), unit=unit)
    return _page(title, drawn, TOP - 6 + len(bars) * (BAR_HEIGHT + BAR_GAP))


def _scale(values: Sequence[float], axis: Axis, start: float, end: float) -> Scale:
    place = math.log10 if axis.logarithmic else float
    low, high = place(min(values)) if axis.logarithmic else 0.0, place(max(values))
    return lambda value: start + (end - start) * (place(value) - low) / ((high - low) or 1)


def _height(value: float, most: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most


def _rounded_up(value: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(value or 1))
    return next(step * magnitude for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * magnitude >= value)


def _grid(most: float, axis: Axis) -> Iterator[str]:
    for step in range(GRID_LINES + 1):
        value = most * step / GRID_LINES
        at = _height(value, most)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_short(value)}</text>'
    yield f'<text x="{LEFT - 8}" y="{TOP - 14}" text-anchor="end">{axis.label}</text>'


def _ticks(values: Sequence[float], across: Scale) -> Iterator[str]:
    for value in values:
        yield f'<text x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(value)}</text>'


def _x_label(axis: Axis) -> str:
    return f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{axis.label}</text>'


def _line(points: Points, colour: str) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline class="line {colour}" style="fill:none" points="{path}"/>'
    for x, y in points:
        yield f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'


def _legend(name: str, colour: str, place: int) -> str:
    x = WIDTH - RIGHT - 96 * (place + 1)
    return f'<rect class="{colour}" x="{x}" y="14" width="10" height="10"/><text x="{x + 15}" y="23">{name}</text>'


def _stack(
    name: str, parts: Mapping[str, float], names: Sequence[str], *, most: float, y: float, unit: str
) -> Iterator[str]:
    yield f'<text x="{NAMES_WIDTH - 8}" y="{y + 15}" text-anchor="end">{name}</text>'
    x, room = float(NAMES_WIDTH), WIDTH - RIGHT - NAMES_WIDTH - 60
    for part, value in parts.items():
        width = room * value / most
        yield f'<rect class="{COLOURS[names.index(part)]}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}"/>'
        x += width
    yield f'<text x="{x + 8:.1f}" y="{y + 15}">{sum(parts.values()):.0f} {unit}</text>'


def _short(value: float) -> str:
    for size, letter in ((MILLION, "M"), (THOUSAND, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _page(title: str, parts: Sequence[str], height: float) -> str:
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="ui-sans-serif, '
        f'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img" aria-label="{title}">'
    )
    head = f'<text class="title" x="16" y="24">{title}</text>'
    return "\n".join([root, f"<style>\n{STYLE}\n</style>", head, *parts, "</svg>\n"])
