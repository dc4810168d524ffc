"""Clone one repository; see the package."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

from .command import ask_git, disk_usage, run_git, shown_names
from .history import complete_submodule, fetch_commit, fetch_history
from .lfs import LfsTooLarge, fetch_lfs_files
from .own import exclude_own_files
from .submodules import fetch_submodules


def clone(folder: str, url: str, commit: str, ref: str, limit: int) -> tuple[bool, list[str]]:
    """Clone into the empty folder; return whether the commit is there, and notes.

    Raises `LfsTooLarge`.
    """
    if not fetch_commit(folder, url, commit, ref):
        print(f"The commit {commit} could not be fetched.", flush=True)  # noqa: T201
        return False, []
    ask_git(folder, "update-ref", "--no-deref", "HEAD", commit)
    if not run_git(folder, "reset", "--hard", "--quiet").succeeded:
        return False, []
    notes = fetch_lfs_files(folder, folder, limit)
    for submodule, note in fetch_submodules(folder):
        notes += [note] if note else fetch_lfs_files(submodule, folder, limit)
        if not note:
            complete_submodule(submodule, limit - disk_usage(folder))
    notes += _notes_on_links(folder)
    notes += fetch_history(folder, commit, ref, limit - disk_usage(folder))
    exclude_own_files(folder)
    return True, notes


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
