"""The frame of a chart: its scale, its words, and where things are in it. `charts` draws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

HEIGHT, TOP, FOOT = 150, 12, 22
"""Of a chart, of the air above its scale and of the words below it, in pixels."""
LEFT, RIGHT = 10.0, 99.5
"""Where the drawing begins and ends, in percent; left of it are the words of the scale."""


@dataclass(frozen=True)
class Place:
    """One place on the axis. ``values``: the parts of a column, from below; or one point, or
    none where there is no figure. ``hint`` is shown under the mouse, ``label`` on the axis."""

    values: tuple[float, ...]
    hint: str
    label: str = ""


def top_of(most: float) -> float:
    """A round number not below ``most``, that two steps reach from nothing."""
    if most <= 2:
        return 2
    size = 10.0 ** math.floor(math.log10(most))
    return next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= most)


def height(value: float, top: float) -> float:
    """How far down a value is."""
    room = HEIGHT - TOP - FOOT
    return TOP + room * (1 - value / top)


def placed(places: Sequence[Place]) -> Iterator[tuple[Place, float, float]]:
    """Each with its middle and the width of its place, in percent."""
    width = (RIGHT - LEFT) / max(len(places), 1)
    for index, place in enumerate(places):
        yield place, LEFT + width * (index + 0.5), width


def framed(
    key: str, title: str, summary: str, places: Sequence[Place], top: float, drawn: SafeString
) -> SafeString:
    return format_html(
        '<svg class="chart" width="100%" height="{height}" role="img" focusable="false"'
        ' aria-labelledby="{key}-title {key}-summary">'
        '<title id="{key}-title">{title}</title><desc id="{key}-summary">{summary}</desc>'
        '<pattern id="{key}-hatch" width="5" height="5" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="ground" width="5" height="5"></rect>'
        '<rect class="stripe" width="2.5" height="5"></rect></pattern>'
        "{scale}{drawn}{labels}</svg>",
        height=HEIGHT, key=key, title=title, summary=summary,
        scale=_scale(top), drawn=drawn, labels=_labels(places),
    )  # fmt: skip


def _scale(top: float) -> SafeString:
    """Three lines across: nothing, half, all."""
    lines = [
        (LEFT, RIGHT, f"{height(value, top):.1f}", _short(value)) for value in (0, top / 2, top)
    ]
    return format_html_join(
        "",
        '<line class="rule" x1="{0}%" y1="{2}" x2="{1}%" y2="{2}"></line>'
        '<text class="figure" x="0" y="{2}" dy="0.32em">{3}</text>',
        lines,
    )


def _short(value: float) -> str:
    """A round number in at most four characters, as long as it is below a million millions."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _labels(places: Sequence[Place]) -> SafeString:
    marked = [
        (f"{middle:.2f}", HEIGHT - 5, "last" if place is places[-1] else "", place.label)
        for place, middle, _width in placed(places)
        if place.label
    ]
    return format_html_join("", '<text class="label {2}" x="{0}%" y="{1}">{3}</text>', marked)
