"""Find a symbolic link in the place of a file that builds read. Standard library only.

Other links are the repository's own business: they are kept as they are, wherever they lead.
"""

from __future__ import annotations

import os

FOLDERS = ("", "binder", ".binder")
NAMES = (
    "Dockerfile", "requirements.txt", "requirements3.txt", "environment.yml", "environment.yaml",
    "runtime.txt", "apt.txt", "postBuild", "start", "setup.py", "setup.cfg", "pyproject.toml",
    "Pipfile", "Pipfile.lock", "install.R", "DESCRIPTION", "Project.toml", "JuliaProject.toml",
    "Manifest.toml", "REQUIRE", "default.nix", ".dockerignore", ".containerignore",
)  # fmt: skip


def escaping_build_file(repository: str | os.PathLike[str]) -> str:
    """Return the first file or folder for builds that lies outside of the repository, or ""."""
    inside = os.path.realpath(repository)
    for folder in FOLDERS:
        for name in ("", *NAMES):
            path = os.path.join(folder, name)
            real = os.path.realpath(os.path.join(inside, path))
            if real != inside and not real.startswith(f"{inside}/"):
                return path.rstrip("/")
    return ""
