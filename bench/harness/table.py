"""Write the table for people, in Markdown. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.harness.figures import Figure, Values

HEAD = (
    "| what | unit | ours | p95 | peer | its median | p95 | ratio | to reach | |",
    "|---|---|---:|---:|---|---:|---:|---:|---|---|",
)
MARKS = {True: "reached", False: "**not reached**", None: ""}


def table(figures: Iterable[Figure]) -> Iterator[str]:
    """Yield its lines. A ratio is how many times as good as the peer the portal is."""
    yield from HEAD
    for figure in figures:
        yield line(figure)


def line(figure: Figure) -> str:
    """Return a figure's line."""
    ratio = "" if figure.ratio is None else f"{short(figure.ratio)}×"
    cells = [figure.what, figure.unit, *_both(figure.our_values), figure.peer]
    cells += [*_both(figure.their_values), ratio, _target(figure), MARKS[figure.is_reached]]
    return f"| {' | '.join(cells)} |"


def short(value: float) -> str:
    """Return the number with three significant digits."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def _both(values: Values | None) -> tuple[str, str]:
    return ("", "") if values is None else (short(values.median), short(values.p95))


def _target(figure: Figure) -> str:
    target = figure.target
    if target is None:
        return ""
    if target.of == "ratio":
        return f"ratio ≥ {target.bound:g}"
    return f"{target.of} {'≥' if figure.more_is_better else '≤'} {target.bound:g} {figure.unit}"
