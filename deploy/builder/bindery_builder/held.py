"""The layers of base images as they came, which `pull` leaves for `push` behind `build`'s back.

`order.trusted` is a folder that only those two containers have, so no stranger's code can
change it. `push` gives the registry these layers as they are: it has most of them, or takes them
from its neighbour. `build` is told which ones it need not pack. A pod without that folder works
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

from .order import Order

LAYERS: Final = "layers.json"
UNPACKED: Final = "unpacked.json"
_CACHE: Final = "cache"
_DATABASE: Final = "blob-info-cache*"
_OF_ROOT: Final = Path("/var/lib/containers/cache")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (a fresh folder is made in it)
_GZIP: Final = "gzip"

Layers = dict[str, dict[str, str]]
"""By the digest of what is in it, each layer's ``digest`` and the ``path`` of its file."""


def possible(order: Order) -> bool:
    """Whether this pod has the folder."""
    return os.path.ismount(order.trusted)


def folder(order: Order, number: int) -> Path:
    """Where the base image of this number is kept, in the form that skopeo calls ``dir:``."""
    return order.trusted / f"base-{number}"


def note(order: Order, images: int, cache: Path = _OF_ROOT) -> None:
    """Write down which layers are kept, and where the registry was seen to have which."""
    contents = _contents(order.work / "storage")
    found: Layers = {}
    for number in range(images):
        found.update(_layers(folder(order, number), contents))
    (order.trusted / LAYERS).write_text(json.dumps(found))
    (order.work / UNPACKED).write_text(json.dumps(list(found)))
    _copy(cache, order.trusted / _CACHE)
    for path in order.trusted.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def layers(order: Order) -> Layers:
    """What was written down: for `push`, which can trust it."""
    file = order.trusted / LAYERS
    return dict(json.loads(file.read_text())) if possible(order) and file.exists() else {}


def unpacked(order: Order) -> list[str]:
    """The contents of layers that `build` need not pack."""
    file = order.work / UNPACKED
    return list(json.loads(file.read_text())) if file.exists() else []


@contextmanager
def knowledge(order: Order) -> Iterator[dict[str, str]]:
    """The variables that let skopeo know what `pull` saw of the registry, in a copy it may change.

    Only then can it have the registry take a layer from where it is, instead of sending it. The
    copy is in memory: skopeo has each change of it written to the disk, and waits for that.
    """
    there = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=there) as home:
        if possible(order):
            _copy(order.trusted / _CACHE, Path(home, "containers/cache"))
        yield {"XDG_DATA_HOME": home}


def _contents(storage: Path) -> dict[str, str]:
    """By the digest of each layer, that of its content as buildah itself has computed it.

    What an image's own configuration claims is not enough: it may name somebody else's layer.
    """
    found = {}
    for file in storage.glob("*-layers/layers.json"):
        for layer in json.loads(file.read_text()):
            found[layer.get("compressed-diff-digest", "")] = layer.get("diff-digest", "")
    return found


def _layers(image: Path, contents: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Those that every registry takes as they are: other compressions are packed anew."""
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
