"""The platform that this machine builds for: it runs what it builds, so there is no other.

Dockerfiles refer to it by arguments, as in ``FROM --platform=$BUILDPLATFORM``.
"""

from __future__ import annotations

import platform
from typing import Final

_ARCHITECTURES: Final = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}


def _oci_architecture(architecture: str) -> str:
    return _ARCHITECTURES.get(architecture, architecture)


ARCHITECTURE: Final = _oci_architecture(platform.machine())
ARGUMENTS: Final = {
    f"{prefix}{name}": value
    for prefix in ("BUILD", "TARGET")
    for name, value in (
        ("PLATFORM", f"linux/{ARCHITECTURE}"),
        ("OS", "linux"),
        ("ARCH", ARCHITECTURE),
        ("VARIANT", ""),
    )
}
"""The arguments that every Dockerfile has, declared or not."""


def require_native(wanted: str) -> None:
    """Raise `ValueError` if an image is requested for another platform than this machine's."""
    if not wanted:
        return
    parts = wanted.lower().split("/")
    architecture = next((part for part in parts if part != "linux"), ARCHITECTURE)
    if _oci_architecture(architecture) != ARCHITECTURE:
        raise ValueError(
            f"this portal builds images for {ARCHITECTURE} only, not for {wanted[:80]}"
        )
