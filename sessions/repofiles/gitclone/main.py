"""Clone one repository: the commit, what a notebook needs of it, and then its history.

A history may be a hundred times as large as the files. Nobody waits for it longer than a minute,
and it never makes a repository too large: what has no room or comes too late is left to a ``git
fetch`` in the notebook.

The repository's work tree is the person's home folder, so programs keep their own files in it. Git
is told to ignore these, and nobody commits a key or a history by ``git add --all``. Files that the
repository itself has stay as they are.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress

from .command import (
    Ended,
    ask_git,
    disk_usage,
    exclude_own_files,
    git_folder,
    run_git,
    shown,
    shown_names,
)
from .lfs import LfsTooLarge, fetch_lfs_files
from .submodules import fetch_submodules

MAX_HISTORY_BYTES = 200_000_000
MAX_HISTORY_SECONDS = 60
MAX_SUBMODULE_BYTES = 20_000_000
MAX_REFS = 2000
"""Branches and tags of which all are fetched; of more, only the one that is checked out."""

_LISTED = re.compile(r"[0-9a-f]+\t(refs/.+)")
_DEFAULT = re.compile(r"^ref: refs/heads/(.+)\tHEAD$", re.MULTILINE)
_BRANCHES = "+refs/heads/*:refs/remotes/origin/*"
_TAGS = "+refs/tags/*:refs/tags/*"
_FETCH = ("fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
_GONE = re.compile(
    r"Could not resolve|Failed to connect|timed out|too slow|Connection (?:refused|reset)"
    r"|could not read Username|Permission denied|not found|error: [45]\d\d"
)
"""A server that says so would say so again."""
_CHECK_OUT = ("reset", "--hard", "--quiet")


def clone(folder: str, url: str, commit: str, ref: str, limit: int) -> tuple[bool, list[str]]:
    """Clone into the empty folder; return whether the commit is there, and notes.

    Raises `LfsTooLarge`.
    """
    if not _fetch_commit(folder, url, commit, ref):
        print(f"The commit {commit} could not be fetched.", flush=True)  # noqa: T201
        return False, []
    ask_git(folder, "update-ref", "--no-deref", "HEAD", commit)
    notes: list[str] = []
    done = run_git(folder, *_CHECK_OUT, hides_failure=True)
    if not done.succeeded:
        notes = _leave_out_long_names(folder)
        if not notes:
            sys.stderr.buffer.write(done.last.encode())
        if not notes or not run_git(folder, *_CHECK_OUT).succeeded:
            return False, []
    notes += fetch_lfs_files(folder, folder, limit)
    for submodule, note in fetch_submodules(folder):
        notes += [note] if note else fetch_lfs_files(submodule, folder, limit)
        if not note:
            _complete_submodule(submodule, limit - disk_usage(folder))
    notes += _notes_on_links(folder)
    notes += _fetch_history(folder, commit, ref, limit - disk_usage(folder))
    exclude_own_files(folder)
    return True, notes


def _fetch_commit(folder: str, url: str, commit: str, ref: str) -> bool:
    """Make a repository with the commit, without its history if the server can leave that out.

    ``ref`` is what the commit was found under, for servers that give nothing by its id.
    """
    hashes = "sha1" if len(commit) == 40 else "sha256"
    run_git(folder, "init", "--quiet", "--template=", f"--object-format={hashes}")
    run_git(folder, "remote", "add", "--", "origin", url)
    names = [ref] if ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}"]
    attempts = [["--depth=1", "origin", commit]]
    attempts += [["--depth=1", "origin", name] for name in names if ref and ref != commit]
    attempts += [["origin", _BRANCHES, _TAGS], ["origin", commit]]
    failures = ""
    for words in attempts:
        whole = [] if words[0].startswith("--") else _whole(folder)
        done = run_git(folder, *_FETCH, *whole, *words, hides_failure=True)
        if done.succeeded and _has(folder, commit):
            return True
        if not done.succeeded:
            failures += done.last
            if _GONE.search(done.last):
                break
    sys.stderr.buffer.write(failures.encode())
    return False


def _has(folder: str, commit: str) -> bool:
    return ask_git(folder, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}") != b""


def _whole(folder: str) -> list[str]:
    """Return the option that completes the history, if it is not complete."""
    return ["--unshallow"] if os.path.exists(os.path.join(git_folder(folder), "shallow")) else []


def _fetch_history(folder: str, commit: str, ref: str, room: int) -> list[str]:
    """Fetch history, branches and tags, and check the branch out that the commit is on.

    ``room`` is how many bytes they may take. Returns notes about what was left out.
    """
    listed = ask_git(folder, "ls-remote", "--symref", "origin", "HEAD", "refs/heads/*",
                     "refs/tags/*").decode("utf-8", "surrogateescape")  # fmt: skip
    found = [match[1] for match in map(_LISTED.fullmatch, listed.split("\n")) if match]
    default = _DEFAULT.search(listed)
    branch = ref or (default[1] if default else "")
    is_branch = f"refs/heads/{branch}" in found
    own = f"+refs/heads/{branch}:refs/remotes/origin/{branch}"
    notes = []
    names = [_BRANCHES, _TAGS] if found else [commit]
    if len(found) > MAX_REFS:
        names = [own] if is_branch else []
        notes.append(
            f"The repository has {len(found):,} branches and tags. Only "
            + (f"“{shown(branch)}” was fetched." if is_branch else "the commit was fetched.")
        )
    bound = min(room, MAX_HISTORY_BYTES)
    done = Ended(not names)
    if names and bound > 0:
        done = _fetch_bounded(folder, bound, *_whole(folder), "origin", *names)
    if not done.succeeded:
        _remove_rests(folder)
        why = _refusal(done)
        notes.append(
            (f"The history could not be fetched ({why})" if why else "The history is long")
            + ", so only the latest commit was. To get the rest, run “git fetch --unshallow” in a "
            "terminal of the notebook."
        )
        if (
            is_branch
            and not _fetch_bounded(folder, max(room, 1), "--depth=1", "origin", own).succeeded
        ):
            ask_git(folder, "update-ref", f"refs/remotes/origin/{branch}", commit)
        names = [own] if is_branch else names
    if own in names:
        ask_git(folder, "config", "remote.origin.fetch", own)
    ask_git(folder, "pack-refs", "--all")
    _attach(folder, commit, branch if is_branch else "", default[1] if default else "")
    return notes


def _complete_submodule(folder: str, room: int) -> None:
    """Fetch the history of a submodule, if it is not long; it stays at its commit."""
    bound, whole = min(room, MAX_SUBMODULE_BYTES), _whole(folder)
    if whole and bound > 0 and not _fetch_bounded(folder, bound, *whole, "origin").succeeded:
        _remove_rests(folder)


def _fetch_bounded(folder: str, file_bytes: int, *words: str) -> Ended:
    command = (folder, *_FETCH, *words)
    return run_git(*command, file_bytes=file_bytes, seconds=MAX_HISTORY_SECONDS)


def _refusal(done: Ended) -> str:
    """Return why the server did not give the history; "" if it was too large or took too long."""
    found = _GONE.search(done.last) and re.search(r"^fatal: (.+)", done.last, re.MULTILINE)
    return shown(found[1]) if found else ""


def _remove_rests(folder: str) -> None:
    """Remove what a fetch that was ended has left."""
    git = git_folder(folder)
    for path in (*glob.glob(f"{glob.escape(git)}/objects/pack/tmp_*"), f"{git}/shallow.lock"):
        with suppress(FileNotFoundError):
            os.unlink(path)


def _attach(folder: str, commit: str, branch: str, default: str) -> None:
    """Leave the repository as a clone would: on the branch, if it is on one."""
    if default and ask_git(folder, "rev-parse", "--verify", f"refs/remotes/origin/{default}"):
        remote = "refs/remotes/origin"
        ask_git(folder, "symbolic-ref", f"{remote}/HEAD", f"{remote}/{default}")
    if branch:
        ask_git(folder, "update-ref", f"refs/heads/{branch}", commit)
        ask_git(folder, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        ask_git(folder, "config", f"branch.{branch}.remote", "origin")
        ask_git(folder, "config", f"branch.{branch}.merge", f"refs/heads/{branch}")


def _leave_out_long_names(folder: str) -> list[str]:
    """Have git leave out the files whose names are too long here; return a note if there are any.

    Other systems count the characters of a name, Linux its bytes. Git takes such a file for
    unchanged, so nobody commits its removal.
    """
    ask_git(folder, "read-tree", "HEAD")
    paths = ask_git(folder, "ls-files", "-z").split(b"\0")
    found = [path for path in paths if _is_too_long(os.path.join(os.fsencode(folder), path))]
    if not found:
        return []
    stdin = b"".join(path + b"\0" for path in found)
    ask_git(folder, "update-index", "--skip-worktree", "-z", "--stdin", stdin=stdin)
    names = shown_names([os.fsdecode(path) for path in found])
    return [f"Left out, because Linux allows no file names of more than 255 bytes: {names}."]


def _is_too_long(path: bytes) -> bool:
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def _notes_on_links(folder: str) -> list[str]:
    """Return a note about symbolic links that lead nowhere, or out of the repository."""
    found = sorted(_links_elsewhere(os.path.realpath(folder)))
    if not found:
        return []
    return [
        (
            f"Symbolic links that lead nowhere in the repository, kept as they are: "
            f"{shown_names(found)}."
        )
    ]


def _links_elsewhere(folder: str) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(at, name)
            if os.path.islink(path):
                real = os.path.realpath(path)
                inside = real == folder or real.startswith(f"{folder}/")
                if not inside or not os.path.lexists(real):
                    where = os.path.relpath(path, folder)
                    yield f"{where} → {os.readlink(path)}"
        folders[:] = [name for name in folders if name != ".git"]


def main(argv: list[str]) -> int:
    """Clone into the current folder, and write the answer; see the package. Return the status."""
    url, commit, ref, limit, path = argv
    answer: dict[str, object] = {}
    is_there = False
    try:
        is_there, notes = clone(os.getcwd(), url, commit, ref, int(limit))
        answer = {"notes": notes} if is_there else {}
    except LfsTooLarge as error:
        size, most = int(error.args[0]) / 1e9, int(limit) / 1e9
        answer = {
            "code": "build.repository-too-large",
            "message": f"The repository's files in Git LFS take {size:.3g} GB. With them it is "
            f"larger than {most:.3g} GB, the limit here. Remove large files from it, and download "
            "them when the notebook runs.",
        }
    with open(path, "w") as file:
        json.dump(answer, file)
    return 0 if is_there else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
