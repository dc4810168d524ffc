"""The repository as it was built: everything in it, and what of it cannot be taken."""

from __future__ import annotations

import os

from .gitfolders import git_folders, is_object
from .tree import Tree, kind_of, rights_of
from .values import FILE, LINK, OTHER, Entry


def scan(tree: Tree) -> tuple[dict[bytes, Entry], set[bytes]]:
    """Return everything in the repository as built, and what of it cannot be read or taken."""
    found, unreadable = _looked(tree)
    git = git_folders(found)
    entries: dict[bytes, Entry] = {}
    for path, there in found.items():
        kind = kind_of(there)
        try:
            if kind == FILE and not is_object(path, git):
                entries[path] = Entry(FILE, rights_of(there), there.st_size, tree.digest(path))
            elif kind == LINK:
                entries[path] = Entry(LINK, mark=tree.link(path))
            elif kind == OTHER:
                unreadable.add(path)
            else:  # the name of one of git's objects tells its content
                size = there.st_size if kind == FILE else 0
                entries[path] = Entry(str(kind), rights_of(there), size)
        except PermissionError:
            unreadable.add(path)
    return entries, unreadable


def _looked(tree: Tree) -> tuple[dict[bytes, os.stat_result], set[bytes]]:
    found: dict[bytes, os.stat_result] = {}
    unreadable = set()
    for path, there in tree.listing():
        if there:
            found[path] = there
        else:
            found.pop(path, None)
            unreadable.add(path)
    return found, unreadable
