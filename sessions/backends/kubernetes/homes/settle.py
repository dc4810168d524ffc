"""Bring a project's kept folder to where its notebook can start; runs in the pod, by itself.

    python3 … NAME COMMIT

In an init container with the notebook's own image, as the notebook's user: what the image has in
/home/jovyan fills the folder at the first start and is merged into it at a new commit
(`sessions.repofiles.merge`). The last words are one line of JSON, which `words` reads: ``code``
and ``path`` or ``why`` where the notebook cannot start; else ``size`` in bytes, ``merge`` with
what the merge says, and ``left`` with the code that kept it from being done.

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

from . import tree, way

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
"""Where the pod puts a folder of its own over: the kept one has an empty one for that."""
SECONDS = 5.0
"""For measuring at a start; a helper has more time for it later."""
MOST = 4000
"""Bytes: the cluster keeps little more of a container's last words."""


def main(words: list[str]) -> None:
    """Do it, leave the last words, and exit with 1 where the notebook cannot start."""
    name, commit = words
    os.umask(0o022)
    told = settled(name, commit, merged)
    with open(LAST_WORDS, "w", encoding="ascii") as file:
        file.write(bounded(told))
    sys.exit("code" in told)


def merged(source: str, target: str, record: str, commit: str) -> dict[str, Any]:
    """Run the merge, which lies beside this module in the pod."""
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
    """Return the last words. ``merge`` takes source, target, record and commit, and returns the
    merge's report, or its ``error`` with ``code`` and ``message``.

    Done twice, it is done; broken off, it goes on the next time.
    """
    try:
        folder = way.opened(volume, (*way.HOMES, name), make=True)
        os.close(way.opened(volume, (*way.RECORDS, name), make=True))
        record = os.path.join(volume, *way.RECORDS, name, RECORD)
        target = os.path.join(volume, *way.HOMES, name)
        report = merge(_there(source), target, record, commit)
        told = _told(report, os.path.exists(record))
        if "code" not in told:
            make_room_for_keys(folder)
            make_working_folder(folder, source, os.getcwd())
    except way.Blocked as blocked:
        return {"code": BLOCKED, "path": blocked.path}
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or 0
        return {"code": CODES.get(number, FAILED), "why": str(error)[:300]}
    return told if "code" in told else {**told, "size": tree.size(folder, SECONDS)}


def _there(source: str) -> str:
    """An empty folder where the image has none."""
    return source if os.path.isdir(source) else tempfile.mkdtemp()


def _told(report: dict[str, Any], was_filled: bool) -> dict[str, Any]:
    """A folder that was filled before is good enough to start with, whatever kept the merge."""
    error = report.get("error")
    if not error:
        return {"merge": report}
    code = MERGE_CODES.get(error.get("code"), FAILED)
    why = str(error.get("message"))[:300]
    return {"left": code, "why": why} if was_filled else {"code": code, "why": why}


def make_room_for_keys(folder: int) -> None:
    """See that `SSH` is a folder: what mounts there would follow a link, and makes what is
    missing as another user. Anything else of that name is kept beside."""
    with suppress(FileNotFoundError):
        found = os.stat(SSH, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            return
        os.rename(SSH, f"{SSH}.kept-{found.st_ino}", src_dir_fd=folder, dst_dir_fd=folder)
    os.mkdir(SSH, 0o700, dir_fd=folder)


def make_working_folder(folder: int, source: str, working: str) -> None:
    """See that the image's working folder is there, where it is below ``source``; the node would
    make it as another user."""
    path = os.path.relpath(working, source)
    if path == os.curdir or path.split("/")[0] == os.pardir:
        return
    with suppress(way.Blocked, OSError):  # where the person has something else, that counts
        os.close(way.below(os.dup(folder), path.split("/"), make=True))


def bounded(told: dict[str, Any]) -> str:
    """Return it as JSON of `MOST` bytes at most: of the lists of names, only the first stay."""
    for most in (None, 20, 5, 1, 0):
        text = json.dumps(_shortened(told, most))
        if len(text) <= MOST:
            return text
    return json.dumps({"size": told.get("size")})


def _shortened(value: Any, most: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each, most) for key, each in value.items()}
    return value[:most] if isinstance(value, list) else value
