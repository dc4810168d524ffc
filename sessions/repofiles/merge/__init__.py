"""Bring a repository as it was built into a person's folder.

An empty folder is filled; into any other the repository is merged as by a pull. Files that the
person left alone follow the repository, their own edits win, and where both changed a file the
repository's version is put beside it (`notes.txt.from-1a2b3c4`).

Run by its text (`program`): ``python3 -c TEXT [--adopt] SOURCE TARGET RECORD COMMIT``. It prints
one line of JSON: the report (see `merge`), or ``{"error": {"code", "message"}}`` with status 1.
``RECORD`` is a file outside of the target that says how each file was left: it is the third side of
the merge. ``--adopt`` changes no file: it records that the target was filled from the source before
there were records.

It may be killed at any time, and the disk may be full: new content is written to a hidden folder of
the target, synced, and only then renamed into place. So each file is the old one or the new one, a
full disk is known before anything was changed, and another run goes on, of the same commit or
another. Plans beside the record tell the files that killed runs had put in place from the person's
own.

The target belongs to a stranger's code: no link in it is followed, everything is reached by
descriptors, and a file that changed since it was looked at is left alone. Standard library only,
Python 3.8 or newer: it has to run in images that people made.

`main` is one merge: a `plan` (by the `rule`, and `gitplan` for git's own), then `staging`, which
also puts everything into place; `record` remembers. `tree` is how the disk is reached.
"""

from __future__ import annotations

from pathlib import Path

from sessions.repofiles import onefile

from .main import merge, sync_target
from .rule import DISK_FULL_ERRNOS, DISK_UNREACHABLE_ERRNOS, MergeFailed

__all__ = [
    "DISK_FULL_ERRNOS",
    "DISK_UNREACHABLE_ERRNOS",
    "MergeFailed",
    "merge",
    "program",
    "sync_target",
]

_MODULES = ("rule", "tree", "record", "gitfolders", "gitplan", "plan", "staging", "main")
"""Each comes after the ones that it imports."""


def program() -> str:
    """Return the package as the text of one program, which needs nothing else of the portal."""
    return onefile.joined(Path(__file__).parent, _MODULES)
