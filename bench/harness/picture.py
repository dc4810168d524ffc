"""Draw how cost grows with the work, as an SVG picture. Pure functions.

Across: 1, 10 and 100 times the work. Upwards: the cost of one piece of it, compared with the cost
at 1. A horizontal line means that cost grows in proportion to the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, FOOT = 60, 300, 30, 45
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7b2d8b", "#b08900", "#444444")
LOWEST, HIGHEST = 0.01, 100.0


@dataclass(frozen=True)
class Growth:
    """A curve: ``points`` are pairs of work and the cost of one piece of it, in ``unit``."""

    name: str
    unit: str
    points: Sequence[tuple[float, float]]

    def compared(self) -> list[tuple[float, float]]:
        """Return work and cost of each point as multiples of the first one's."""
        work, cost = self.points[0]
        return [(each / work, value / cost if cost else 1.0) for each, value in self.points]


def picture(title: str, grown: Sequence[Growth]) -> str:
    """Return the SVG."""
    parts = [*_frame(title), *(part for n, each in enumerate(grown) for part in _drawn(n, each))]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    style = 'font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style} role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>"]) + "\n"


def across(times: float) -> float:
    """Return the x coordinate: 1 is at the left end, 100 at the right one."""
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(max(times, 1)) / 2


def up(times: float) -> float:
    """Return the y coordinate on a logarithmic scale; values beyond the picture are at its edge."""
    share = math.log(min(max(times, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return HEIGHT - FOOT - (HEIGHT - TOP - FOOT) * share


def _frame(title: str) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>'
    for times in (0.01, 0.1, 1.0, 10.0, 100.0):
        at, shade = up(times), "#999999" if times == 1 else "#dddddd"
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"'
        yield f'<line {ends} stroke="{shade}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{times:g}×</text>'
    for times in (1, 10, 100):
        at, foot = across(times), HEIGHT - FOOT + 20
        yield f'<text x="{at:.1f}" y="{foot}" text-anchor="middle">{times}× the work</text>'


def _drawn(number: int, growth: Growth) -> Iterator[str]:
    colour, points = COLOURS[number % len(COLOURS)], growth.compared()
    line = " ".join(f"{across(times):.1f},{up(cost):.1f}" for times, cost in points)
    yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for times, cost in points:
        yield f'<circle cx="{across(times):.1f}" cy="{up(cost):.1f}" r="3.5" fill="{colour}"/>'
    at, words = TOP + 20 + number * 40, escape(growth.name)
    first, last = growth.points[0][1], growth.points[-1][1]
    figures = escape(f"{first:.3g} → {last:.3g} {growth.unit}")
    left = WIDTH - RIGHT + 20
    yield f'<text x="{left}" y="{at}" fill="{colour}">{words}</text>'
    yield f'<text x="{left}" y="{at + 16}" fill="#666666" font-size="11">{figures}</text>'
