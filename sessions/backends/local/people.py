"""Under which uid sandboxes run: an unprivileged one of each person's own, if we are root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from django.conf import settings


def builder() -> int:
    """The uid of builds, which belong to nobody."""
    return settings.PORTAL_SANDBOX_UID_BASE if os.geteuid() == 0 else os.geteuid()


def person(owner_id: int) -> int:
    """The uid of a person's notebooks. Only root can give one; otherwise it is our own."""
    return builder() + owner_id if os.geteuid() == 0 else os.geteuid()


def folder(path: Path, uid: int, mode: int) -> Path:
    """Make the folder if it is not there, so that ``uid`` owns it; its parents are ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        if os.geteuid() == 0 and path.stat().st_uid != uid:  # made under another base of uids
            subprocess.run(["chown", "-hR", f"{uid}:{uid}", "--", path], check=True)
        return path
    os.chmod(path, mode)  # whatever the umask is
    if os.geteuid() == 0:
        os.chown(path, uid, uid)
    return path


def hand_over(path: Path, uid: int) -> None:
    """Have a private folder belong to ``uid``, the only one who reads it; others stay as is."""
    there = path.stat()
    if os.geteuid() == 0 and there.st_uid != uid and not there.st_mode & 0o077:
        os.chown(path, uid, uid)


def as_user(uid: int) -> dict[str, Any]:
    """Arguments of `subprocess.run` that make the program run under ``uid``."""
    if os.geteuid() != 0:
        return {}
    return {"user": uid, "group": uid, "extra_groups": []}
