"""Write all that is new into a hidden folder of the target, and then put it into place.

Where writing fails, nothing has changed. Putting into place is renaming and removing: nothing of it
needs room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from functools import partial

from .plan import Plan, Put
from .rule import FOLDER, LINK, is_disk_failure, path_parts
from .tree import Tree, as_bytes, copy_content, is_unmodified, kind_of, set_permissions


class StagingArea:
    """A folder of the target in which new content is written whole before it gets its place.

    With ``sync_each``, each file and folder is synced by itself. A top is a path that is put in
    place by one renaming: a file, or a whole folder where the target has none. The folder has it
    under a number.
    """

    def __init__(self, tree: Tree, source: Tree, plan: Plan, *, sync_each: bool) -> None:
        self._tree, self._source, self._plan = tree, source, plan
        self._sync_each = sync_each
        self.tops: dict[bytes, int] = {}
        self.folders: dict[bytes, int] = {}
        self.written: dict[bytes, tuple[int, ...]] = {}
        self.failed: set[bytes] = set()
        self._above: dict[bytes, bytes | None] = {}
        self._links: dict[tuple[int, int, int], bytes] = {}
        self._gone = {*plan.drops, *plan.clears}

    def write_all(self) -> None:
        """Write everything. Raises `OSError` if there is no room, or the disk fails.

        What cannot be written for another reason is in ``failed``.
        """
        for path in sorted(self._plan.puts, key=path_parts):
            try:
                self._write(path, self._plan.puts[path])
            except OSError as error:
                if is_disk_failure(error):
                    raise
                self.failed.add(path)
        for place in sorted(self.folders, key=path_parts, reverse=True):
            folder = self._tree.folder(place)
            if b"/" in place:  # a top folder needs its own permissions to be renamed
                os.fchmod(folder, self.folders[place])
            if self._sync_each:
                os.fsync(folder)
        self._tree.close_folders()

    def top(self, path: bytes) -> bytes:
        """Return the topmost part of the path that is no folder in the target, or that goes."""
        missing, above = [], os.path.dirname(path)
        while above and above not in self._above:
            missing.append(above)
            above = os.path.dirname(above)
        found = self._above[above] if above else None
        for folder in reversed(missing):
            if found is None and not self._is_folder_in_target(folder):
                found = folder
            self._above[folder] = found
        return path if found is None else found

    def _is_folder_in_target(self, folder: bytes) -> bool:
        stats = self._plan.stats
        there = stats[folder] if folder in stats else self._plan.lstat(folder)
        return kind_of(there) == FOLDER and folder not in self._gone

    def _write(self, path: bytes, put: Put) -> None:
        """Write one path of the plan, with the folders above it."""
        top = self.top(path)
        place = b"%d" % self.tops.setdefault(top, len(self.tops)) + path[len(top) :]
        self._make_folders(os.path.dirname(place), os.path.dirname(path))
        folder, name = self._tree.locate(place)
        if put.text is not None:
            self._write_file(place, put, None)
        elif put.entry.kind == FOLDER:
            self._make_folders(place, path)
        elif put.entry.kind == LINK:
            os.symlink(as_bytes(put.entry.digest_or_target), name, dir_fd=folder)
        else:
            descriptor = self._source.open(put.source)
            try:
                if not self._try_hard_link(os.fstat(descriptor), put.entry.mode, place):
                    self._write_file(place, put, descriptor)
            finally:
                os.close(descriptor)
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        self.written[path] = (there.st_ino, there.st_size, there.st_mtime_ns)

    def _make_folders(self, place: bytes, path: bytes) -> None:
        """Make the folder at this place, and those above it, if they are missing."""
        missing = []
        while place and place not in self.folders:
            missing.append((place, path))
            place, path = os.path.dirname(place), os.path.dirname(path)
        for place, path in reversed(missing):
            folder, name = self._tree.locate(place)
            os.mkdir(name, 0o700, dir_fd=folder)
            self.folders[place] = self._folder_mode(path)

    def _folder_mode(self, path: bytes) -> int:
        """Return the mode that the folder gets."""
        if path in self._plan.puts:
            return self._plan.puts[path].entry.mode
        entry = self._plan.theirs.get(path)
        return entry.mode if entry and entry.kind == FOLDER else 0o755

    def _try_hard_link(self, there: os.stat_result, mode: int, place: bytes) -> bool:
        """Make it one file with another name of it, as in the repository; return whether it is."""
        if there.st_nlink < 2:
            return False
        first = self._links.setdefault((there.st_dev, there.st_ino, mode), place)
        if first == place:
            return False
        old, old_name = self._tree.locate(first)
        new, new_name = self._tree.locate(place)
        try:
            os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        except OSError as error:
            if is_disk_failure(error):
                raise
            return False  # a file system without hard links
        return True

    def _write_file(self, place: bytes, put: Put, source: int | None) -> None:
        """Write the text or copy the source, with its times and mode."""
        folder, name = self._tree.locate(place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            if source is None:
                os.write(target, put.text or b"")
            else:
                copy_content(source, target)
                there = os.fstat(source)
                os.utime(target, ns=(there.st_atime_ns, there.st_mtime_ns))
            os.fchmod(target, put.entry.mode)
            if self._sync_each:
                os.fsync(target)
        finally:
            os.close(target)


class PlanApplier:
    """The part of a merge that carries out a plan by renaming and removing; it needs no room."""

    def __init__(self, plan: Plan, stage: StagingArea, target: Tree, staging: int) -> None:
        self._plan, self._stage, self._target, self._staging = plan, stage, target, staging
        self._gone = {*plan.drops, *plan.clears}

    def apply(self) -> None:
        """Put everything into place, git's objects first, and remove what goes.

        A path that somebody has changed meanwhile is given up. Raises `OSError` if the disk fails.
        """
        for path in self._stage.failed:
            self._plan.give_up(path)
        tops = sorted(
            self._stage.tops, key=lambda top: (self._plan.git.install_order(top), path_parts(top))
        )
        objects = [top for top in tops if self._plan.git.install_order(top) == 0]
        for top in objects:
            self._put(top)
        for home, packs in self._plan.packs.items():
            if not any(path.startswith(home + b"/objects/") for path in self._plan.left_out):
                self._drop(packs)
        self._drop(self._plan.drops)
        for path in sorted(self._plan.clears, key=path_parts, reverse=True):
            self._clear(path)
        self._target.close_folders()
        for top in tops[len(objects) :]:
            self._put(top)
        for path, mode in self._plan.modes.items():
            change = partial(set_permissions, mode=mode)
            self._change_if_unmodified(path, self._plan.stats[path], change, [path])

    def _drop(self, paths: Iterable[bytes]) -> None:
        """Remove these files."""
        for path in paths:
            planned = self._plan.stats[path]
            self._change_if_unmodified(
                path, planned, lambda folder, name: os.unlink(name, dir_fd=folder), [path]
            )

    def _put(self, top: bytes) -> None:
        """Rename a top into its place."""
        number = b"%d" % self._stage.tops[top]
        inside = [
            path for path in self._paths_by_top().get(top, ()) if path not in self._stage.failed
        ]

        def rename(folder: int, name: bytes) -> None:
            os.rename(number, name, src_dir_fd=self._staging, dst_dir_fd=folder)
            if number in self._stage.folders:
                set_permissions(folder, name, mode=self._stage.folders[number])

        if inside:
            planned = None if top in self._gone else self._plan.stats.get(top)
            self._change_if_unmodified(top, planned, rename, inside)

    def _paths_by_top(self) -> dict[bytes, list[bytes]]:
        if not hasattr(self, "_by_top"):
            self._by_top: dict[bytes, list[bytes]] = {}
            for path in self._plan.puts:
                self._by_top.setdefault(self._stage.top(path), []).append(path)
        return self._by_top

    def _change_if_unmodified(
        self,
        path: bytes,
        planned: os.stat_result | None,
        action: Callable[[int, bytes], None],
        concerned: Iterable[bytes],
    ) -> None:
        """Change the path unless somebody has since it was looked at.

        If it cannot be changed, the paths ``concerned`` are given up. Raises `OSError` if the disk
        fails.
        """
        try:
            now = self._target.lstat(path)
            if not is_unmodified(now, planned):
                raise PermissionError(errno.EACCES, "changed meanwhile")
            self._target.change(path, action)
        except OSError as error:
            if is_disk_failure(error):
                raise
            for each in concerned:
                self._plan.give_up(each)

    def _clear(self, path: bytes) -> None:
        """Remove the folder if it is empty."""
        try:
            self._target.change(path, lambda folder, name: os.rmdir(name, dir_fd=folder))
        except OSError as error:
            if is_disk_failure(error):
                raise
