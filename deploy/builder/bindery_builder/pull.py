"""The stage that pulls: the images a build starts from, and the layers of the last one.

Only this container has credentials for private registries; no untrusted code runs here. It has two
accounts, so that a name that `bases` should not have let through still gets nothing. `build`
compares the pulled layers step by step with its own, and runs only missing steps again. Compressed
layers from a registry are kept for `push` in that form (`held`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from . import bases, held, patience, plan, programs, registries
from .order import Order
from .output import Output
from .result import Failed

CACHED = "cached.json"
BASES = "base"
"""The account for images that repositories name: it can read nothing below the portal's path."""
PORTAL = "pull"
"""The account for names made only by this code: earlier builds' layers, the operator's images."""

_PASSING = re.compile(
    r"time(?:d )?out|connection (?:refused|reset)|unreachable|temporary failure"
    r"|unexpected EOF|too many requests|StatusCode: 50\d|status code 50\d",
    re.IGNORECASE,
)


def stage(order: Order, output: Output) -> dict[str, str]:
    """Pull the images that the plan names. Raises `Failed`."""
    buildah = registries.buildah(order)
    images = plan.read(order).images
    for number, image in enumerate(images):
        _base(order, buildah, number, image, output)
    if order.cache and not order.fresh:
        output.title("Looking for steps of an earlier build")
        options = registries.authentication(order, PORTAL)
        words = [*buildah, "pull", "--quiet", "--all-tags", *options, "--", order.cache]
        programs.answer(words, variables=registries.variables(order, closed=False))
        cached = _cached(order, buildah)
        (order.work / CACHED).write_text(json.dumps(cached))
        output.say(f"Found {len(cached)} steps." if cached else "There are none yet.")
    if held.possible(order):
        held.note(order, len(images))
    return {}


def _base(order: Order, buildah: list[str], number: int, image: str, output: Output) -> None:
    """Pull an image that the repository names, with an account that cannot read environments.

    Images that the operator has chosen are read with the portal's own account, wherever they are.
    """
    bases.check(image, order)
    closed = not bases.is_ours(image, order)
    variables = registries.variables(order, closed=closed)
    output.title(f"Pulling {image}")
    for words in _words(order, buildah, number, image, closed=closed):
        if not patience.insist(words, output, variables, worth=lambda: _passes(output)):
            raise Failed(
                "build.base-image",
                f"The image {image} could not be pulled: {_why(output)}. "
                "Look whether its name is right and whether this portal may read it.",
            )


def _words(
    order: Order, buildah: list[str], number: int, image: str, *, closed: bool
) -> Iterator[list[str]]:
    """Yield the commands that get an image, in order."""
    account = BASES if closed else PORTAL
    if held.possible(order):
        kept = f"dir:{held.folder(order, number)}"
        yield registries.copy(order, account, f"docker://{image}", kept, closed=closed)
        yield [*buildah, "pull", "--quiet", "--", kept]
    # After the above, this finds every layer in its storage, and only names the image.
    yield [*buildah, "pull", *registries.authentication(order, account), "--", image]


def _cached(order: Order, buildah: list[str]) -> dict[str, str]:
    """Return the image id of each tag of the cache that was pulled."""
    listed = json.loads(
        programs.answer([*buildah, "images", "--no-trunc", "--json"]).stdout or "[]"
    )
    return {
        name.removeprefix(f"{order.cache}:"): image["id"].removeprefix("sha256:")
        for image in listed or []
        for name in image.get("names") or []
        if name.startswith(f"{order.cache}:")
    }


def _passes(output: Output) -> bool:
    """Return whether the reason of the failure is likely to go away by itself."""
    return _PASSING.search(_last(output)) is not None


def _why(output: Output) -> str:
    """Return the last message, without the prefix of the program that wrote it."""
    return _last(output).rpartition(": ")[2].strip('." ')


def _last(output: Output) -> str:
    return next((line for line in reversed(output.last) if line), "")
