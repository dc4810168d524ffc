"""Put the contents of files in Git LFS in the place of their pointers.

git-lfs would keep each content twice, in its own store and in the work tree, and both count against
the repository's limit. It is also missing on many machines and in most images, so this works
without it (`lfsserver`). Whoever has it in a notebook can use it there.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.request import Request

from .command import ask_git, disk_usage, git_folder, shown, shown_names
from .lfsserver import LfsRefused, LfsServer, fetch_content, may_use

_POINTER = re.compile(
    rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\r?\n"
    rb"(ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\r?\nsize ([0-9]{1,18})\s*"
)
_MAX_POINTER_BYTES = 1024
_AT_ONCE = 4
_CONFIGURATION = ".lfsconfig"

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


class LfsTooLarge(Exception):
    """The contents exceed the limit; the value is their size in bytes."""


class Pointer(NamedTuple):
    """A file whose content is in Git LFS: its path in the work tree, the content's id and size.

    ``has_extension`` means that only a program of its authors can read what the server has.
    """

    path: str
    oid: str
    size: int
    has_extension: bool = False


def fetch_lfs_files(folder: str, whole: str, limit: int) -> list[str]:
    """Replace the pointers of a work tree by their contents; return a note if any stays.

    ``whole`` is the folder whose files may take ``limit`` bytes. Raises `LfsTooLarge` before
    anything is fetched.
    """
    pointers = find_pointers(folder)
    if not pointers:
        return []
    needed = sum(pointer.size for pointer in pointers)
    if disk_usage(whole) + needed > limit:
        raise LfsTooLarge(needed)
    _set_filter(folder)
    by_object: defaultdict[str, list[Pointer]] = defaultdict(list)
    missing: defaultdict[str, list[str]] = defaultdict(list)
    for pointer in pointers:
        if pointer.has_extension:
            missing["they use an extension of Git LFS"].append(pointer.path)
        else:
            by_object[pointer.oid].append(pointer)
    print(f"Fetching {len(by_object):,} files from Git LFS", flush=True)  # noqa: T201
    for oid, why in list(_fetch_all(folder, by_object)):
        missing[shown(why)] += [pointer.path for pointer in by_object.pop(oid)]
    _update_index(folder, by_object)
    return [
        f"In Git LFS, but not fetched, because {why}: {shown_names(sorted(paths))}. "
        "Small text files are in their place."
        for why, paths in missing.items()
    ]


def _update_index(folder: str, by_object: dict[str, list[Pointer]]) -> None:
    """Note the files' sizes in the index: of another size, each would count as changed."""
    paths = [os.fsencode(each.path) for pointers in by_object.values() for each in pointers]
    ask_git(folder, "update-index", "-z", "--stdin", stdin=b"".join(path + b"\0" for path in paths))


def find_pointers(folder: str) -> list[Pointer]:
    """Return the pointers among the files that ``.gitattributes`` declares to be in Git LFS."""
    names = ask_git(folder, "ls-files", "-z")
    fields = ask_git(folder, "check-attr", "-z", "--stdin", "filter", stdin=names).split(b"\0")
    paths = (
        os.fsdecode(path)
        for path, value in zip(fields[:-1:3], fields[2::3], strict=True)
        if value == b"lfs"
    )
    return [found for path in paths if (found := _read_pointer(folder, path))]


def _read_pointer(folder: str, path: str) -> Pointer | None:
    try:
        there = os.lstat(os.path.join(folder, path))
        if not stat.S_ISREG(there.st_mode) or there.st_size > _MAX_POINTER_BYTES:
            return None
        with open(os.path.join(folder, path), "rb") as file:
            found = _POINTER.fullmatch(file.read())
    except OSError:
        return None
    if not found:
        return None
    return Pointer(path, found[2].decode(), int(found[3]), has_extension=found[1] is not None)


def _fetch_all(folder: str, by_object: dict[str, list[Pointer]]) -> Iterator[tuple[str, str]]:
    """Fetch each object into its files; yield the id of each that stays away, and why."""
    sizes = {oid: pointers[0].size for oid, pointers in by_object.items()}
    answered: dict[str, Request | LfsRefused] = {}
    why = "the server says nothing about them"
    try:
        answered.update(_server(folder).downloads(sizes))
    except LfsRefused as refused:
        why = str(refused)
    temporary = os.path.join(git_folder(folder), "lfs-download")
    os.makedirs(temporary, exist_ok=True)

    def fetch(oid: str) -> str:
        answer = answered.get(oid, LfsRefused(why))
        if isinstance(answer, LfsRefused):
            return str(answer)
        path = os.path.join(temporary, oid)
        try:
            fetch_content(answer, oid, sizes[oid], path)
        except LfsRefused as refused:
            return str(refused)
        _put(folder, path, by_object[oid])
        return ""

    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for oid, reason in zip(sizes, pool.map(fetch, sizes), strict=True):
                if reason:
                    yield oid, reason
    finally:
        shutil.rmtree(temporary)


def _put(folder: str, content: str, pointers: list[Pointer]) -> None:
    """Put the content in the place of its pointers; the file itself in the place of the last."""
    for number, pointer in enumerate(pointers, 1):
        path = os.path.join(folder, pointer.path)
        draft = content
        if number < len(pointers):
            draft = f"{content}-{number}"
            shutil.copyfile(content, draft)
        os.chmod(draft, stat.S_IMODE(os.lstat(path).st_mode))
        os.replace(draft, path)


def _server(folder: str) -> LfsServer:
    """Return the server that ``.lfsconfig`` names, or the one of the remote.

    Raises `LfsRefused`.
    """
    path = os.path.join(folder, _CONFIGURATION)
    if os.path.isfile(path) and not os.path.islink(path):
        for name in ("lfs.url", "remote.origin.lfsurl"):
            url = os.fsdecode(ask_git(folder, "config", "--file", path, name).strip())
            if may_use(url):
                return LfsServer(url)
            if url:
                return LfsServer.of_remote(url)
    remote = os.fsdecode(ask_git(folder, "config", "remote.origin.url").strip())
    return LfsServer.of_remote(remote)


def _set_filter(folder: str) -> None:
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
