"""The stage that pushes: the image, and then the steps that a later build may want to skip.

Only this container may write to the registry. Its input was made where untrusted code ran: it
accepts plain files only, and skopeo checks that each has the digest it claims (`assemble`).
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import assemble, export, held, patience, programs, registries
from .order import Order
from .output import Output
from .pull import CACHED
from .result import Failed

_MOST_STEPS = 500


def stage(order: Order, output: Output) -> dict[str, str]:
    """Push the image; return the digest of its manifest. Raises `Failed`."""
    output.title(f"Pushing {order.image}")
    check(order.images)
    with held.knowledge(order) as known:
        variables = {**registries.variables(order, closed=False), **known}
        images = assemble.Images(order.images, held.layers(order))
        digest = _pushed(order, images, output, variables)
        output.say(f"Pushed {digest}")
        if order.cache:
            output.title("Keeping the steps for the next build")
            output.say(_keep(order, images, variables))
    return {"digest": digest}


def check(path: Path) -> None:
    """Raise `Failed` if this, or anything below it, is neither a folder nor a plain file."""
    below = [Path(at, name) for at, folders, names in os.walk(path) for name in (*folders, *names)]
    for each in (path, *below):
        mode = os.lstat(each).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise Failed("build.internal", "The build left something that is not an image.")


def _pushed(
    order: Order, images: assemble.Images, output: Output, variables: Mapping[str, str]
) -> str:
    with tempfile.TemporaryDirectory() as at, tempfile.NamedTemporaryFile() as digest:
        images.put(export.FINAL, Path(at))
        target = f"docker://{order.image}"
        options = ("--digestfile", digest.name)
        words = registries.copy(order, "push", f"dir:{at}", target, *options)
        if not patience.insist(words, output, variables):
            raise Failed(
                "build.push",
                "The image was built, but the registry did not take it; the last lines of the "
                "log say why. Try again later.",
            )
        return Path(digest.name).read_text().strip()


def _keep(order: Order, images: assemble.Images, variables: Mapping[str, str]) -> str:
    """Copy the steps that the cache does not have; return a message about it."""
    there = _cached(order)
    kept = 0
    for number in range(1, _MOST_STEPS):
        name = export.step_name(number)
        if not export.config(order.images, name).exists():
            break
        with tempfile.TemporaryDirectory() as at:
            if there.get(name) == images.put(name, Path(at)):
                continue
            target = f"docker://{order.cache}:{name}"
            words = registries.copy(order, "push", f"dir:{at}", target)
            done = programs.answer(words, variables=variables)
        if done.returncode:
            why = done.stderr.decode("utf-8", "replace").strip()
            return f"They could not be kept, so the next build starts anew: {why}"
        kept += 1
    return f"Kept {kept} new steps."


def _cached(order: Order) -> dict[str, str]:
    """Return what `pull` found in the cache; whoever tampers with that only harms themselves."""
    file = order.work / CACHED
    try:
        check(file)
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
