"""Prepare a project's kept folder so that its notebook can start; a program of the notebook's pod.

    python3 … NAME COMMIT

Runs in an init container with the notebook's own image, as the notebook's user. The image's
/home/jovyan fills the folder at the first start and is merged into it at a new commit
(`sessions.repofiles.merge`). The termination message is one line of JSON, which `words` reads:
``code`` and ``path`` or ``why`` if the notebook cannot start; else ``size`` in bytes, ``merge``
with the merge's report, and ``left`` with the code that prevented the merge.

Neighbours: `way` and `tree`; `pods`, which makes the container.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import folders

SOURCE = "/home/jovyan"
VOLUME = "/run/bindery/volume"
LAST_WORDS = "/dev/termination-log"
BLOCKED = "spawn.home-blocked"
FULL = "spawn.volume-full"
READ_ONLY = "spawn.volume-read-only"
FAILED = "spawn.home-failed"
CODES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
    errno.EROFS: READ_ONLY,
}
MERGE_CODES = {
    "merge.full": FULL,
    "merge.not-a-folder": BLOCKED,
    "merge.read-only": READ_ONLY,
    "merge.refused": READ_ONLY,
}
MERGE = "merge.py"
RECORD = "files.json"
SSH = ".ssh"
"""The pod mounts a folder of its own here: the kept one has an empty folder for that."""
SECONDS = 5.0
"""Time limit for measuring at a start; a helper has more time for it later."""
MOST = 4000
"""Bytes: the cluster keeps little more of a container's termination message."""


def main(words: list[str]) -> None:
    """Prepare the folder and write the termination message.

    Exits with 1 if the notebook cannot start.
    """
    name, commit = words
    os.umask(0o022)
    told = settled(name, commit, merged)
    with open(LAST_WORDS, "w", encoding="ascii") as file:
        file.write(bounded(told))
    sys.exit("code" in told)


def merged(source: str, target: str, record: str, commit: str) -> dict[str, Any]:
    """Run the merge program, which lies beside this module in the pod."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), MERGE)
    words = [sys.executable, "-IS", "-X", "utf8", program, source, target, record, commit]
    done = subprocess.run(words, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def settled(
    name: str,
    commit: str,
    merge: Callable[[str, str, str, str], dict[str, Any]],
    source: str = SOURCE,
    volume: str = VOLUME,
) -> dict[str, Any]:
    """Prepare the folder and return the termination message.

    ``merge`` takes source, target, record and commit, and returns the merge's report, or its
    ``error`` with ``code`` and ``message``. May be repeated; if interrupted, the next call
    continues.
    """
    try:
        folder = folders.opened(volume, (*folders.HOMES, name), make=True)
        os.close(folders.opened(volume, (*folders.RECORDS, name), make=True))
        record = os.path.join(volume, *folders.RECORDS, name, RECORD)
        target = os.path.join(volume, *folders.HOMES, name)
        report = merge(_there(source), target, record, commit)
        told = _told(report, os.path.exists(record))
        if "code" not in told:
            make_room_for_keys(folder)
            make_working_folder(folder, source, os.getcwd())
    except folders.Blocked as blocked:
        return {"code": BLOCKED, "path": blocked.path}
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or 0
        return {"code": CODES.get(number, FAILED), "why": str(error)[:300]}
    return told if "code" in told else {**told, "size": folders.size(folder, SECONDS)}


def _there(source: str) -> str:
    """Return ``source``, or an empty folder if the image has none."""
    return source if os.path.isdir(source) else tempfile.mkdtemp()


def _told(report: dict[str, Any], was_filled: bool) -> dict[str, Any]:
    """Return the message for a merge's report.

    A folder that was filled before is good enough to start with, whatever prevented the merge.
    """
    error = report.get("error")
    if not error:
        return {"merge": report}
    code = MERGE_CODES.get(error.get("code"), FAILED)
    why = str(error.get("message"))[:300]
    return {"left": code, "why": why} if was_filled else {"code": code, "why": why}


def make_room_for_keys(folder: int) -> None:
    """Make sure that `SSH` is a folder; anything else of that name is renamed and kept.

    A mount would follow a link there, and would create a missing folder as another user.
    """
    with suppress(FileNotFoundError):
        found = os.stat(SSH, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            return
        os.rename(SSH, f"{SSH}.kept-{found.st_ino}", src_dir_fd=folder, dst_dir_fd=folder)
    os.mkdir(SSH, 0o700, dir_fd=folder)


def make_working_folder(folder: int, source: str, working: str) -> None:
    """Create the image's working folder if it is below ``source`` and missing.

    Otherwise the node would create it as another user.
    """
    path = os.path.relpath(working, source)
    if path == os.curdir or path.split("/")[0] == os.pardir:
        return
    with suppress(folders.Blocked, OSError):  # where the person has something else, that counts
        os.close(folders.below(os.dup(folder), path.split("/"), make=True))


def bounded(told: dict[str, Any]) -> str:
    """Return it as JSON of at most `MOST` bytes; lists of names are shortened."""
    for most in (None, 20, 5, 1, 0):
        text = json.dumps(_shortened(told, most))
        if len(text) <= MOST:
            return text
    return json.dumps({"size": told.get("size")})


def _shortened(value: Any, most: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each, most) for key, each in value.items()}
    return value[:most] if isinstance(value, list) else value
