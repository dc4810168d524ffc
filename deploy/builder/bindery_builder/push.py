"""The stage that pushes: the image, and then the steps that a later build may want to skip.

Only this container may write to the registry. Its input was made where untrusted code ran: it
accepts plain files only, and skopeo checks that each has the digest it claims (`assemble`).
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from . import assemble, base_layers, export, programs, registries, retry
from .buildspec import BuildSpec
from .output import Output
from .pull import CACHED
from .result import BuildFailed

_MAX_STEPS = 500


def stage(spec: BuildSpec, output: Output) -> dict[str, str]:
    """Push the image; return the digest of its manifest. Raises `BuildFailed`."""
    output.write_heading(f"Pushing {spec.image}")
    check_plain_files(spec.images)
    with base_layers.registry_cache(spec) as known:
        variables = {**registries.buildah_environment(spec, closed=False), **known}
        images = assemble.Images(spec.images, base_layers.layers(spec))
        digest = _push_image(spec, images, output, variables)
        output.write_line(f"Pushed {digest}")
        if spec.cache:
            output.write_heading("Caching the steps for the next build")
            output.write_line(_push_steps(spec, images, variables))
    return {"digest": digest}


def check_plain_files(path: Path) -> None:
    """Raise `BuildFailed` if this, or anything below it, is neither a folder nor a plain file."""
    below = [Path(at, name) for at, folders, names in os.walk(path) for name in (*folders, *names)]
    for each in (path, *below):
        mode = os.lstat(each).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise BuildFailed("build.internal", "The build did not produce a valid image.")


def _push_image(
    spec: BuildSpec, images: assemble.Images, output: Output, variables: Mapping[str, str]
) -> str:
    with tempfile.TemporaryDirectory() as at, tempfile.NamedTemporaryFile() as digest:
        images.write_image(export.FINAL, Path(at))
        target = f"docker://{spec.image}"
        options = ("--digestfile", digest.name)
        words = registries.copy_command(spec, "push", f"dir:{at}", target, *options)
        if not retry.run_with_retries(words, output, variables):
            raise BuildFailed(
                "build.push",
                "The image was built, but the registry did not accept it; see the last lines of "
                "the log. Try again later.",
            )
        return Path(digest.name).read_text().strip()


def _push_steps(spec: BuildSpec, images: assemble.Images, variables: Mapping[str, str]) -> str:
    """Copy the steps that the cache does not have; return a message about it.

    All together have `programs.CACHE_TIMEOUT`: the image is there, and somebody waits for it.
    """
    until = time.monotonic() + programs.CACHE_TIMEOUT
    there = _read_cached(spec)
    kept = 0
    for number in range(1, _MAX_STEPS):
        name = export.step_name(number)
        if not export.config(spec.images, name).exists():
            break
        with tempfile.TemporaryDirectory() as at:
            if there.get(name) == images.write_image(name, Path(at)):
                continue
            target = f"docker://{spec.cache}:{name}"
            words = registries.copy_command(spec, "push", f"dir:{at}", target)
            left = max(0.0, until - time.monotonic())
            try:
                done = programs.capture(words, variables=variables, seconds=left)
            except subprocess.TimeoutExpired:
                return f"Cached {kept} new steps; the registry is too slow for the others."
        if done.returncode:
            why = done.stderr.decode("utf-8", "replace").strip()
            return f"They could not be cached, so the next build starts from scratch: {why}"
        kept += 1
    return f"Cached {kept} new steps."


def _read_cached(spec: BuildSpec) -> dict[str, str]:
    """Return what `pull` found in the cache; whoever tampers with that only harms themselves."""
    file = spec.work / CACHED
    try:
        check_plain_files(file)
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
