"""Configure the programs that speak to registries, and choose buildah's image storage.

The credentials of a stage are a file that only its own container has.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from . import programs, references
from .buildspec import BuildSpec

_SETTINGS = 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"\n'
_INSECURE = "\n[[registry]]\nlocation = {}\ninsecure = true\n"
_BLOCKED = "\n[[registry]]\nlocation = {}\nblocked = true\n"


def buildah_environment(spec: BuildSpec, *, closed: bool = True) -> dict[str, str]:
    """Return the environment of buildah; see `write_settings`."""
    authority = {"SSL_CERT_FILE": spec.ca} if spec.ca else {}
    return {"CONTAINERS_REGISTRIES_CONF": write_settings(spec, closed=closed), **authority}


def write_settings(spec: BuildSpec, *, closed: bool) -> str:
    """Write the settings of programs that speak to registries; return the file's path.

    With ``closed``, nothing below the portal's own path can be pulled: only the portal's own
    requests have any business there, however the image was named.
    """
    shut = set(references.port_variants(spec.own_prefix)) if closed and spec.own_prefix else set()
    plain = set(spec.insecure) - shut
    text = _SETTINGS + "".join(_INSECURE.format(json.dumps(host)) for host in sorted(plain))
    text += "".join(_BLOCKED.format(json.dumps(place)) for place in sorted(shut))
    descriptor, path = tempfile.mkstemp(suffix=".conf")
    with open(descriptor, "w") as file:
        file.write(text)
    return path


def authfile_options(spec: BuildSpec, account: str) -> list[str]:
    """Return the option with an account's credentials, if the container was given any."""
    path = spec.accounts / account / "config.json"
    return ["--authfile", str(path)] if path.exists() else []


def copy_command(
    spec: BuildSpec, account: str, source: str, target: str, *options: str, closed: bool = False
) -> list[str]:
    """Return the command that copies an image as an account; ``closed`` as in `write_settings`.

    skopeo takes the settings file from an option, not from the variable, and also needs options to
    know which registries speak plain http.
    """
    sides = (("src", source), ("dest", target))
    plain = [f"--{side}-tls-verify=false" for side, name in sides if _host(name) in spec.insecure]
    known = ["--registries-conf", write_settings(spec, closed=closed)]
    words = ["skopeo", "--insecure-policy", *known, "copy", *authfile_options(spec, account)]
    return [*words, *plain, *options, "--", source, target]


def _host(name: str) -> str:
    return name.removeprefix("docker://").partition("/")[0]


def buildah_command(spec: BuildSpec) -> list[str]:
    """Return the buildah command with its storage.

    The overlay driver copies nothing, but not every kernel and file system allows it here.
    """
    root = spec.work / "storage"
    driver = "overlay" if _supports_overlay(root) else "vfs"
    return _command(root, spec.work / "run", driver)


def _supports_overlay(root: Path) -> bool:
    if root.exists():
        return (root / "overlay").exists()
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        words = _command(Path(folder, "root"), Path(folder, "run"), "overlay")
        return programs.capture([*words, "info"]).returncode == 0


def _command(root: Path, run: Path, driver: str) -> list[str]:
    return ["buildah", "--root", str(root), "--runroot", str(run), "--storage-driver", driver]
