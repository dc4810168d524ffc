"""The merge as a function and as a program; see the package."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from .content import sync_disk
from .record import Record
from .run import Run
from .tree import Tree, opened
from .values import AWAY, NO_ROOM, Failed


def merge(
    source: str, target: str, record: str, commit: str, *, adopt: bool = False, sync: bool = True
) -> dict[str, Any]:
    """Bring the repository in ``source``, which is at ``commit``, into ``target``; return a report.

    ``state`` is ``filled``, ``merged`` or ``adopted``; ``again`` is set where there was nothing to
    do, and the rest is of the last time. ``added``, ``updated``, ``removed`` count files that
    followed the repository, ``kept`` those of the person's that did not; ``conflict_names`` pairs
    what both changed with the name of the repository's version; ``left_out_names`` are those that
    could not be read or written. ``git`` tells of the person's own ``.git``: ``fill``, ``follow``,
    ``same`` (they have that commit), ``keep`` (their own history stays, and the repository's is in
    it as a remote's), ``leave`` (not touched).

    Without ``sync``, what fills an empty folder is not on the disk yet: `synced` is to be called
    soon. Raises `Failed`.
    """
    try:
        with ExitStack() as stack:
            held = Record(os.fsencode(record))
            stack.callback(held.close)
            stack.enter_context(held.locked())
            source_tree = Tree(stack.enter_context(opened(source)))
            stack.callback(source_tree.forget)
            target_tree = Tree(stack.enter_context(_made(target)))
            stack.callback(target_tree.forget)
            run = Run(source_tree, target_tree, held, commit)
            return run.adopt() if adopt else run.merge(sync=sync)
    except OSError as error:
        raise _failed(error) from error


def synced(target: str, record: str) -> None:
    """Have on the disk what was filled without waiting for it. Raises `OSError`."""
    with ExitStack() as stack:
        held = Record(os.fsencode(record))
        stack.callback(held.close)
        sync_disk(stack.enter_context(opened(target)))
        held.unmark()


@contextmanager
def _made(target: str) -> Iterator[int]:
    with suppress(FileExistsError):
        os.mkdir(target, 0o755)
    with opened(target) as descriptor:
        yield descriptor


def _failed(error: OSError) -> Failed:
    for numbers, code, message in (
        (NO_ROOM, "merge.full", "There is no room for the repository's files."),
        ({errno.EROFS}, "merge.read-only", "The disk of your files can only be read at present."),
        (AWAY, "merge.away", "The disk of your files does not answer."),
        ({errno.ENOTDIR, errno.ELOOP}, "merge.not-a-folder",
         "Something else stands in the place of the folder of your files."),
        ({errno.EACCES, errno.EPERM}, "merge.refused",
         "The folder of your files cannot be written."),
    ):  # fmt: skip
        if error.errno in numbers:
            return Failed(code, message)
    return Failed("merge.failed", f"The repository's files could not be merged: {error.strerror}.")


def main(words: list[str]) -> int:
    """See the module. Returns the status of the program."""
    adopt = words[:1] == ["--adopt"]
    try:
        source, target, record, commit = words[1:] if adopt else words
        report = merge(source, target, record, commit, adopt=adopt)
    except Failed as failed:
        print(json.dumps({"error": {"code": failed.code, "message": failed.message}}))  # noqa: T201
        return 1
    print(json.dumps(report))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
