"""Keep the layers of base images as they came, from `pull` to `push`, out of reach of `build`.

`BuildSpec.trusted` is a folder that only those two containers have, so untrusted code cannot change
it. `push` gives the registry these layers unchanged: it has most of them, or can mount them from
another repository. `build` is told which ones it need not pack. A pod without that folder works
too: then everything is packed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .buildspec import BuildSpec

LAYERS: Final = "layers.json"
UNPACKED: Final = "unpacked.json"
_CACHE: Final = "cache"
_DATABASE: Final = "blob-info-cache*"
_ROOT_CACHE: Final = Path("/var/lib/containers/cache")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (a new folder is created in it)
_GZIP: Final = "gzip"

Layers = dict[str, dict[str, str]]
"""Each layer's ``digest`` and the ``path`` of its file, by the digest of its content."""


def is_available(spec: BuildSpec) -> bool:
    """Return whether this pod has the folder."""
    return os.path.ismount(spec.trusted)


def base_folder(spec: BuildSpec, number: int) -> Path:
    """Return where the base image of this number is kept, in skopeo's form ``dir:``."""
    return spec.trusted / f"base-{number}"


def record(spec: BuildSpec, images: int, cache: Path = _ROOT_CACHE) -> None:
    """Record which layers are kept, and where the registry was seen to have which."""
    contents = _contents(spec.work / "storage")
    found: Layers = {}
    for number in range(images):
        found.update(_layers(base_folder(spec, number), contents))
    (spec.trusted / LAYERS).write_text(json.dumps(found))
    (spec.work / UNPACKED).write_text(json.dumps(list(found)))
    _copy(cache, spec.trusted / _CACHE)
    for path in spec.trusted.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def layers(spec: BuildSpec) -> Layers:
    """Return what was recorded: for `push`, which can trust it."""
    file = spec.trusted / LAYERS
    return dict(json.loads(file.read_text())) if is_available(spec) and file.exists() else {}


def unpacked(spec: BuildSpec) -> list[str]:
    """Return the content digests of layers that `build` need not pack."""
    file = spec.work / UNPACKED
    return list(json.loads(file.read_text())) if file.exists() else []


@contextmanager
def registry_cache(spec: BuildSpec) -> Iterator[dict[str, str]]:
    """Yield variables that give skopeo a writable copy of what `pull` saw of the registry.

    Only with it can skopeo have the registry mount a layer from where it is, instead of sending it.
    The copy is in memory: skopeo syncs each change of it to disk, and waits for that.
    """
    there = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=there) as home:
        if is_available(spec):
            _copy(spec.trusted / _CACHE, Path(home, "containers/cache"))
        yield {"XDG_DATA_HOME": home}


def _contents(storage: Path) -> dict[str, str]:
    """Return the digest of each layer's content, as buildah computed it, by the layer's digest.

    An image's own configuration is not enough: it may name somebody else's layer.
    """
    found = {}
    for file in storage.glob("*-layers/layers.json"):
        for layer in json.loads(file.read_text()):
            found[layer.get("compressed-diff-digest", "")] = layer.get("diff-digest", "")
    return found


def _layers(image: Path, contents: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the layers that every registry takes as they are.

    Those with other compressions are packed again.
    """
    manifest = json.loads((image / "manifest.json").read_text())
    for layer in manifest.get("layers", []):
        digest = layer["digest"]
        path = image / digest.partition(":")[2]
        if layer["mediaType"].endswith(_GZIP) and contents.get(digest) and path.exists():
            yield contents[digest], {"path": str(path), "digest": digest}


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for file in source.glob(_DATABASE):
        shutil.copyfile(file, target / file.name)
