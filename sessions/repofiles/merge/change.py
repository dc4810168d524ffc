"""Makes a plan come true, by renaming and removing: nothing of it needs room."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from functools import partial

from .plan import Plan, parts
from .rule import is_general
from .stage import Stage
from .tree import Tree, is_as, set_rights


class Change:
    """What makes a plan come true, by renaming and removing; none of it needs room."""

    def __init__(self, plan: Plan, stage: Stage, target: Tree, staging: int) -> None:
        self._plan, self._stage, self._target, self._staging = plan, stage, target, staging
        self._gone = {*plan.drops, *plan.clears}

    def apply(self) -> None:
        for path in self._stage.failed:
            self._plan.give_up(path)
        tops = sorted(self._stage.tops, key=lambda top: (self._plan.git.turn(top), parts(top)))
        objects = [top for top in tops if self._plan.git.turn(top) == 0]
        for top in objects:
            self._put(top)
        for home, packs in self._plan.packs.items():
            if not any(path.startswith(home + b"/objects/") for path in self._plan.left_out):
                self._drop(packs)
        self._drop(self._plan.drops)
        for path in sorted(self._plan.clears, key=parts, reverse=True):
            self._clear(path)
        self._target.forget()
        for top in tops[len(objects) :]:
            self._put(top)
        for path, mode in self._plan.modes.items():
            change = partial(set_rights, mode=mode)
            self._try(path, self._plan.stats[path], change, [path])

    def _drop(self, paths: Iterable[bytes]) -> None:
        for path in paths:
            planned = self._plan.stats[path]
            self._try(path, planned, lambda folder, name: os.unlink(name, dir_fd=folder), [path])

    def _put(self, top: bytes) -> None:
        number = b"%d" % self._stage.tops[top]
        inside = [path for path in self._inside().get(top, ()) if path not in self._stage.failed]

        def rename(folder: int, name: bytes) -> None:
            os.rename(number, name, src_dir_fd=self._staging, dst_dir_fd=folder)
            if number in self._stage.folders:
                set_rights(folder, name, mode=self._stage.folders[number])

        if inside:
            planned = None if top in self._gone else self._plan.stats.get(top)
            self._try(top, planned, rename, inside)

    def _inside(self) -> dict[bytes, list[bytes]]:
        if not hasattr(self, "_by_top"):
            self._by_top: dict[bytes, list[bytes]] = {}
            for path in self._plan.puts:
                self._by_top.setdefault(self._stage.top(path), []).append(path)
        return self._by_top

    def _try(
        self,
        path: bytes,
        planned: os.stat_result | None,
        action: Callable[[int, bytes], None],
        concerned: Iterable[bytes],
    ) -> None:
        """Change it unless somebody has since it was looked at; what cannot be is left out."""
        try:
            now = self._target.look(path)
            if not is_as(now, planned):
                raise PermissionError(errno.EACCES, "changed meanwhile")
            self._target.change(path, action)
        except OSError as error:
            if is_general(error):
                raise
            for each in concerned:
                self._plan.give_up(each)

    def _clear(self, path: bytes) -> None:
        try:
            self._target.change(path, lambda folder, name: os.rmdir(name, dir_fd=folder))
        except OSError as error:
            if is_general(error):
                raise
