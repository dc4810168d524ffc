"""The embedded default's data folder: where it is, and the secrets kept in it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

SYSTEM_FOLDER = Path("/var/lib/bindery")


def default_folder(project: Path) -> Path:
    """``data`` beside the code, where the notebooks' user can get to it.

    A portal run as root gives its notebooks another uid, which cannot pass through folders
    that are root's alone (such as root's home): then it is a system folder.
    """
    private = any(not (parent.stat().st_mode & 0o001) for parent in (project, *project.parents))
    return SYSTEM_FOLDER if os.geteuid() == 0 and private else project / "data"


def secret(folder: Path, name: str) -> str:
    """The secret ``name`` in ``folder``, made at the first call; the same for all processes, also
    when two of them come first at once."""
    return written_once(folder / name, secrets.token_urlsafe(50))


def written_once(path: Path, text: str) -> str:
    """What the file at ``path`` holds: ``text``, if nobody was earlier. It is whole or not there,
    also after a power cut, and only its owner reads it."""
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
