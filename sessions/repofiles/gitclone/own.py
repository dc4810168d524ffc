"""Write what makes a clone work in a notebook without any set-up: exclusions, filter and hook.

The repository's work tree is the person's home folder, so programs keep their own files in it. Git
is told to ignore these, and nobody commits a key or a history by ``git add --all``. Files that the
repository itself has stay as they are.
"""

from __future__ import annotations

import os

from .command import ask_git, git_folder

_OURS = (
    "/.ssh/", "/.ssh.*/", "/.gnupg/", "/.netrc", "/.git-credentials", "/.gitconfig", "/.aws/",
    "/.bash_history", "/.python_history", "/.node_repl_history", "/.Rhistory", "/.lesshst",
    "/.wget-hsts", "/.viminfo", "/.sqlite_history",
    "/.ipython/", "/.jupyter/", "/.local/", "/.cache/", "/.config/", "/.npm/", "/.conda/",
    "/.virtual_documents/", "/.bindery-merge-*/", ".ipynb_checkpoints/", ".Trash-*/",
)  # fmt: skip
_EXCLUDE = "info/exclude"
_MARK = "# Files of the notebook's own programs (added by the portal)"

# Without git-lfs, a file with its content as committed counts as its pointer, so it is not
# reported as changed; a new content is committed as it is.
_CLEAN = (
    "if command -v git-lfs >/dev/null; then exec git-lfs clean -- %f; fi; "
    't=$(mktemp) || exit; cat >"$t"; s=$(sha256sum <"$t" | cut -c 1-64); '
    'if git cat-file blob :0:%f 2>/dev/null | grep -q "^oid sha256:$s"; '
    'then git cat-file blob :0:%f; else cat "$t"; fi; s=$?; rm -f "$t"; exit $s'
)
_SMUDGE = "if command -v git-lfs >/dev/null; then exec git-lfs smudge -- %f; fi; cat"
_PRE_PUSH = """#!/bin/sh
# Upload files in Git LFS before the commits that name them.
command -v git-lfs >/dev/null || exit 0
exec git lfs pre-push "$@"
"""


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


def set_lfs_filter(folder: str) -> None:
    """Have git treat the contents of files in Git LFS as their pointers, with git-lfs or without.

    With git-lfs, changed files are uploaded as usual.
    """
    for name, value in (("clean", _CLEAN), ("smudge", _SMUDGE)):
        ask_git(folder, "config", f"filter.lfs.{name}", value)
    path = os.path.join(git_folder(folder), "hooks", "pre-push")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(_PRE_PUSH)
    os.chmod(path, 0o755)  # noqa: S103  (git runs a hook only then)
