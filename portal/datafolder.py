"""The embedded default's data folder: where it is, and the secrets kept in it."""

from __future__ import annotations

import os
import secrets
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
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = folder / f".{name}-{os.getpid()}-{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
