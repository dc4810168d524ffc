"""Serve the bundled examples: the folders under ``examples/`` as Git repositories.

`publish` makes a bare repository of each (`manage.py up` calls it), `serve` answers git's read-only
file protocol, and `list_examples` lists them for the home page. So an example launches like any
other address, even on a machine that reaches no Git host.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

NAMES = ("hello", "flowers")
SERVED = re.compile(
    r"HEAD|info/refs|objects/info/packs|objects/[0-9a-f]{2}/[0-9a-f]{38}"
    r"|objects/pack/pack-[0-9a-f]{40}\.(?:pack|idx)"
)
# A neutral name and a fixed date: the same files give the same commit on every machine.
AUTHOR = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (
        ("NAME", "Bindery"),
        ("EMAIL", "bindery@localhost"),
        ("DATE", "2026-01-01T00:00:00Z"),
    )
}


@dataclass(frozen=True)
class Example:
    """One example on the home page; git clones ``url``, and the notebook opens ``path``."""

    name: str
    title: str
    summary: str
    url: str
    path: str = "index.ipynb"


def list_examples() -> list[Example]:
    """Return the examples, simplest first, in the language of the request."""
    words = {
        "hello": (_("Hello"), _("One notebook and nothing to install: the quickest start.")),
        "flowers": (
            _("Flowers"),
            _("Packages to install, data prepared while building, and a plot of it."),
        ),
    }
    return [
        Example(name, *words[name], url=f"{settings.PORTAL_URL}/examples/{name}.git")
        for name in NAMES
    ]


def publish() -> None:
    """Create the repositories, or update them to the folders' contents. May be repeated."""
    for name in NAMES:
        repository = _repository(name)
        _git(repository, "init", "--quiet", "--bare", "--object-format=sha1", str(repository))
        _git(repository, "add", "--all", ".", folder=settings.BASE_DIR / "examples" / name)
        tree = _git(repository, "write-tree")
        commit = _git(repository, "commit-tree", tree, "-m", f"The {name} example")
        _git(repository, "symbolic-ref", "HEAD", "refs/heads/main")
        _git(repository, "update-ref", "refs/heads/main", commit)
        _git(repository, "update-server-info")


@require_safe
def serve(request: HttpRequest, name: str, path: str) -> HttpResponse:
    """Send one file of an example. Raises `Http404` for files that git does not ask for."""
    file = _repository(name) / path
    if name not in NAMES or not SERVED.fullmatch(path) or not file.is_file():
        raise Http404
    return HttpResponse(file.read_bytes(), content_type="application/octet-stream")


def _repository(name: str) -> Path:
    return Path(settings.PORTAL_DATA) / "examples" / f"{name}.git"


def _git(repository: Path, *arguments: str, folder: Path | None = None) -> str:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_DIR": str(repository),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **AUTHOR,
    }
    if folder:
        environment["GIT_WORK_TREE"] = str(folder)
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True
    )
    return done.stdout.decode().strip()
