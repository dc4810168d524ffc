"""Choose the uid of each person's sandboxes, and whose a folder is.

A portal that runs as root gives each person an unprivileged uid of their own,
``PORTAL_SANDBOX_UID_BASE`` plus the number of their row; as an ordinary user it has one uid for
all. Either may change. ``homes/.uids``, which only the portal can write and which travels with the
folders, notes the uids used before: it proves that a folder of such a uid is this person's.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from sessions.errors import UserError

from .keeper.files import write_atomically

UIDS_FILE = ".uids"


@dataclass(frozen=True)
class KnownUids:
    """The uids used so far.

    ``bases`` are those that people's were counted from, ``own`` those of the portal itself, which
    owned everything.
    """

    bases: Sequence[int] = ()
    own: Sequence[int] = ()


def record_uids(homes: Path, *, base: int | None = None, own: int | None = None) -> None:
    """Record that people's folders may also have these uids."""
    known = known_uids(homes)
    after = replace(known, bases=_add_uid(known.bases, base), own=_add_uid(known.own, own))
    if after != known:
        write_atomically(homes / UIDS_FILE, json.dumps(asdict(after)))


def known_uids(homes: Path) -> KnownUids:
    """Return what was noted; empty if there is no readable note."""
    try:
        said = json.loads((homes / UIDS_FILE).read_text())
        return KnownUids(tuple(map(int, said["bases"])), tuple(map(int, said["own"])))
    except (OSError, ValueError, KeyError, TypeError):
        return KnownUids()


def former_uids(homes: Path, owner_id: int) -> frozenset[int]:
    """Return the uids that this person's folders may have."""
    known = known_uids(homes)
    return frozenset([*(base + owner_id for base in known.bases), *known.own])


def _add_uid(known: Sequence[int], uid: int | None) -> Sequence[int]:
    return known if uid is None or uid in known else (*known, uid)


def builder_uid() -> int:
    """Return the uid of builds, which belong to nobody."""
    return settings.PORTAL_SANDBOX_UID_BASE if os.geteuid() == 0 else os.geteuid()


def person_uid(owner_id: int) -> int:
    """Return the uid of a person's notebooks. Only root can assign one; otherwise it is our own."""
    return builder_uid() + owner_id if os.geteuid() == 0 else os.geteuid()


def make_folder(path: Path, uid: int, mode: int) -> Path:
    """Make a folder for the portal's own work if it does not exist, owned by ``uid``.

    If it exists under another uid, it is handed over with everything of that uid in it. Folders
    that people keep are for `make_person_folder` alone, and the folders above those for
    `make_shared_folder`.
    """
    if not _make(path, uid, mode) and os.geteuid() == 0:
        chown_all(path, uid)
    return path


def make_shared_folder(path: Path, mode: int) -> Path:
    """Make a folder that holds people's folders or runs; those inside are left alone."""
    if not _make(path, 0, mode) and os.geteuid() == 0 and path.stat().st_uid != 0:
        os.chown(path, 0, 0)
    return path


def make_person_folder(path: Path, owner_id: int, homes: Path) -> Path:
    """Make a person's own folder if it does not exist.

    If it exists under another uid, it is theirs if they were given that uid before (see
    `former_uids`). Raises `UserError` otherwise: it may be somebody else's, and is left as it is.
    """
    uid = person_uid(owner_id)
    record_current_uids(homes)
    if _make(path, uid, 0o700) or os.geteuid() != 0 or (there := path.stat().st_uid) == uid:
        return path
    if there not in former_uids(homes, owner_id):
        message = _(
            "The folder %(path)s belongs to another account on this machine (uid %(there)d "
            "instead of %(uid)d), so the notebook was not started. No file was changed. Tell the "
            "staff: “manage.py adopt_volume” gives people the folder with their own files."
        )
        words = {"path": f"{path.parent.name}/{path.name}", "there": there, "uid": uid}
        raise UserError("spawn.folder-owner", message % words)
    chown_all(path, uid)
    return path


def record_current_uids(homes: Path) -> None:
    """Note the uids under which people's folders are made from now on."""
    if os.geteuid() == 0:
        record_uids(homes, base=builder_uid())
    else:
        record_uids(homes, own=os.geteuid())


def chown_all(path: Path, uid: int) -> bool:
    """Give ``uid`` the folder and everything its owner has in it, but nobody else's files.

    Return whether it had another owner. Links are not followed.
    """
    there = path.stat().st_uid
    if there != uid:
        words = ["chown", "-hR", f"--from={there}", f"{uid}:{uid}", "--", str(path)]
        subprocess.run(words, check=True)
    return there != uid


def chown_private(path: Path, uid: int) -> None:
    """Make ``uid`` the owner of a private folder, as its only reader; leave others as they are."""
    there = path.stat()
    if os.geteuid() == 0 and there.st_uid != uid and not there.st_mode & 0o077:
        os.chown(path, uid, uid)


def as_user(uid: int) -> dict[str, Any]:
    """Return the arguments of `subprocess.run` that make the program run under ``uid``."""
    if os.geteuid() != 0:
        return {}
    return {"user": uid, "group": uid, "extra_groups": []}


def _make(path: Path, uid: int, mode: int) -> bool:
    """Make the folder, owned by ``uid``; False if it exists. Its parents are ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        return False
    os.chmod(path, mode)  # regardless of the umask
    if os.geteuid() == 0:
        os.chown(path, uid, uid)
    return True
