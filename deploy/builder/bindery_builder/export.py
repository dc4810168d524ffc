"""Leave what was built for `push`: the configurations of the images, and the layers they share.

There is an image for the result and, if there is a cache to fill, one per step. A step's image has
the first layers of a later one, so it costs no more than its configuration. Layers of base images
that `pull` has kept (`base_layers`) are not packed.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from . import base_layers, programs
from .buildspec import BuildSpec
from .output import Output
from .result import BuildFailed

FINAL = "final"
_FORMAT = '{"imageLayoutVersion": "1.0.0"}'


def step_name(number: int) -> str:
    """Return the name of a step's image, which is also its tag in the cache."""
    return f"step-{number:03}"


def config(images: Path, name: str) -> Path:
    """Return the path of an image's configuration."""
    return images / f"{name}.json"


def layers(images: Path) -> Path:
    """Return the path of the JSON file that maps uncompressed digests to layers' files."""
    return images / "layers.json"


def blob(images: Path, digest: str) -> Path:
    """Return the file that has this digest (``sha256:…``)."""
    return _layout(images) / "blobs" / digest.replace(":", "/")


def write(
    spec: BuildSpec, buildah: list[str], image: str, steps: list[str], output: Output
) -> None:
    """Write the image and, if there is a cache to fill, the images of all steps."""
    pack = _LayerFolder(spec.images, buildah, base_layers.unpacked(spec), output)
    pack.add(FINAL, image)
    if spec.cache:
        # Latest first, because it includes the layers of the earlier ones.
        for number, step in reversed(list(enumerate(_full_image_ids(buildah, steps), 1))):
            pack.add(step_name(number), step)
    layers(spec.images).write_text(json.dumps(pack.layers))
    subprocess.run(["chmod", "-R", "a+rX", "--", spec.images], check=True)


def _layout(images: Path) -> Path:
    return images / "layout"


def _full_image_ids(buildah: list[str], steps: list[str]) -> list[str]:
    """Return the full ids of these steps' images: the log has the beginning of each."""
    listed = json.loads(
        programs.capture([*buildah, "images", "--all", "--no-trunc", "--json"]).stdout
    )
    ids = [image["id"].removeprefix("sha256:") for image in listed]
    return [each for step in steps for each in ids if each.startswith(step)]


class _LayerFolder:
    """A folder of the form ``oci:`` to which buildah writes layers, skipping existing ones.

    Only layers are taken from there: the format cannot hold everything in a configuration.
    """

    def __init__(
        self, folder: Path, buildah: list[str], left_out: list[str], output: Output
    ) -> None:
        self._folder = folder
        self._buildah = buildah
        self._known_layers = set(left_out)
        self._output = output
        self.layers: dict[str, dict[str, Any]] = {}
        blob(folder, "sha256:").mkdir(parents=True)
        (_layout(folder) / "oci-layout").write_text(_FORMAT)
        for content in left_out:
            blob(folder, content).touch()  # an empty file stands in for the layer

    def add(self, name: str, image: str) -> None:
        """Write the parts of this image that are not there yet."""
        words = [*self._buildah, "inspect", "--type", "image", "--format", "{{.Config}}", image]
        said = programs.capture(words).stdout.removesuffix(b"\n")
        config(self._folder, name).write_bytes(said)
        contents = json.loads(said)["rootfs"].get("diff_ids") or []
        if set(contents) - self._known_layers - self.layers.keys():
            self._write(image)
            written = zip(contents, self._last_layers(), strict=True)
            self.layers |= {key: value for key, value in written if key not in self._known_layers}

    def _write(self, image: str) -> None:
        words = [*self._buildah, "push", "--quiet", "--disable-compression=false", image]
        if programs.run([*words, f"oci:{_layout(self._folder)}:{FINAL}"], self._output):
            if "no space left on device" in " ".join(self._output.last):
                raise BuildFailed(
                    "build.disk-full", "There is no disk space left to pack the image."
                )
            raise RuntimeError("the image could not be packed")

    def _last_layers(self) -> list[dict[str, Any]]:
        """Return the layers of the image that was written last, from its manifest."""
        index = json.loads((_layout(self._folder) / "index.json").read_text())
        manifest = json.loads(blob(self._folder, index["manifests"][-1]["digest"]).read_text())
        return [{"digest": each["digest"], "size": each["size"]} for each in manifest["layers"]]
