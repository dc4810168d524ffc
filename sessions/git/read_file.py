"""Read one small file of a repository at a commit, without fetching the rest.

It also returns a digest of the rest, which tells it apart from that of other commits. The commit
and its folders are fetched without the files, then the one file. A server that cannot leave files
out sends all files of that commit; one that serves nothing by its id sends what a build would
fetch. `resolve` found the commit; `process` runs git and bounds it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

from django.conf import settings

from keys.keypairs import SshIdentity

from .errors import commit_not_found, failure, refuses_fetch
from .process import FETCH_SETTINGS, Git, run_with_git

QUICK_SECONDS = 5.0
"""How long a server is asked whether a commit has a path."""
DEADLINE_SECONDS = 30  # resolving may take 20 first, and the worker kills a task at 55

T = TypeVar("T")
Kind = Literal["file", "link", "folder"]
_FetchArguments = tuple[list[str], list[str]]

_ENTRY = re.compile(rb"(?P<mode>\d+) (?P<type>\w+) (?P<id>[0-9a-f]+)\t(?P<name>[^\0]+)\0")
_LINK = b"120000"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class TreeEntry:
    """The entry that a commit has under a name; only a ``entry`` has content.

    A submodule is a ``folder`` too: it looks like one.
    """

    kind: Kind
    content: bytes = b""


@dataclass(frozen=True)
class EntryAndRest:
    """The entry that a commit has under a name, or None, and a digest of the ``rest_digest``.

    ``rest_digest`` is the same for any two commits that differ in nothing but that entry; "" if the
    root is too long to list.
    """

    entry: TreeEntry | None
    rest_digest: str


class _Withheld(Exception):
    """Raised if the server does not serve the commit in this way."""


def read_entry(
    url: str,
    commit: str,
    name: str,
    max_bytes: int,
    ref: str = "",
    seconds: float = DEADLINE_SECONDS,
    identity: SshIdentity | None = None,
) -> EntryAndRest:
    """Return the entry that a commit has under a name, and a digest of everything else in its root.

    ``name`` is a path from the root. Of a file longer than ``max_bytes``, that many bytes and one
    more are returned. ``ref`` is the name that the commit was found under (see
    `resolve.ResolvedRef`), for servers that need one. ``identity`` is for a repository that a
    person's key opens. This blocks for at most ``seconds``.

    Raises UserError if the commit or repository is not there for us or is too large, TemporaryError
    if the server is not there.
    """

    async def find(copy: _PartialClone) -> EntryAndRest:
        return EntryAndRest(await copy.file(name, max_bytes), await copy.rest_digest(name))

    return _in_clone(find, url, commit, ref, seconds, identity)


def first_entry(
    url: str,
    commit: str,
    names: Iterable[str],
    ref: str = "",
    identity: SshIdentity | None = None,
    seconds: float = QUICK_SECONDS,
) -> str | None:
    """Return the first of these paths that the commit has, or None.

    ``names`` have passed `clean_path`. The other arguments and errors are those of `read_entry`.
    """

    async def find(copy: _PartialClone) -> str | None:
        for name in names:
            if await copy.listed(name):
                return name
        return None

    return _in_clone(find, url, commit, ref, seconds, identity)


def first_file(
    url: str,
    commit: str,
    names: Iterable[str],
    max_bytes: int,
    ref: str = "",
    identity: SshIdentity | None = None,
) -> tuple[str, bytes] | None:
    """Return name and content of the first of these paths that is a plain file, or None.

    The arguments and errors are those of `first_entry` and `read_entry`.
    """

    async def find(copy: _PartialClone) -> tuple[str, bytes] | None:
        for name in names:
            entry = await copy.file(name, max_bytes)
            if entry and entry.kind == "file":
                return name, entry.content
        return None

    return _in_clone(find, url, commit, ref, DEADLINE_SECONDS, identity)


def _in_clone(
    find: Callable[[_PartialClone], Awaitable[T]],
    url: str,
    commit: str,
    ref: str,
    seconds: float,
    identity: SshIdentity | None,
) -> T:
    """Return what ``find`` returns of the commit, fetched as well as the server allows."""
    if not _COMMIT.fullmatch(commit):
        raise commit_not_found(commit, url)

    async def fetch(git: Git) -> T:
        for number, way in enumerate(_fetch_attempts(commit, ref)):
            copy = _PartialClone(git, f"{number}.git", commit)
            with suppress(_Withheld):
                await copy.fetch(*way)
                return await find(copy)
            copy.remove()
        raise commit_not_found(commit, url)

    limit = settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6
    return run_with_git(fetch, url, seconds, limit, identity)


def _fetch_attempts(commit: str, ref: str) -> Iterator[_FetchArguments]:
    """Yield options and refspecs of fetches that may bring a commit, the best first."""
    yield ["--depth=1", "--filter=blob:none"], [commit]
    yield ["--depth=1"], [commit]
    if ref.startswith("refs/"):
        yield ["--depth=1"], [ref]
    elif ref and ref != commit:
        yield ["--depth=1"], [f"refs/tags/{ref}"]
        yield [], [f"refs/heads/{ref}"]
    yield [], ["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]


@dataclass(frozen=True)
class _PartialClone:
    """The part of a repository that one way of fetching brings, in a folder of its own."""

    git: Git
    folder: str
    commit: str

    async def fetch(self, options: list[str], refspecs: list[str]) -> None:
        hashes = "sha1" if len(self.commit) == 40 else "sha256"
        new = ["init", "--quiet", "--bare", "--template=", f"--object-format={hashes}"]
        await self._run(new, [self.folder])
        fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *options]
        await self._run([*self._settings(), *fetch], ["origin", *refspecs])

    async def listed(self, name: str) -> re.Match[bytes] | None:
        commit = f"{self.commit}^{{commit}}"  # a tag may point to a tree, which cannot be built
        ls_tree = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit]
        entry = _ENTRY.fullmatch(await self._run([*self._settings(), *ls_tree], [name]))
        return entry if entry and entry["name"] == os.fsencode(name) else None

    async def file(self, name: str, max_bytes: int) -> TreeEntry | None:
        entry = await self.listed(name)
        if entry is None:
            return None
        if entry["mode"] == _LINK or entry["type"] != b"blob":
            return TreeEntry("link" if entry["mode"] == _LINK else "folder")
        blob = ["blob", entry["id"].decode()]
        return TreeEntry(
            "file", await self._run([*self._settings(), "cat-file"], blob, max_bytes + 1)
        )

    async def rest_digest(self, name: str) -> str:
        """Return a digest of modes, names and ids of the root's other entries and submodules."""
        ls_tree = ["ls-tree", "-z", "--full-tree", self.commit]
        outcome = await self.git.run([*self._settings(), *ls_tree], [])
        if not outcome.succeeded:
            return ""
        entries = [entry.groups() for entry in _ENTRY.finditer(outcome.output)]
        others = [entry for entry in entries if entry[-1] != os.fsencode(name)]
        return hashlib.sha256(repr(others).encode()).hexdigest()

    def remove(self) -> None:
        shutil.rmtree(os.path.join(self.git.home, self.folder))

    def _settings(self) -> list[str]:
        origin = f"remote.origin.url={self.git.url}"
        words = [word for setting in (*FETCH_SETTINGS, origin) for word in ("-c", setting)]
        return [*words, f"--git-dir={self.folder}"]

    async def _run(self, arguments: list[str], operands: list[str], max_bytes: int = 0) -> bytes:
        outcome = await self.git.run(arguments, operands, max_bytes or None)
        if outcome.succeeded or (max_bytes and outcome.truncated):
            return outcome.output
        if refuses_fetch(outcome):
            raise _Withheld
        raise failure(outcome, self.git.url, self.commit, self.git.identity)
