"""The stage that pulls: the images a build starts from, and the layers of the last one.

Only this container has what it takes to read from private registries; no stranger's code
runs here. It has two accounts, so that a name which `bases` should not have let through gets
nothing all the same. The layers are there for `build` to find: it compares them step by step, as
it does with its own, and runs again only what is not among them. What comes from a registry
compressed is kept for `push` in that form (`held`).
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
"""The account for what repositories name: it can read nothing below the portal's own path."""
PORTAL = "pull"
"""The account for what only this code names: layers of earlier builds, the operator's images."""

_PASSING = re.compile(
    r"time(?:d )?out|connection (?:refused|reset)|unreachable|temporary failure"
    r"|unexpected EOF|too many requests|StatusCode: 50\d|status code 50\d",
    re.IGNORECASE,
)


def stage(order: Order, output: Output) -> dict[str, str]:
    """Pull what the plan names. Raises `Failed`."""
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
    """Pull an image that the repository names, with an account that gets nobody's environment.

    What the operator has chosen is read with the portal's own, wherever it is.
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
    """Yield the programs that get an image, one after the other."""
    account = BASES if closed else PORTAL
    if held.possible(order):
        kept = f"dir:{held.folder(order, number)}"
        yield registries.copy(order, account, f"docker://{image}", kept, closed=closed)
        yield [*buildah, "pull", "--quiet", "--", kept]
    # Finds every layer in its storage then, and only gives the image its name.
    yield [*buildah, "pull", *registries.authentication(order, account), "--", image]


def _cached(order: Order, buildah: list[str]) -> dict[str, str]:
    """The tags of the cache that were pulled, and the image that each one names."""
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
    """Whether what kept the image from coming is likely to pass by itself."""
    return _PASSING.search(_last(output)) is not None


def _why(output: Output) -> str:
    """The last thing that was said, without the preamble of the program that said it."""
    return _last(output).rpartition(": ")[2].strip('." ')


def _last(output: Output) -> str:
    return next((line for line in reversed(output.last) if line), "")
