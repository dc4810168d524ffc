"""Leaves what was built for `push`: a folder for the image, and one for each step of the build.

A step's image has the first layers of a later one, so only the later one is written out by
buildah; the others share its files and cost nothing. The folders have the form that skopeo
calls ``dir:``, because that keeps an image byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from . import programs
from .order import Order
from .output import Output
from .result import Failed

FINAL = "final"
_VERSION = "Directory Transport Version: 1.1\n"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"


def step_name(number: int) -> str:
    """The folder, and the tag in the cache, of the step of this number."""
    return f"step-{number:03}"


def write(order: Order, buildah: list[str], image: str, steps: list[str], output: Output) -> None:
    """Write the image and, where there is a cache to fill, the images of all steps."""
    pack = _Pack(order.images, buildah, output)
    pack.add(FINAL, image)
    if order.cache:
        # The later ones first: they bring the layers of the earlier ones along.
        for number, step in reversed(list(enumerate(_known(buildah, steps), 1))):
            pack.add(step_name(number), step)
    subprocess.run(["chmod", "-R", "a+rX", "--", order.images], check=True)


def _known(buildah: list[str], steps: list[str]) -> list[str]:
    """The whole ids of the images of these steps: the log has the beginning of each."""
    listed = json.loads(
        programs.answer([*buildah, "images", "--all", "--no-trunc", "--json"]).stdout
    )
    ids = [image["id"].removeprefix("sha256:") for image in listed]
    return [each for step in steps for each in ids if each.startswith(step)]


class _Pack:
    """Folders of images that share the files of their layers."""

    def __init__(self, folder: Path, buildah: list[str], output: Output) -> None:
        self._folder = folder
        self._buildah = buildah
        self._output = output
        self._layers: dict[str, tuple[Path, dict[str, Any]]] = {}
        folder.mkdir()

    def add(self, name: str, image: str) -> None:
        config = self._config(image)
        contents = json.loads(config)["rootfs"]["diff_ids"] or []
        folder = self._folder / name
        if contents and all(content in self._layers for content in contents):
            self._share(folder, config, contents)
        else:
            self._push(folder, image, contents)

    def _config(self, image: str) -> bytes:
        words = [*self._buildah, "inspect", "--type", "image", "--format", "{{.Config}}", image]
        return programs.answer(words).stdout.removesuffix(b"\n")

    def _push(self, folder: Path, image: str, contents: list[str]) -> None:
        words = [*self._buildah, "push", "--quiet", "--disable-compression=false", image]
        if programs.run([*words, f"dir:{folder}"], self._output):
            if "no space left on device" in " ".join(self._output.last):
                raise Failed("build.disk-full", "There is no room left to pack the image.")
            raise RuntimeError("the image could not be packed")
        manifest = json.loads((folder / "manifest.json").read_text())
        for content, layer in zip(contents, manifest["layers"], strict=True):
            self._layers[content] = (folder / _file(layer["digest"]), layer)

    def _share(self, folder: Path, config: bytes, contents: list[str]) -> None:
        folder.mkdir()
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        layers = [self._layers[content] for content in contents]
        for path, layer in layers:
            if not (target := folder / _file(layer["digest"])).exists():
                os.link(path, target)
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": digest},
            "layers": [layer for _, layer in layers],
        }
        (folder / _file(digest)).write_bytes(config)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "version").write_text(_VERSION)


def _file(digest: str) -> str:
    return digest.partition(":")[2]
