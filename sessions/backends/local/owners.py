"""Choose the uid of each person's sandboxes, and whose a folder is.

Under which uids people's folders lie from before: ``homes/.uids``, which travels with them.

A portal that is root gives each person a uid of their own, ``PORTAL_SANDBOX_UID_BASE`` and the
number of their row; as an ordinary user it has one uid for all. Either may change. What is noted
here, where nobody but the portal writes, proves that a folder of that uid is this person's.

Under which uid sandboxes run: an unprivileged one of each person's own, if we are root; and
whose a folder is. `uids` has under which uids somebody's folders may lie from before.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from sessions.errors import UserError

FILE = ".uids"


@dataclass(frozen=True)
class Given:
    """``bases``: what was counted from. ``own``: uids of the portal itself, which had all."""

    bases: Sequence[int] = ()
    own: Sequence[int] = ()


def note(homes: Path, *, base: int | None = None, own: int | None = None) -> None:
    """Keep it that people's folders lie under these uids, too."""
    known = given(homes)
    after = replace(known, bases=_with(known.bases, base), own=_with(known.own, own))
    if after != known:
        _write(homes / FILE, json.dumps(asdict(after)))


def given(homes: Path) -> Given:
    """Return what was noted; nothing where there is no note that can be read."""
    try:
        said = json.loads((homes / FILE).read_text())
        return Given(tuple(map(int, said["bases"])), tuple(map(int, said["own"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Given()


def before(homes: Path, owner_id: int) -> frozenset[int]:
    """Return the uids under which this person's folders may lie."""
    known = given(homes)
    return frozenset([*(base + owner_id for base in known.bases), *known.own])


def _with(known: Sequence[int], uid: int | None) -> Sequence[int]:
    return known if uid is None or uid in known else (*known, uid)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{FILE}-{uuid.uuid4().hex[:8]}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def builder() -> int:
    """The uid of builds, which belong to nobody."""
    return settings.PORTAL_SANDBOX_UID_BASE if os.geteuid() == 0 else os.geteuid()


def person(owner_id: int) -> int:
    """The uid of a person's notebooks. Only root can give one; otherwise it is our own."""
    return builder() + owner_id if os.geteuid() == 0 else os.geteuid()


def folder(path: Path, uid: int, mode: int) -> Path:
    """Make a folder of the portal's own work if it is not there, so that ``uid`` owns it.

    One that is there under another uid is handed over with all that this other uid has in it. What
    people keep is for `owned` alone, and the folders above it for `shelf`.
    """
    if not _made(path, uid, mode) and os.geteuid() == 0:
        hand_over_all(path, uid)
    return path


def shelf(path: Path, mode: int) -> Path:
    """Make a folder in which the folders of people or their runs lie; those are left alone."""
    if not _made(path, 0, mode) and os.geteuid() == 0 and path.stat().st_uid != 0:
        os.chown(path, 0, 0)
    return path


def owned(path: Path, owner_id: int, homes: Path) -> Path:
    """Make a person's own folder if it is not there.

    One that is there under another uid is theirs where that is what they were given before (see
    `uids`). Raises `UserError` for any other: it may be somebody else's, and is left as it is.
    """
    uid = person(owner_id)
    note_uids(homes)
    if _made(path, uid, 0o700) or os.geteuid() != 0 or (there := path.stat().st_uid) == uid:
        return path
    if there not in before(homes, owner_id):
        message = _(
            "The folder %(path)s belongs to another account of this machine (uid %(there)d and not"
            " %(uid)d), so the notebook was not started and no file was touched. Tell the staff:"
            " “manage.py adopt_volume” gives the folder of a person's own files to them."
        )
        words = {"path": f"{path.parent.name}/{path.name}", "there": there, "uid": uid}
        raise UserError("spawn.folder-owner", message % words)
    hand_over_all(path, uid)
    return path


def note_uids(homes: Path) -> None:
    """Note under which uids people's folders are made from now on."""
    if os.geteuid() == 0:
        note(homes, base=builder())
    else:
        note(homes, own=os.geteuid())


def hand_over_all(path: Path, uid: int) -> bool:
    """Give ``uid`` the folder and whatever its owner has in it, but nobody else's; say whether it
    was another one's. Links are not followed."""
    there = path.stat().st_uid
    if there != uid:
        words = ["chown", "-hR", f"--from={there}", f"{uid}:{uid}", "--", str(path)]
        subprocess.run(words, check=True)
    return there != uid


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


def _made(path: Path, uid: int, mode: int) -> bool:
    """Make the folder, so that ``uid`` owns it; False if it is there. Its parents are ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        return False
    os.chmod(path, mode)  # whatever the umask is
    if os.geteuid() == 0:
        os.chown(path, uid, uid)
    return True
