"""Decide which images a build may start from.

`plan` checks it, and so does `pull`, which has credentials.
"""

from __future__ import annotations

from . import references
from .order import Order
from .result import Failed


def check(name: str, order: Order) -> None:
    """Raise `Failed` unless this is the full name of an image that a build may start from."""
    if not _is_full(name):
        raise Failed("build.base-image", f"{name!r} is not the full name of an image.")
    if is_ours(name, order) or not order.own_prefix:
        return
    if references.is_below(name, order.own_prefix):
        raise Failed(
            "build.base-image",
            f"The Dockerfile starts from {name}, which this portal has built for somebody. "
            "Start from the image that it was made of.",
        )


def _is_full(name: str) -> bool:
    try:
        return references.resolve(name) == name
    except ValueError:
        return False


def is_ours(name: str, order: Order) -> bool:
    """Return whether the operator has chosen the image: the portal's own account may read it."""
    ours = filter(None, (order.base_image, order.python_image))
    return name in map(references.resolve, ours)
