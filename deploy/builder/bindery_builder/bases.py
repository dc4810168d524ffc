"""Decide which images a build may start from.

`plan` checks it, and so does `pull`, which has credentials.
"""

from __future__ import annotations

from . import references
from .buildspec import BuildSpec
from .result import BuildFailed


def check_base_image(name: str, spec: BuildSpec) -> None:
    """Raise `BuildFailed` unless this is the full name of an image that a build may start from."""
    if not _is_full(name):
        raise BuildFailed("build.base-image", f"{name!r} is not the full name of an image.")
    if is_operator_image(name, spec):
        return
    _check_host(name, spec)
    if spec.own_prefix and references.is_below(name, spec.own_prefix):
        raise BuildFailed(
            "build.base-image",
            f"The Dockerfile starts from {name}, which this portal built for someone. "
            "Start from that image's own base image instead.",
        )


def _check_host(name: str, spec: BuildSpec) -> None:
    """Refuse a registry that no build can reach, unless the operator has set it up."""
    host = references.registry_host(name)
    known = {*spec.insecure, references.registry_host(spec.own_prefix)}
    if references.is_own_machine(host) and host not in known:
        raise BuildFailed(
            "build.base-image",
            f"The Dockerfile uses {name}, but {host} is somebody's own computer, which builds "
            "cannot reach. Push the image to a registry, and name it with that registry's address.",
        )


def _is_full(name: str) -> bool:
    try:
        return references.resolve(name) == name
    except ValueError:
        return False


def is_operator_image(name: str, spec: BuildSpec) -> bool:
    """Return whether the operator has chosen the image: the portal's own account may read it."""
    ours = filter(None, (spec.base_image, spec.python_image))
    return name in map(references.resolve, ours)
