"""What every program is told that speaks to a registry, and where buildah keeps its images.

The credentials of a stage are a file that only its own container has.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from . import programs
from .order import Order

_AUTH = "/run/bindery/{}/config.json"
_SETTINGS = 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"\n'
_INSECURE = "\n[[registry]]\nlocation = {}\ninsecure = true\n"


def variables(order: Order) -> dict[str, str]:
    """The environment of a program that speaks to registries."""
    text = _SETTINGS + "".join(_INSECURE.format(json.dumps(host)) for host in order.insecure)
    descriptor, path = tempfile.mkstemp(suffix=".conf")
    with open(descriptor, "w") as file:
        file.write(text)
    authority = {"SSL_CERT_FILE": order.ca} if order.ca else {}
    return {"CONTAINERS_REGISTRIES_CONF": path, **authority}


def authentication(stage: str) -> list[str]:
    """The option that names the stage's credentials, where it was given any."""
    path = _AUTH.format(stage)
    return ["--authfile", path] if os.path.exists(path) else []


def copy(order: Order, stage: str, source: str, target: str, *options: str) -> list[str]:
    """The program that copies an image, with the stage's credentials.

    Which registries speak plain http, this one has to be told by options: of the settings it
    takes only those of its own image.
    """
    sides = (("src", source), ("dest", target))
    plain = [f"--{side}-tls-verify=false" for side, name in sides if _host(name) in order.insecure]
    words = ["skopeo", "--insecure-policy", "copy", *authentication(stage), *plain, *options]
    return [*words, "--", source, target]


def _host(name: str) -> str:
    return name.removeprefix("docker://").partition("/")[0]


def buildah(order: Order) -> list[str]:
    """How buildah is called, with its storage.

    The overlay driver copies nothing, but not every kernel and file system lets it work here.
    """
    root = order.work / "storage"
    driver = "overlay" if _overlay(root) else "vfs"
    return _words(root, order.work / "run", driver)


def _overlay(root: Path) -> bool:
    if root.exists():
        return (root / "overlay").exists()
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        words = _words(Path(folder, "root"), Path(folder, "run"), "overlay")
        return programs.answer([*words, "info"]).returncode == 0


def _words(root: Path, run: Path, driver: str) -> list[str]:
    return ["buildah", "--root", str(root), "--runroot", str(run), "--storage-driver", driver]
