"""Run git in a folder: its progress goes to the log, its last words are kept for an explanation."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from threading import Timer
from typing import NamedTuple

MAX_NAME_LENGTH = 200
_LAST_BYTES = 4000
_FAILURE = re.compile(rb"(?:^|[\r\n])(?:error|fatal): ")
_SETTINGS = (
    "advice.detachedHead=false",
    "core.bigFileThreshold=1m",
    "fetch.unpackLimit=1",  # one file for each fetch: a limit on files limits the fetch
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.version=2",
    "transfer.unpackLimit=1",
)


class Ended(NamedTuple):
    """How a command of git ended: whether it succeeded, and the end of what it complained of."""

    succeeded: bool
    last: str = ""


def run_git(
    folder: str, *words: str, file_bytes: int = 0, seconds: float = 0, hides_failure: bool = False
) -> Ended:
    """Run ``git <words>`` in the folder; its complaints and its progress go to the log.

    With ``file_bytes``, it fails when it writes a larger file; with ``seconds``, when it takes
    longer. With ``hides_failure``, the reason for which it fails is not in the log.
    """

    def bound() -> None:
        _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        most = file_bytes if hard == resource.RLIM_INFINITY else min(file_bytes, hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))

    with subprocess.Popen(
        _command(words),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=bound if file_bytes else None,  # noqa: PLW1509  (there is one thread)
    ) as process:
        timer = Timer(seconds, process.terminate)
        if seconds:
            timer.start()
        last = _pass_on(process, hides_failure)
        timer.cancel()
    return Ended(process.returncode == 0, last.decode("utf-8", "replace"))


def _pass_on(process: subprocess.Popen[bytes], hides_failure: bool) -> bytes:
    """Write what the process complains of to the log, until it ends; return the last of it."""
    last = b""
    while process.stderr and (piece := os.read(process.stderr.fileno(), 65536)):
        last = (last + piece)[-_LAST_BYTES:]
        if not (hides_failure and _FAILURE.search(last)):
            sys.stderr.buffer.write(piece)
            sys.stderr.buffer.flush()
    process.wait()
    return last


def ask_git(folder: str, *words: str, stdin: bytes = b"") -> bytes:
    """Return what ``git <words>`` prints; b"" if it fails."""
    done = subprocess.run(
        _command(words),
        cwd=folder,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return done.stdout if done.returncode == 0 else b""


def _command(words: tuple[str, ...]) -> list[str]:
    settings = (word for each in _SETTINGS for word in ("-c", each))
    return ["git", *settings, *words]


def git_folder(folder: str) -> str:
    """Return the absolute path of the git folder of a work tree."""
    return os.fsdecode(ask_git(folder, "rev-parse", "--absolute-git-dir").rstrip(b"\n"))


def disk_usage(folder: str) -> int:
    """Return the bytes that everything below the folder takes on disk."""
    paths = (os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
    return sum(os.lstat(path).st_blocks * 512 for path in paths)


def shown(text: str) -> str:
    """Return a name, address or message for a sentence: printable, at most 200 characters."""
    plain = os.fsencode(text).decode("utf-8", "replace")
    printable = "".join(each if each.isprintable() else " " for each in plain)
    words = " ".join(printable.split())
    return words if len(words) <= MAX_NAME_LENGTH else words[:MAX_NAME_LENGTH] + "…"


def shown_names(names: list[str], most: int = 5) -> str:
    """Return the first names, and how many more there are."""
    some = ", ".join(shown(name) for name in names[:most])
    return some if len(names) <= most else f"{some} and {len(names) - most:,} more"


_OURS = (
    "/.ssh/", "/.ssh.*/", "/.gnupg/", "/.netrc", "/.git-credentials", "/.gitconfig", "/.aws/",
    "/.bash_history", "/.python_history", "/.node_repl_history", "/.Rhistory", "/.lesshst",
    "/.wget-hsts", "/.viminfo", "/.sqlite_history",
    "/.ipython/", "/.jupyter/", "/.local/", "/.cache/", "/.config/", "/.npm/", "/.conda/",
    "/.virtual_documents/", "/.bindery-merge-*/", ".ipynb_checkpoints/", ".Trash-*/",
)  # fmt: skip
_EXCLUDE = "info/exclude"
_MARK = "# Files of the notebook's own programs (added by the portal)"


def exclude_own_files(folder: str) -> None:
    """Have git ignore what programs of a notebook keep in its home folder.

    A folder of which the repository has files is not excluded as a whole, except for keys.
    """
    paths = ask_git(folder, "ls-files", "-z").decode("utf-8", "replace").split("\0")
    tracked = {path.partition("/")[0] for path in paths if "/" in path}
    lines = [each for each in _OURS if each.startswith("/.ssh") or each.strip("/") not in tracked]
    path = os.path.join(git_folder(folder), _EXCLUDE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a") as file:
        file.write("\n".join([_MARK, *lines, ""]))
