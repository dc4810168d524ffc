"""Read git's own folders without git: HEAD, refs, and what is staged.

`scan_repository` lists the repository as it was built, and what of it cannot be taken.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator

from .rule import FILE, FOLDER, LINK, OTHER, Entry, GitState
from .tree import Tree, as_text, kind_of, permissions_of


def git_folders(paths: Iterable[bytes]) -> set[bytes]:
    """Return the folders that are git's: the repository's own and its submodules'.

    ``paths`` are all paths of a tree, relative to its root.
    """
    known = paths if isinstance(paths, dict) else set(paths)
    heads = (path[: -len(b"/HEAD")] for path in known if path.endswith(b"/HEAD"))
    return {path for path in heads if path + b"/objects" in known and path + b"/refs" in known}


def git_folder_of(path: bytes, git: Iterable[bytes]) -> bytes | None:
    """Return the innermost of the git folders ``git`` that the path lies in; None if in none."""
    path = os.path.dirname(path)
    while path:
        if path in git:
            return path
        path = os.path.dirname(path)
    return None


def is_object(path: bytes, git: set[bytes]) -> bool:
    """Return whether the path is one of the objects of these git folders."""
    home = git_folder_of(path, git) if git else None
    return home is not None and path.startswith(home + b"/objects/")


_IN_PROGRESS_FILES = (
    b"MERGE_HEAD", b"CHERRY_PICK_HEAD", b"REVERT_HEAD", b"BISECT_LOG", b"rebase-merge",
    b"rebase-apply", b"sequencer",
)  # fmt: skip
REFTABLE = "reftable"
REMOTES = "refs/remotes/"
TAGS = "refs/tags/"


def read_git(tree: Tree, home: bytes) -> GitState | None:
    """Return the state of the git folder at ``home``; None if that is not one."""
    head = tree.read(home + b"/HEAD", 10_000)
    if head is None or kind_of(tree.lstat(home + b"/objects")) != FOLDER:
        return None
    busy = any(tree.lstat(home + b"/" + name) for name in _IN_PROGRESS_FILES)
    return GitState(as_text(head).strip(), _refs(tree, home), _index_digest(tree, home), busy)


def _refs(tree: Tree, home: bytes) -> dict[str, str]:
    """Return the values of all refs by name, packed or not."""
    found = {}
    for line in (tree.read(home + b"/packed-refs") or b"").splitlines():
        value, _blank, name = as_text(line).partition(" ")
        if name.startswith("refs/"):
            found[name] = value
    if kind_of(tree.lstat(home + b"/refs")) == FOLDER:
        for path, there in tree.walk(home + b"/refs"):
            if kind_of(there) == FILE and not path.endswith(b".lock"):
                found[as_text(path[len(home) + 1 :])] = as_text(
                    tree.read(path, 10_000) or b""
                ).strip()
    tables = tree.read(home + b"/reftable/tables.list")
    return found if tables is None else {**found, REFTABLE: as_text(tables)}


def _index_digest(tree: Tree, home: bytes) -> str:
    """Return a digest of what is staged, the same after a `git status`; "" without an index."""
    content = tree.read(home + b"/index")
    if content is None:
        return ""
    found = hashlib.sha256()
    try:
        for part in _index_entries(content, object_name_bytes(tree, home)):
            found.update(part)
    except (struct.error, IndexError, ValueError):
        return "unknown " + hashlib.sha256(content).hexdigest()
    return found.hexdigest()


def object_name_bytes(tree: Tree, home: bytes) -> int:
    """Return the length of an object's name in bytes: 20 for SHA-1, 32 for SHA-256."""
    settings = tree.read(home + b"/config", 1_000_000) or b""
    return 32 if b"objectformat = sha256" in settings.lower() else 20


def _index_entries(index: bytes, wide: int) -> Iterator[bytes]:
    """Yield mode, flags, object and path of each entry of an index (gitformat-index).

    Raises `ValueError`, `IndexError` or `struct.error` for anything else.
    """
    mark, version, count = struct.unpack_from(">4sLL", index)
    if mark != b"DIRC" or version not in {2, 3, 4}:
        raise ValueError("no index")
    at, path = 12, b""
    for _entry in range(count):
        start = at
        (mode,) = struct.unpack_from(">L", index, at + 24)
        (flags,) = struct.unpack_from(">H", index, at + 40 + wide)
        name = at + 42 + wide + (2 if flags & 0x4000 else 0)
        if version == 4:
            cut, name = _read_varint(index, name)
            end = index.index(b"\0", name)
            path, at = path[: len(path) - cut] + index[name:end], end + 1
        else:
            end = index.index(b"\0", name)
            path, at = index[name:end], start + (end - start + 8) // 8 * 8
        more = index[start + 42 + wide : start + 44 + wide] if flags & 0x4000 else b""
        yield struct.pack(">LH", mode, flags & 0xF000) + more
        yield index[start + 40 : start + 40 + wide] + path + b"\0"


def _read_varint(index: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length as git writes it, and where it ends."""
    value = index[at] & 0x7F
    while index[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (index[at] & 0x7F)
    return value, at + 1


def is_untouched(mine: GitState, bases: list[GitState]) -> bool:
    """Return whether nothing in it is the person's: no commit, branch, tag, or staged change."""
    own = {name for git in (mine, *bases) for name in git.refs if not name.startswith(REMOTES)}
    return (
        not mine.in_progress
        and mine.head in {base.head for base in bases}
        and mine.staged in {base.staged for base in bases}
        and all(mine.refs.get(name) in {base.refs.get(name) for base in bases} for name in own)
    )


def is_same(mine: GitState, theirs: GitState) -> bool:
    """Return whether the person has that very commit: pulled it, or made and pushed it."""
    branch = theirs.head[5:] if theirs.head.startswith("ref: ") else ""
    return (
        not mine.in_progress
        and (mine.head, mine.staged) == (theirs.head, theirs.staged)
        and mine.refs.get(branch) == theirs.refs.get(branch)
    )


GIT_FILES = (b"objects/", b"refs/", b"logs/", b"index", b"HEAD", b"packed-refs", b"FETCH_HEAD",
             b"ORIG_HEAD", b"COMMIT_EDITMSG")  # fmt: skip


def should_move_ref(name: str, old: str | None, new: str, bases: list[GitState], mode: str) -> bool:
    """Return whether a ref of the person's becomes what the repository has.

    ``old`` is the person's value, ``new`` the repository's, ``mode`` one of `GitPlan.modes`.
    """
    if old == new:
        return False
    was = {base.refs.get(name) for base in bases}
    if name.startswith(REMOTES):
        return old is None or old in was
    if mode == "keep":
        return name.startswith(TAGS) and old is None and was <= {None}
    return old is None or old in was


def scan_repository(tree: Tree) -> tuple[dict[bytes, Entry], set[bytes]]:
    """Return everything in the repository as built, by path, and the paths that cannot be taken.

    Those cannot be read, or are neither file, folder nor link.
    """
    found, unreadable = _stat_all(tree)
    git = git_folders(found)
    entries: dict[bytes, Entry] = {}
    for path, there in found.items():
        kind = kind_of(there)
        try:
            if kind == FILE and not is_object(path, git):
                entries[path] = Entry(FILE, permissions_of(there), there.st_size, tree.digest(path))
            elif kind == LINK:
                entries[path] = Entry(LINK, digest_or_target=tree.readlink(path))
            elif kind == OTHER:
                unreadable.add(path)
            else:  # the name of a git object identifies its content
                size = there.st_size if kind == FILE else 0
                entries[path] = Entry(str(kind), permissions_of(there), size)
        except PermissionError:
            unreadable.add(path)
    return entries, unreadable


def _stat_all(tree: Tree) -> tuple[dict[bytes, os.stat_result], set[bytes]]:
    """Return everything below the root, and the folders that cannot be read."""
    found: dict[bytes, os.stat_result] = {}
    unreadable = set()
    for path, there in tree.walk():
        if there:
            found[path] = there
        else:
            found.pop(path, None)
            unreadable.add(path)
    return found, unreadable
