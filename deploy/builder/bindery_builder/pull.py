"""The stage that pulls: the images a build starts from, and the layers of the last one.

Only this container has credentials for private registries; no untrusted code runs here. It has two
accounts, so that a name that `bases` should not have let through still gets nothing. `build`
compares the pulled layers step by step with its own, and runs only missing steps again. Compressed
layers from a registry are kept for `push` in that form (`base_layers`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from . import base_layers, bases, plan, programs, pull_failure, registries, retry
from .buildspec import BuildSpec
from .output import Output
from .result import BuildFailed

CACHED = "cached.json"
BASE_ACCOUNT = "base"
"""The account for images that repositories name: it can read nothing below the portal's path."""
PORTAL_ACCOUNT = "pull"
"""The account for images that only this code names: cached layers and the operator's images."""


def stage(spec: BuildSpec, output: Output) -> dict[str, str]:
    """Pull the images that the plan names. Raises `BuildFailed`."""
    buildah = registries.buildah_command(spec)
    images = plan.read(spec).images
    for number, image in enumerate(images):
        _pull_base(spec, buildah, number, image, output)
    if spec.cache and not spec.no_cache:
        output.write_heading("Looking for cached steps")
        _pull_cached(spec, buildah, output)
    if base_layers.is_available(spec):
        base_layers.record(spec, len(images))
    return {}


def _pull_cached(spec: BuildSpec, buildah: list[str], output: Output) -> None:
    """Pull the steps of earlier builds, as many as come in time; the others are run again."""
    seconds = programs.CACHE_TIMEOUT
    options = registries.authfile_options(spec, PORTAL_ACCOUNT)
    words = [*buildah, "pull", "--quiet", "--all-tags", *options, "--", spec.cache]
    variables = registries.buildah_environment(spec, closed=False)
    try:
        programs.capture(words, variables=variables, seconds=seconds)
    except subprocess.TimeoutExpired:
        output.write_line(
            f"The registry took longer than {seconds:.0f} s, so the build goes on without waiting "
            "for more."
        )
    cached = _cached_images(spec, buildah)
    (spec.work / CACHED).write_text(json.dumps(cached))
    output.write_line(f"Found {len(cached)} steps." if cached else "None yet.")


def _pull_base(
    spec: BuildSpec, buildah: list[str], number: int, image: str, output: Output
) -> None:
    """Pull an image that the repository names, with an account that cannot read environments.

    Images that the operator has chosen are read with the portal's own account, wherever they are.
    """
    bases.check_base_image(image, spec)
    closed = not bases.is_operator_image(image, spec)
    variables = registries.buildah_environment(spec, closed=closed)
    output.write_heading(f"Pulling {image}")
    for words in _pull_commands(spec, buildah, number, image, closed=closed):
        if not retry.run_with_retries(
            words,
            output,
            variables,
            should_retry=lambda: _is_transient(output, image),
        ):
            message = pull_failure.sentence(_last_line(output), image)
            raise BuildFailed("build.base-image", message)


def _pull_commands(
    spec: BuildSpec, buildah: list[str], number: int, image: str, *, closed: bool
) -> Iterator[list[str]]:
    """Yield the commands that get an image, in order."""
    account = BASE_ACCOUNT if closed else PORTAL_ACCOUNT
    if base_layers.is_available(spec):
        kept = f"dir:{base_layers.base_folder(spec, number)}"
        yield registries.copy_command(spec, account, f"docker://{image}", kept, closed=closed)
        yield [*buildah, "pull", "--quiet", "--", kept]
    # After the above, every layer is in the storage already; this only names the image.
    yield [*buildah, "pull", *registries.authfile_options(spec, account), "--", image]


def _cached_images(spec: BuildSpec, buildah: list[str]) -> dict[str, str]:
    """Return the image id of each tag of the cache that was pulled."""
    listed = json.loads(
        programs.capture([*buildah, "images", "--no-trunc", "--json"]).stdout or "[]"
    )
    return {
        name.removeprefix(f"{spec.cache}:"): image["id"].removeprefix("sha256:")
        for image in listed or []
        for name in image.get("names") or []
        if name.startswith(f"{spec.cache}:")
    }


def _is_transient(output: Output, image: str = "") -> bool:
    return pull_failure.is_transient(_last_line(output), image)


def _last_line(output: Output) -> str:
    return next((line for line in reversed(output.last) if line), "")
