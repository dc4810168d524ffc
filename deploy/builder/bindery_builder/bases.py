"""Which images a build may start from: `plan` looks, and `pull`, which has credentials, again."""

from __future__ import annotations

from . import dockerfile
from .order import Order
from .result import Failed

_HUB = "docker.io"


def check(name: str, order: Order) -> None:
    """Raises `Failed` unless a build may start from the image of this name."""
    if not dockerfile.is_reference(name):
        raise Failed(
            "build.base-image",
            f"The Dockerfile takes files from {name!r}, which is not the name of an image in a "
            "registry. Variables in it need a value above the first FROM.",
        )
    if name in {order.base_image, order.python_image} or not order.own_prefix:
        return
    if complete(name).startswith(complete(order.own_prefix)):
        raise Failed(
            "build.base-image",
            f"The Dockerfile starts from {name}, which this portal has built for somebody. "
            "Start from the image that it was made of.",
        )


def complete(name: str) -> str:
    """The name as registries spell it out: with the host, and all of it in small letters."""
    host, slash, path = name.lower().partition("/")
    if not slash:
        return f"{_HUB}/library/{host}"
    if host in {_HUB, "index.docker.io", "registry-1.docker.io"}:
        return f"{_HUB}/{path}"
    named = "." in host or ":" in host or host == "localhost"
    return f"{host}/{path}" if named else f"{_HUB}/{host}/{path}"
