"""The stage that pulls: the images a build starts from, and the layers of the last one.

Only this container has what it takes to read from private registries; no stranger's code
runs here. The layers are there for `build` to find: it compares them step by step, as it does
with its own, and runs again only what is not among them.
"""

from __future__ import annotations

import json

from . import bases, plan, programs, registries
from .order import Order
from .output import Output
from .result import Failed

CACHED = "cached.json"


def stage(order: Order, output: Output) -> dict[str, str]:
    """Pull what the plan names. Raises `Failed`."""
    buildah = registries.buildah(order)
    variables = registries.variables(order)
    options = registries.authentication("pull")
    for image in plan.read(order).images:
        bases.check(image, order)
        output.title(f"Pulling {image}")
        words = [*buildah, "pull", *options, "--", image]
        if programs.run(words, output, variables=variables):
            raise Failed(
                "build.base-image",
                f"The image {image} could not be pulled: {_why(output)}. "
                "Look whether its name is right and whether this portal may read it.",
            )
    if order.cache and not order.fresh:
        output.title("Looking for steps of an earlier build")
        words = [*buildah, "pull", "--quiet", "--all-tags", *options, "--", order.cache]
        programs.answer(words, variables=variables)
        cached = _cached(order, buildah)
        (order.work / CACHED).write_text(json.dumps(cached))
        output.say(f"Found {len(cached)} steps." if cached else "There are none yet.")
    return {}


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


def _why(output: Output) -> str:
    """The last thing that buildah said, without its own preamble."""
    said = next((line for line in reversed(output.last) if line), "")
    return said.rpartition(": ")[2].strip(". ")
