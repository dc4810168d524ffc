"""A disk that can be full: a small file system in memory, mounted at a folder, with or without
root.

Root mounts it for all to see. Other users mount it in a namespace of their own, into which `inside`
leads programs; `seen` is where this process finds it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_WAIT = '"$@" && echo mounted && exec sleep infinity'


class TightDisk:
    """A small disk. ``inside`` is put before the command of a program that has to see it."""

    def __init__(self, seen: Path, inside: list[str], remount: list[str]) -> None:
        self.seen = seen
        self.inside = inside
        self._remount = remount
        self._filler = seen / ".filler"

    def fill(self) -> None:
        """Take all that is free now. Space that is released meanwhile stays free, so that a program
        which ends because the disk is full has room to say so.
        """
        left = self.free()
        with self._filler.open("ab", buffering=0) as file:
            for size in (1_000_000, 4096):
                with suppress(OSError):
                    while left > 0 and (written := file.write(b"x" * min(size, left))):
                        left -= written

    def free(self) -> int:
        """Return the free bytes."""
        there = os.statvfs(self.seen)
        return there.f_bavail * there.f_frsize

    def let_write(self, *, write: bool) -> None:
        """Make the disk read-only, as the kernel does with a broken one, or writable again."""
        how = "rw" if write else "ro"
        subprocess.run([word.format(how=how) for word in self._remount], check=True)

    def make_room(self) -> None:
        """Give back what `fill` took, if anything."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def tight_disk(folder: Path, megabytes: int) -> Iterator[TightDisk]:
    """Mount a disk of this size at ``folder`` until the block ends."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs", str(folder)]
    remount = ["mount", "-o", "remount,{how}", str(folder)]
    if os.geteuid() == 0:
        subprocess.run(words, check=True)
        try:
            yield TightDisk(folder, [], remount)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    else:
        with _held(words) as pid:
            enter = ["nsenter", f"--target={pid}", "--user", "--mount", "--preserve-credentials"]
            back = ["unshare", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
            seen = Path(f"/proc/{pid}/root{folder}")
            yield TightDisk(seen, [*enter, *back], [*enter[:-1], *remount])


@contextmanager
def _held(words: list[str]) -> Iterator[int]:
    """Yield the pid of a process in whose namespace the disk is mounted."""
    holding = ["unshare", "--map-root-user", "--mount", "sh", "-c", _WAIT, "sh", *words]
    with subprocess.Popen(holding, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"mounted\n"
        try:
            yield process.pid
        finally:
            process.kill()
