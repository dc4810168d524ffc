"""Packs of a git folder that are of no use any more: a new one has every object that is in them.

Each build clones anew, so each merge brings a pack with the whole history. Objects are named by
their content: what is in another pack as well can go, whoever it belongs to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from .gitfolders import width
from .tree import Tree

_MAGIC = b"\xfftOc\0\0\0\2"
_FANOUT = 256
_ENDINGS = (b".pack", b".rev", b".idx")
"""In the order of removal: git passes over an index without its pack, and we can still read it."""


def superseded(
    source: Tree,
    target: Tree,
    home: bytes,
    theirs: Iterable[bytes],
    ours: Iterable[bytes],
    *,
    come: bool,
) -> list[bytes]:
    """Return the files in ``target`` of those packs among ``ours`` that the packs of ``source``
    among ``theirs`` make superfluous. ``come``: these are put into ``target``; otherwise those
    count that are there already, brought by a run that was killed."""
    folder = home + b"/objects/pack/"
    if width(source, home) != width(target, home) or target.look(folder + b"multi-pack-index"):
        return []
    cloned = _packs(folder, theirs)
    new = [pack for pack in cloned if come or target.look(pack + b".pack")]
    old = {pack: files for pack, files in _packs(folder, ours).items() if pack not in cloned}
    if not old:
        return []
    there = set().union(*(_objects(source, home, pack) or () for pack in new))
    return [
        path
        for pack, files in sorted(old.items())
        if (objects := _objects(target, home, pack)) and objects <= there
        if not target.look(pack + b".keep")
        for path in files
        if target.look(path)
    ]


def _packs(folder: bytes, paths: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the packs among the paths, and the files of each in the order of their removal."""
    inside = {path for path in paths if path.startswith(folder)}
    packs = sorted(path[: -len(b".pack")] for path in inside if path.endswith(b".pack"))
    return {pack: [pack + end for end in _ENDINGS if pack + end in inside] for pack in packs}


def _objects(tree: Tree, home: bytes, pack: bytes) -> set[bytes] | None:
    """Return the names of the objects in a pack (gitformat-pack, version 2); None where its index
    cannot be read."""
    index = tree.read(pack + b".idx")
    start, wide = len(_MAGIC) + 4 * _FANOUT, width(tree, home)
    if index is None or not index.startswith(_MAGIC) or len(index) < start:
        return None
    (count,) = struct.unpack_from(">L", index, start - 4)
    if len(index) < start + count * wide:
        return None
    return {index[at : at + wide] for at in range(start, start + count * wide, wide)}
