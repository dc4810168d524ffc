"""Assemble an image from what `build` left and what `pull` kept, for skopeo to copy.

Files left by `build` come from where untrusted code ran: only their layers' digests are used, and
those must have the form of digests, because they name files. skopeo checks that each file has its
digest. The image is a folder of the form ``dir:``.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from . import base_layers, export
from .result import BuildFailed

_DOCKER = "application/vnd.docker"
_MANIFEST = f"{_DOCKER}.distribution.manifest.v2+json"
_CONFIG = f"{_DOCKER}.container.image.v1+json"
_LAYER = f"{_DOCKER}.image.rootfs.diff.tar.gzip"
_VERSION = "Directory Transport Version: 1.1\n"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_MAX_JSON_BYTES = 4_000_000  # bytes of an image's configuration; registries accept no larger one


class Images:
    """The images to push: in the folder of `build`, with layers that `pull` has kept."""

    def __init__(self, folder: Path, kept: base_layers.Layers) -> None:
        self._folder = folder
        self._kept = kept
        self._built = _read_object(export.layers(folder))

    def write_image(self, name: str, folder: Path) -> str:
        """Write the image of this name into ``folder``; return its id. Raises `BuildFailed`."""
        config = _read(export.config(self._folder, name))
        digest = hashlib.sha256(config).hexdigest()
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": f"sha256:{digest}"},
            "layers": [self._layer(content, folder) for content in layer_digests(config)],
        }
        (folder / digest).write_bytes(config)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "version").write_text(_VERSION)
        return digest

    def _layer(self, content: str, folder: Path) -> dict[str, Any]:
        """Return the manifest's entry for a layer, and link its file into the folder."""
        if there := self._kept.get(content):
            digest, path = there["digest"], Path(there["path"])
        else:
            digest = _checked_digest(self._built.get(content))
            path = export.blob(self._folder, digest)
        if not path.exists():
            raise _invalid_image()
        link = folder / digest.partition(":")[2]
        if not link.is_symlink():
            link.symlink_to(path)
        return {"mediaType": _LAYER, "size": path.stat().st_size, "digest": digest}


def layer_digests(config: bytes) -> list[str]:
    """Return the digests of the uncompressed layers of an image. Raises `BuildFailed`."""
    try:
        found = json.loads(config)["rootfs"].get("diff_ids") or []  # missing if there are no layers
        return [str(each) for each in found]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _invalid_image() from None


def _read_object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(file))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _invalid_image()
    return found


def _checked_digest(layer: Any) -> str:
    digest = layer.get("digest") if isinstance(layer, dict) else None
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise _invalid_image()
    return digest


def _read(file: Path) -> bytes:
    if not file.exists() or file.stat().st_size > _MAX_JSON_BYTES:
        raise _invalid_image()
    return file.read_bytes()


def _invalid_image() -> BuildFailed:
    return BuildFailed("build.internal", "The build did not produce a valid image.")
