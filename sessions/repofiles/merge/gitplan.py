"""Decide what becomes of git's own folders in a merge, so that `git status` makes sense afterwards.

`superseded_packs` finds packs that are of no use any more, because a new one has every object that
is in them. Each build clones anew, so each merge brings a pack with the whole history. Objects are
named by their content: what is in another pack as well can go, whoever it belongs to.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator

from .gitfolders import (
    GIT_FILES,
    REFTABLE,
    git_folder_of,
    is_same,
    is_untouched,
    object_name_bytes,
    read_git,
    should_move_ref,
)
from .rule import FILE, FOLDER, GitState, State
from .tree import Tree, as_bytes, as_text, kind_of

_EXCLUDE = b"info/exclude"
_BOUNDARIES = b"shallow"
"""The file that lists the commits whose parents were not fetched."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def _boundaries(tree: Tree, path: bytes) -> set[str]:
    lines = as_text(tree.read(path) or b"").split("\n")
    return {line for line in lines if _COMMIT.fullmatch(line)}


_MAGIC = b"\xfftOc\0\0\0\2"
_FANOUT = 256
_PACK_SUFFIXES = (b".pack", b".rev", b".idx")
"""In order of removal: git ignores an index without its pack, and we can still read it."""


def superseded_packs(
    source: Tree,
    target: Tree,
    home: bytes,
    theirs: Iterable[bytes],
    ours: Iterable[bytes],
    *,
    are_arriving: bool,
) -> list[bytes]:
    """Return the files in ``target`` of packs that newer packs make superfluous.

    The old ones are the packs among ``ours``, the new ones those of ``source`` among ``theirs``.
    ``are_arriving``: these are put into ``target``; otherwise those count that are there already,
    brought by a run that was killed.
    """
    folder = home + b"/objects/pack/"
    if object_name_bytes(source, home) != object_name_bytes(target, home) or target.lstat(
        folder + b"multi-pack-index"
    ):
        return []
    cloned = _packs(folder, theirs)
    new = [pack for pack in cloned if are_arriving or target.lstat(pack + b".pack")]
    old = {pack: files for pack, files in _packs(folder, ours).items() if pack not in cloned}
    if not old:
        return []
    there = set().union(*(_objects(source, home, pack) or () for pack in new))
    return [
        path
        for pack, files in sorted(old.items())
        if (objects := _objects(target, home, pack)) and objects <= there
        if not target.lstat(pack + b".keep")
        for path in files
        if target.lstat(path)
    ]


def _packs(folder: bytes, paths: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the packs among the paths, and the files of each in the order of their removal."""
    inside = {path for path in paths if path.startswith(folder)}
    packs = sorted(path[: -len(b".pack")] for path in inside if path.endswith(b".pack"))
    return {pack: [pack + end for end in _PACK_SUFFIXES if pack + end in inside] for pack in packs}


def _objects(tree: Tree, home: bytes, pack: bytes) -> set[bytes] | None:
    """Return the names of the objects in a pack (gitformat-pack, version 2).

    None where its index cannot be read.
    """
    index = tree.read(pack + b".idx")
    start, wide = len(_MAGIC) + 4 * _FANOUT, object_name_bytes(tree, home)
    if index is None or not index.startswith(_MAGIC) or len(index) < start:
        return None
    (count,) = struct.unpack_from(">L", index, start - 4)
    if len(index) < start + count * wide:
        return None
    return {index[at : at + wide] for at in range(start, start + count * wide, wide)}


ORDINARY, IF_MISSING, IF_OTHER, LEAVE = "ordinary", "if-missing", "if-other", "leave"
"""How a path is treated: like any other; written if missing or different; left as it is."""


class GitPlan:
    """A plan for git's own folders: the repository's, and its submodules'.

    ``modes`` tells of each: ``fill``: like other files; ``follow``: the person did nothing in it;
    ``same``: they have that commit themselves; ``keep``: objects and what the remote has are added,
    as a fetch does; ``leave``: not touched. ``states`` is how they are recorded afterwards.
    """

    def __init__(
        self,
        target: Tree,
        base: State,
        interrupted: list[State],
        theirs: dict[bytes, GitState],
        *,
        is_new: bool = False,
    ) -> None:
        self._target, self._theirs, self._is_new = target, theirs, is_new
        self._known = [base, *interrupted]
        self.states = dict(theirs)
        self.modes: dict[bytes, str] = {}

    def decide(self) -> None:
        """Decide on the mode of each git folder, and fill ``modes`` and ``states``."""
        for home in {*self._theirs, *self._known[0].git}:
            self.modes[home] = self._decide_mode(home)

    def git_folder(self, path: bytes) -> bytes | None:
        """Return the innermost git folder that the path lies in; None if none."""
        return git_folder_of(path, self.modes)

    def rule(self, path: bytes) -> str:
        """Return how a path is treated: ORDINARY, IF_MISSING, IF_OTHER or LEAVE."""
        home = self.git_folder(path)
        if home is None or self.modes[home] == "fill":
            return ORDINARY
        mode, inside = self.modes[home], path[len(home) + 1 :]
        if inside == _BOUNDARIES:
            return LEAVE
        if mode == "follow" and not inside.startswith(GIT_FILES):
            return ORDINARY
        if mode in {"follow", "keep"} and inside.startswith(b"objects/"):
            return IF_MISSING
        if mode == "keep" and inside == _EXCLUDE:
            return IF_MISSING
        return IF_OTHER if mode == "follow" and inside in {b"index", b"HEAD"} else LEAVE

    def moving_files(
        self, source: Tree, theirs: Iterable[bytes]
    ) -> Iterator[tuple[bytes, os.stat_result | None, bytes]]:
        """Yield each ref that moves, and each list of commits without history that changes.

        That is: its path, what is there now, and its new content; b"" if it goes. ``theirs`` are
        the paths in ``source``.
        """
        yield from self._moving_refs()
        yield from self._moving_boundaries(source, theirs)

    def _moving_refs(self) -> Iterator[tuple[bytes, os.stat_result | None, bytes]]:
        for home, mode in self.modes.items():
            mine = read_git(self._target, home) if mode in {"follow", "keep"} else None
            if mine and REFTABLE not in {*mine.refs, *self._theirs[home].refs}:
                for name, value in self._moving_refs_of(home, mode, mine):
                    path = home + b"/" + as_bytes(name)
                    yield path, self._target.lstat(path), as_bytes(value) + b"\n"

    def _moving_boundaries(
        self, source: Tree, theirs: Iterable[bytes]
    ) -> Iterator[tuple[bytes, os.stat_result | None, bytes]]:
        """Yield the lists; a commit is off one if a side has what came before it."""
        for home, mode in self.modes.items():
            path = home + b"/" + _BOUNDARIES
            mine, new = _boundaries(self._target, path), _boundaries(source, path)
            if mode not in {"follow", "keep"} or mine == new:
                continue
            packs = _packs(home + b"/objects/pack/", theirs)
            brought = set().union(*(_objects(source, home, pack) or () for pack in packs))
            had = self._own_commits(home, new, set(theirs))
            left = {each for each in mine if each in new or bytes.fromhex(each) not in brought}
            left |= {each for each in new if each in mine or each not in had}
            if left != mine:
                text = "".join(f"{each}\n" for each in sorted(left)).encode()
                yield path, self._target.lstat(path), text

    def _own_commits(self, home: bytes, commits: set[str], brought: set[bytes]) -> set[str]:
        """Return the commits that the target has, without those that a killed run brought."""
        objects = home + b"/objects/"
        paths = [path for path, _there in self._target.walk(objects + b"pack")]
        packs = set(_packs(objects + b"pack/", paths)) - set(_packs(objects + b"pack/", brought))
        packed = set().union(*(_objects(self._target, home, pack) or () for pack in packs))
        loose = {each: objects + f"{each[:2]}/{each[2:]}".encode() for each in commits}
        return {
            each
            for each, path in loose.items()
            if bytes.fromhex(each) in packed or (path not in brought and self._target.lstat(path))
        }

    def superseded_files(
        self, source: Tree, theirs: Iterable[bytes], ours: Iterable[bytes]
    ) -> dict[bytes, list[bytes]]:
        """Return by git folder the files of packs that can go once all that is new is there."""
        return {
            home: superseded_packs(
                source, self._target, home, theirs, ours, are_arriving=mode != "same"
            )
            for home, mode in self.modes.items()
            if mode in {"follow", "keep", "same"}
        }

    def install_order(self, path: bytes) -> int:
        """Return the path's turn (0 to 4): in a git folder, what is named before what names it."""
        home = self.git_folder(path)
        if home is None or self.modes[home] == "fill":
            return 1
        inside = path[len(home) + 1 :]
        for turn, start in ((0, b"objects/"), (2, b"refs/"), (3, b"index"), (4, b"HEAD")):
            if inside.startswith(start):
                return turn
        return 1

    def _decide_mode(self, home: bytes) -> str:
        try:
            there = self._target.lstat(home)
            mine = read_git(self._target, home) if kind_of(there) == FOLDER else None
        except PermissionError:
            return "leave"
        if self._is_new:
            return "fill"
        if there is None:
            return "leave" if home in self._known[0].git else "fill"
        theirs = self._theirs.get(home)
        return self._mode_of_existing(home, mine, theirs) if mine and theirs else "leave"

    def _mode_of_existing(self, home: bytes, mine: GitState, theirs: GitState) -> str:
        """Return the mode of a folder that both sides have."""
        if is_same(mine, theirs):
            self.states[home] = mine
            return "same"
        bases = self._bases(home)
        is_alike = (REFTABLE in mine.refs) == (REFTABLE in theirs.refs)
        branch = as_bytes(theirs.head[5:] if theirs.head.startswith("ref: ") else "HEAD")
        if bases and is_alike and is_untouched(mine, bases) and self._is_free(home, branch):
            self.states[home] = theirs._replace(refs={**mine.refs, **theirs.refs})
            return "follow"
        return "keep"

    def _bases(self, home: bytes) -> list[GitState]:
        """Return how the folder may have been left: as recorded, or by killed runs."""
        return [state.git[home] for state in self._known if home in state.git]

    def _moving_refs_of(self, home: bytes, mode: str, mine: GitState) -> Iterator[tuple[str, str]]:
        """Yield name and value of each ref that moves, symbolic ones last."""
        bases, known = self._bases(home), set(mine.refs)
        refs = self._theirs[home].refs.items()
        for name, value in sorted(refs, key=lambda ref: ref[1].startswith("ref: ")):
            leads_nowhere = value.startswith("ref: ") and value[5:] not in known
            is_moving = should_move_ref(name, mine.refs.get(name), value, bases, mode)
            if is_moving and not leads_nowhere and self._is_free(home, as_bytes(name)):
                known.add(name)
                yield name, value

    def _is_free(self, home: bytes, name: bytes) -> bool:
        """Return whether a ref can be written: no ``a`` is in the way of ``a/b``."""
        path = home + b"/" + name
        if kind_of(self._target.lstat(path)) not in {None, FILE}:
            return False
        while (path := os.path.dirname(path)) != home:
            there = self._target.lstat(path)
            if there:
                return kind_of(there) == FOLDER
        return True
