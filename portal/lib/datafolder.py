"""Locate the default data folder, keep secrets in it, and lock it.

It is locked while a portal runs on it, or while none may be started.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError
from django.utils.translation import gettext as _

SYSTEM_FOLDER = Path("/var/lib/bindery")


def default_folder(project: Path) -> Path:
    """Return ``data`` beside the code, or a system folder if notebooks could not reach that.

    A portal that runs as root gives its notebooks another uid, which cannot pass through folders
    that only root may enter (such as root's home).
    """
    private = any(not (parent.stat().st_mode & 0o001) for parent in (project, *project.parents))
    return SYSTEM_FOLDER if os.geteuid() == 0 and private else project / "data"


def load_secret(folder: Path, name: str) -> str:
    """Return the secret ``name`` in ``folder``, generated at the first call.

    All processes get the same one, even if two of them come first at once.
    """
    return write_once(folder / name, secrets.token_urlsafe(50))


def write_once(path: Path, text: str) -> str:
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
        sync(path.parent)
    return path.read_text()


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def sync(folder: Path) -> None:
    """Flush the names in a folder to disk. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_lock() -> Iterator[None]:
    """Hold the data folder's lock during the block: two portals would start everything twice.

    Raises `CommandError` if another portal holds it.
    """
    settings.PORTAL_DATA.mkdir(parents=True, exist_ok=True)
    with (settings.PORTAL_DATA / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _(
                "A portal is already running on %(path)s. Stop it first, or set PORTAL_DATA to "
                "another folder."
            )
            raise CommandError(text % {"path": settings.PORTAL_DATA}) from None
        yield
