"""Draw charts as plain SVG: pure functions from numbers and labels to a piece of a page.

A chart is as wide as its container: horizontal positions are in percent, so that text keeps its
size on any screen. Colours and type come from the stylesheet (``charts.css``), by class only. All
input is escaped. The templates show a table with the same figures beside each chart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

HEIGHT, TOP, FOOT = 150, 12, 22
"""Heights in pixels: of the chart, of the space above its scale, and of the labels below it."""
LEFT, RIGHT = 10.0, 99.5
"""Where the drawing begins and ends, in percent; the numbers of the scale stand left of it."""


@dataclass(frozen=True)
class DataPoint:
    """One place on the horizontal axis.

    ``values`` are the parts of a column from the bottom up, or a single point, or empty where there
    is no figure. ``hint`` is the tooltip, ``label`` stands on the axis.
    """

    values: tuple[float, ...]
    hint: str
    label: str = ""


def scale_maximum(largest: float) -> float:
    """Return a round number not below ``largest`` that divides into two steps of the scale."""
    if largest <= 2:
        return 2
    size = 10.0 ** math.floor(math.log10(largest))
    return next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= largest)


def y_position(value: float, top: float) -> float:
    """Return how far from the top a value is, in pixels."""
    room = HEIGHT - TOP - FOOT
    return TOP + room * (1 - value / top)


def positions(places: Sequence[DataPoint]) -> Iterator[tuple[DataPoint, float, float]]:
    """Yield each place with its middle and its width, in percent."""
    width = (RIGHT - LEFT) / max(len(places), 1)
    for index, place in enumerate(places):
        yield place, LEFT + width * (index + 0.5), width


def chart_svg(
    key: str, title: str, summary: str, places: Sequence[DataPoint], top: float, content: SafeString
) -> SafeString:
    """Return the whole SVG: title, summary, scale and labels around the ``content``."""
    return format_html(
        '<svg class="chart" width="100%" height="{height}" role="img" focusable="false"'
        ' aria-labelledby="{key}-title {key}-summary">'
        '<title id="{key}-title">{title}</title><desc id="{key}-summary">{summary}</desc>'
        '<pattern id="{key}-hatch" width="5" height="5" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="hatch-ground" width="5" height="5"></rect>'
        '<rect class="hatch-stripe" width="2.5" height="5"></rect></pattern>'
        "{scale}{drawn}{labels}</svg>",
        height=HEIGHT, key=key, title=title, summary=summary,
        scale=_scale(top), drawn=content, labels=_labels(places),
    )  # fmt: skip


def _scale(top: float) -> SafeString:
    """Return the three horizontal lines: zero, half, all."""
    lines = [
        (LEFT, RIGHT, f"{y_position(value, top):.1f}", _short(value)) for value in (0, top / 2, top)
    ]
    return format_html_join(
        "",
        '<line class="gridline" x1="{0}%" y1="{2}" x2="{1}%" y2="{2}"></line>'
        '<text class="figure" x="0" y="{2}" dy="0.32em">{3}</text>',
        lines,
    )


def _short(value: float) -> str:
    """Return a round number in at most four characters, if it is below a million millions."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _labels(places: Sequence[DataPoint]) -> SafeString:
    marked = [
        (f"{middle:.2f}", HEIGHT - 5, "last" if place is places[-1] else "", place.label)
        for place, middle, _width in positions(places)
        if place.label
    ]
    return format_html_join("", '<text class="label {2}" x="{0}%" y="{1}">{3}</text>', marked)


__all__ = ["DataPoint", "column_chart", "gauge", "line_chart", "swatch"]

GAP = 0.22
"""Share of a column's place that stays empty."""


def column_chart(key: str, title: str, summary: str, places: Sequence[DataPoint]) -> SafeString:
    """Return a chart with a column for each place; ``key`` must be unique in the page.

    The second part of a column is hatched.
    """
    top = scale_maximum(max((sum(place.values) for place in places), default=0))
    drawn = [
        (_column(key, place, middle, width, top),)
        for place, middle, width in positions(places)
        if any(place.values)
    ]
    return chart_svg(key, title, summary, places, top, format_html_join("", "{}", drawn))


def line_chart(key: str, title: str, summary: str, places: Sequence[DataPoint]) -> SafeString:
    """Return a chart with a point for each place that has a figure, joined to the one before it."""
    top = scale_maximum(max((place.values[0] for place in places if place.values), default=0))
    points = [
        (middle, y_position(place.values[0], top), place.hint)
        for place, middle, _width in positions(places)
        if place.values
    ]
    pairs = pairwise(points)
    joined = [(f"{a[0]:.2f}", f"{a[1]:.1f}", f"{b[0]:.2f}", f"{b[1]:.1f}") for a, b in pairs]
    dots = [(f"{across:.2f}", f"{down:.1f}", hint) for across, down, hint in points]
    drawn = format_html(
        "{}{}",
        format_html_join(
            "", '<line class="curve" x1="{}%" y1="{}" x2="{}%" y2="{}"></line>', joined
        ),
        format_html_join(
            "", '<circle class="dot" cx="{}%" cy="{}" r="3.5"><title>{}</title></circle>', dots
        ),
    )
    return chart_svg(key, title, summary, places, top, drawn)


def gauge(used: float, total: float) -> SafeString:
    """Return a slim bar for ``used`` of ``total``; the figures stand beside it as text.

    More than the total fills the bar, in another colour.
    """
    share = min(used / total, 1) if total > 0 else float(used > 0)
    return format_html(
        '<svg class="gauge{}" width="100%" height="8" aria-hidden="true" focusable="false">'
        '<rect class="track" width="100%" height="8" rx="4"></rect>'
        '<rect class="used" width="{}%" height="8" rx="4"></rect></svg>',
        " over" if used > total else "",
        f"{share * 100:.1f}",
    )


def swatch(key: str, part: int) -> SafeString:
    """Return a legend's sample of a part of the chart ``key``."""
    return format_html(
        '<svg class="swatch" width="12" height="12" aria-hidden="true" focusable="false">'
        '<rect class="part-{}" width="12" height="12" rx="2" {}></rect></svg>',
        part,
        _fill(key, part),
    )


def _column(key: str, place: DataPoint, middle: float, width: float, top: float) -> SafeString:
    """Return one column: its parts stacked, with a tooltip for the whole place."""
    parts, below = [], 0.0
    for part, value in enumerate(place.values):
        low, high = y_position(below, top), y_position(below + value, top)
        below += value
        if value:
            left, broad = middle - width * (1 - GAP) / 2, width * (1 - GAP)
            sizes = (f"{left:.2f}", f"{high:.1f}", f"{broad:.2f}", f"{low - high:.1f}")
            parts.append((part, *sizes, _fill(key, part)))
    rectangle = '<rect class="part-{}" x="{}%" y="{}" width="{}%" height="{}" {}></rect>'
    drawn = format_html_join("", rectangle, parts)
    return format_html("<g>{}<title>{}</title></g>", drawn, place.hint)


def _fill(key: str, part: int) -> SafeString:
    return format_html('fill="url(#{}-hatch)"', key) if part else SafeString("")
