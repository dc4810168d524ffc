"""Fetch a commit alone, and then the history, branches and tags, as far as they fit.

A history may be a hundred times as large as the files. Nobody waits for it longer than a minute,
and it never makes a repository too large: what has no room or comes too late is left to a ``git
fetch`` in the notebook.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from contextlib import suppress

from .command import ask_git, git_folder, run_git, shown

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


def fetch_commit(folder: str, url: str, commit: str, ref: str) -> bool:
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


def fetch_history(folder: str, commit: str, ref: str, room: int) -> list[str]:
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
    names = [_BRANCHES, _TAGS]
    if len(found) > MAX_REFS:
        names = [own] if is_branch else []
        notes.append(
            f"The repository has {len(found):,} branches and tags. Only "
            + (f"“{shown(branch)}” was fetched." if is_branch else "the commit was fetched.")
        )
    bound = min(room, MAX_HISTORY_BYTES)
    if names and not (
        bound > 0 and _fetch_bounded(folder, bound, *_whole(folder), "origin", *names)
    ):
        _remove_rests(folder)
        notes.append(
            "The history is long, so only the latest commit was fetched. To get the rest, run "
            "“git fetch --unshallow” in a terminal of the notebook."
        )
        if is_branch and not _fetch_bounded(folder, max(room, 1), "--depth=1", "origin", own):
            ask_git(folder, "update-ref", f"refs/remotes/origin/{branch}", commit)
        names = [own] if is_branch else names
    if own in names:
        ask_git(folder, "config", "remote.origin.fetch", own)
    ask_git(folder, "pack-refs", "--all")
    _attach(folder, commit, branch if is_branch else "", default[1] if default else "")
    return notes


def complete_submodule(folder: str, room: int) -> None:
    """Fetch the history of a submodule, if it is not long; it stays at its commit."""
    bound, whole = min(room, MAX_SUBMODULE_BYTES), _whole(folder)
    if whole and bound > 0 and not _fetch_bounded(folder, bound, *whole, "origin"):
        _remove_rests(folder)


def _fetch_bounded(folder: str, file_bytes: int, *words: str) -> bool:
    command = (folder, *_FETCH, *words)
    return run_git(*command, file_bytes=file_bytes, seconds=MAX_HISTORY_SECONDS).succeeded


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
