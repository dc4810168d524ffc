"""Locate the default data folder, and keep secrets in it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

SYSTEM_FOLDER = Path("/var/lib/bindery")


def default_folder(project: Path) -> Path:
    """Return ``data`` beside the code, or a system folder if notebooks could not reach that.

    A portal that runs as root gives its notebooks another uid, which cannot pass through folders
    that only root may enter (such as root's home).
    """
    private = any(not (parent.stat().st_mode & 0o001) for parent in (project, *project.parents))
    return SYSTEM_FOLDER if os.geteuid() == 0 and private else project / "data"


def secret(folder: Path, name: str) -> str:
    """Return the secret ``name`` in ``folder``, generated at the first call.

    All processes get the same one, even if two of them come first at once.
    """
    return written_once(folder / name, secrets.token_urlsafe(50))


def written_once(path: Path, text: str) -> str:
    """Write ``text`` to ``path`` unless the file exists, and return what the file holds.

    The file is complete or absent, even after a power cut, and only its owner can read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            _write(draft, text)
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync(path.parent)
    return path.read_text()


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
