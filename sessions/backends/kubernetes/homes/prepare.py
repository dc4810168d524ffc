"""Prepare a project's kept folder so that its notebook can start; a program of the notebook's pod.

    python3 … NAME COMMIT [CONTENT-FOLDER CONTENT-COMMIT UNLESS-PULLER]

Runs in an init container with the notebook's own image, as the notebook's user. The image's
/home/jovyan fills the folder at the first start and is merged into it at a new commit
(`sessions.repofiles.merge`). The termination message is one line of JSON, which `helper_pods`
reads: ``code`` and ``path`` or ``why`` if the notebook cannot start; else ``size`` in bytes,
``merge`` with the merge's report, ``left`` with the code that prevented the merge, ``content`` with
the report of a second repository, which `bindery_builder.fetch` has cloned before, and ``start``
with the path of the repository's start script. ``room`` says what takes the room in a volume that
is full or nearly full.

Neighbours: `folders`; `pods`, which makes the container.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from . import folders

SOURCE = "/home/jovyan"
VOLUME = "/run/bindery/volume"
TERMINATION_LOG = "/dev/termination-log"
BLOCKED = "spawn.home-blocked"
FULL = "spawn.volume-full"
READ_ONLY = "spawn.volume-read-only"
FAILED = "spawn.home-failed"
CONTENT = "spawn.content"
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
MERGE_PROGRAM = "merge.py"
RECORD = "files.json"
CONTENT_FOLDER = "/run/bindery/content"
CONTENT_RECORD = "content.json"
CLONE, CLONE_FAILED = "repository", "failed.json"
"""The folder that the container for the content leaves: with a clone, or why there is none."""
NO_SOURCE = "merge.no-source"
_PULLERS = ("/opt/*", "/srv/*", "/opt/conda/envs/*", "/srv/conda/envs/*", "/usr", "/usr/local")
"""Where nbgitpuller may be installed, beside the Python that runs this."""
START_VARIABLE = "R2D_ENTRYPOINT"
"""Names the start script that the entry point runs, in images of repo2docker and of the builder."""
START_FOLDER = "/run/bindery/start"
"""A folder of the pod, which is only there if the notebook is to run the start script as built."""
BUILT_START = "start"
NO_START = '#!/bin/sh\nexec "$@"\n'
MAX_START_LENGTH = 200
SSH = ".ssh"
"""The pod mounts its own folder here; the kept folder has an empty one as the mount point."""
MEASURE_SECONDS = 5.0
"""Time limit for measuring at a start; a helper has more time later."""
NEARLY_FULL = 20_000_000
"""Free bytes from which on JupyterLab's own files no longer surely fit."""
MAX_MESSAGE_BYTES = 4000
"""Bytes: the cluster keeps not much more of a container's termination message."""


def main(argv: list[str]) -> None:
    """Prepare the folder and write the termination message.

    Exits with 1 if the notebook cannot start.
    """
    name, commit, *content = argv
    os.umask(0o022)
    message = prepare_home(name, commit, run_merge, content=content)
    with open(TERMINATION_LOG, "w", encoding="ascii") as file:
        file.write(bounded_json(message))
    sys.exit("code" in message)


def run_merge(source: str, target: str, record: str, commit: str) -> dict[str, Any]:
    """Run the merge program, which lies beside this module in the pod."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), MERGE_PROGRAM)
    words = [sys.executable, "-IS", "-X", "utf8", program, source, target, record, commit]
    done = subprocess.run(words, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def prepare_home(
    name: str,
    commit: str,
    merge: Callable[[str, str, str, str], dict[str, Any]],
    source: str = SOURCE,
    volume: str = VOLUME,
    *,
    content: Sequence[str] = (),
    clones: str = CONTENT_FOLDER,
) -> dict[str, Any]:
    """Prepare the folder and return the termination message.

    ``content`` is empty, or has the folder, the commit and "1" if nbgitpuller does it better.
    ``merge`` takes source, target, record and commit, and returns the merge's report, or its
    ``error`` with ``code`` and ``message``. May be repeated; if interrupted, the next call
    continues.
    """
    message = _prepare(name, commit, merge, source, volume)
    if content and "code" not in message:
        found = merge_content(name, content, merge, volume, clones)
        message = found if "code" in found else {**message, "content": found}
    return {**message, **_room(volume, name, FULL in (message.get("code"), message.get("left")))}


def _room(volume: str, name: str, is_full: bool) -> dict[str, Any]:
    """Return ``room`` for the message if the volume is full or nearly full."""
    try:
        disk = os.statvfs(volume)
    except OSError:
        return {}
    free = disk.f_bavail * disk.f_frsize
    if not is_full and free > NEARLY_FULL:
        return {}
    return {
        "room": {"free": free, "largest": folders.largest_entries(volume, name, MEASURE_SECONDS)}
    }


def _prepare(
    name: str,
    commit: str,
    merge: Callable[[str, str, str, str], dict[str, Any]],
    source: str,
    volume: str,
) -> dict[str, Any]:
    try:
        folder = folders.open_path(volume, (*folders.HOMES, name), make=True)
        os.close(folders.open_path(volume, (*folders.RECORDS, name), make=True))
        record = os.path.join(volume, *folders.RECORDS, name, RECORD)
        target = os.path.join(volume, *folders.HOMES, name)
        report = merge(_source_or_empty(source), target, record, commit)
        message = _termination_message(report, os.path.exists(record))
        if "code" not in message:
            ensure_ssh_folder(folder)
            ensure_working_folder(folder, source, os.getcwd())
            keep_start(os.environ.get(START_VARIABLE, ""))
    except folders.Blocked as blocked:
        return {"code": BLOCKED, "path": blocked.path}
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or 0
        return {"code": CODES.get(number, FAILED), "why": str(error)[:300]}
    if "code" in message:
        return message
    script = os.environ.get(START_VARIABLE, "")[:MAX_START_LENGTH]
    start = {"start": script} if script else {}
    return {**message, "size": folders.size(folder, MEASURE_SECONDS), **start}


def merge_content(
    name: str,
    content: Sequence[str],
    merge: Callable[[str, str, str, str], dict[str, Any]],
    volume: str,
    clones: str,
    prefix: str = sys.prefix,
) -> dict[str, Any]:
    """Merge the clone of the content into its folder; return the merge's report.

    It has ``left``, the reason, if the folder stays as it was, and ``code`` and ``why`` if there is
    nothing to start with. The clone is removed, since it would take room as long as the pod lives.
    """
    folder, commit, unless_puller = content
    clone = os.path.join(clones, CLONE)
    target = os.path.join(volume, *folders.HOMES, name, folder)
    record = os.path.join(volume, *folders.RECORDS, name, CONTENT_RECORD)
    if unless_puller and has_puller(prefix):
        report: dict[str, Any] = {}
    else:
        report = merge("", target, record, commit)
        if report.get("error", {}).get("code") == NO_SOURCE and os.path.isdir(clone):
            report = merge(clone, target, record, commit)
    shutil.rmtree(clone, ignore_errors=True)
    named = {"folder": folder, "commit": commit}
    if "error" not in report:
        return {**report, **named} if report else {}
    why = _content_failure(report["error"], clones)
    if os.path.exists(record):
        return {**named, "left": why}
    return {"code": CONTENT, "why": why}


def _content_failure(error: dict[str, Any], clones: str) -> str:
    """Return why there is no new content: what fetching has said, if that is the reason."""
    why = error.get("message")
    with suppress(OSError, ValueError), open(os.path.join(clones, CLONE_FAILED)) as file:
        why = json.load(file)["message"] if error.get("code") == NO_SOURCE else why
    return str(why)[:300]


def has_puller(prefix: str) -> bool:
    """Return whether the image has nbgitpuller, which fetches the content itself.

    ``prefix`` is that of the Python that runs this.
    """
    places = (prefix, *_PULLERS)
    kinds = (
        "lib/python3*/site-packages",
        "lib/python3*/dist-packages",
        "lib/python3/dist-packages",
    )
    return any(glob.glob(f"{place}/{kind}/nbgitpuller") for place in places for kind in kinds)


def keep_start(script: str, folder: str = START_FOLDER) -> None:
    """Copy the image's start script, which the person's files will hide, to the pod's folder."""
    if not os.path.isdir(folder):
        return
    kept = os.path.join(folder, BUILT_START)
    if os.path.isfile(script):
        shutil.copyfile(script, kept)
    else:
        with open(kept, "w", encoding="ascii") as file:
            file.write(NO_START)
    os.chmod(kept, 0o700)


def _source_or_empty(source: str) -> str:
    """Return ``source``, or an empty folder if the image has none."""
    return source if os.path.isdir(source) else tempfile.mkdtemp()


def _termination_message(report: dict[str, Any], was_filled: bool) -> dict[str, Any]:
    """Return the message for a merge's report.

    A folder that was filled before is good enough to start with, whatever prevented the merge.
    """
    error = report.get("error")
    if not error:
        return {"merge": report}
    code = MERGE_CODES.get(error.get("code"), FAILED)
    why = str(error.get("message"))[:300]
    return {"left": code, "why": why} if was_filled else {"code": code, "why": why}


def ensure_ssh_folder(folder: int) -> None:
    """Make sure that `SSH` is a folder; anything else of that name is renamed and kept.

    A mount would follow a link there, and would create a missing folder as another user.
    """
    with suppress(FileNotFoundError):
        found = os.stat(SSH, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            return
        os.rename(SSH, f"{SSH}.kept-{found.st_ino}", src_dir_fd=folder, dst_dir_fd=folder)
    os.mkdir(SSH, 0o700, dir_fd=folder)


def ensure_working_folder(folder: int, source: str, working: str) -> None:
    """Create the image's working folder if it is below ``source`` and missing.

    Otherwise the node would create it as another user.
    """
    path = os.path.relpath(working, source)
    if path == os.curdir or path.split("/")[0] == os.pardir:
        return
    with suppress(folders.Blocked, OSError):  # the person's own file wins
        os.close(folders.open_below(os.dup(folder), path.split("/"), make=True))


def bounded_json(message: dict[str, Any]) -> str:
    """Return it as JSON of at most `MAX_MESSAGE_BYTES` bytes; lists of names are shortened."""
    for most in (None, 20, 5, 1, 0):
        text = json.dumps(_shortened(message, most))
        if len(text) <= MAX_MESSAGE_BYTES:
            return text
    return json.dumps({"size": message.get("size")})


def _shortened(value: Any, most: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each, most) for key, each in value.items()}
    return value[:most] if isinstance(value, list) else value
