"""Plan a merge: look at all three sides, decide path by path, and change nothing."""

from __future__ import annotations

import os
from typing import NamedTuple

from .gitfolders import git_folders, read_git, scan_repository
from .gitplan import IF_MISSING, IF_OTHER, ORDINARY, GitPlan
from .rule import (
    BESIDE,
    CLEAR,
    DISK_UNREACHABLE_ERRNOS,
    DROP,
    FILE,
    FOLDER,
    KEEP,
    LINK,
    MAKE,
    NOTHING,
    PUT,
    REPLACE,
    Entry,
    MergeFailed,
    State,
    conflict_name,
    content_of,
    contents_below,
    decide_action,
    path_parts,
    paths_below,
)
from .tree import Tree, blocks, kind_of, permissions_of


class Put(NamedTuple):
    """A thing to be put at a path: ``text``, or what stands at ``source`` in the repository."""

    entry: Entry
    source: bytes = b""
    text: bytes | None = None


class Plan:
    """A merge as decided, path by path; nothing is changed here.

    ``puts``, ``drops``, ``clears``, ``modes`` and ``packs`` are the work; ``entries`` and ``git``
    the record that it leads to; ``up_to_date`` those paths that stand as the repository has them.
    """

    def __init__(
        self,
        source: Tree,
        target: Tree,
        base: State,
        interrupted: list[State],
        commit: str,
        *,
        may_be_incomplete: bool = False,
    ) -> None:
        self._source, self._target = source, target
        self._base, self._interrupted = base, interrupted
        self._commit, self._may_be_incomplete = commit, may_be_incomplete
        self.theirs, unreadable = scan_repository(source)
        if b"" in unreadable:
            raise MergeFailed("merge.unreadable", "The repository's files cannot be read.")
        found = {home: read_git(source, home) for home in git_folders(self.theirs)}
        theirs = {home: git for home, git in found.items() if git}
        is_new = may_be_incomplete and base.commit == commit
        self.git = GitPlan(target, base, interrupted, theirs, is_new=is_new)
        self.stats: dict[bytes, os.stat_result | None] = {}
        self.puts: dict[bytes, Put] = {}
        self.drops: list[bytes] = []
        self.clears: list[bytes] = []
        self.modes: dict[bytes, int] = {}
        self.packs: dict[bytes, list[bytes]] = {}
        self.entries: dict[bytes, Entry] = {}
        self.up_to_date: set[bytes] = set()
        self.counts = dict.fromkeys(("added", "updated", "removed", "kept"), 0)
        self.conflicts: list[tuple[bytes, bytes]] = []
        self.left_out = set(unreadable)
        self._unreadable = unreadable
        self._digests: dict[bytes, str] = {}
        self._kept: set[bytes] = set()
        self._unknown: set[bytes] = set()
        self._replaced: list[bytes] = []

    def decide(self) -> None:
        """Decide on every path of the three sides. Raises `OSError` if the disk fails."""
        self.git.decide()
        paths = set(self.theirs).union(
            self._base.entries, *(each.entries for each in self._interrupted)
        )
        for path in sorted(paths, key=path_parts):
            try:
                self._decide(path)
            except PermissionError:
                self._leave_out(path)
        for path, there, text in self.git.moving_files(self._source, self.theirs):
            self.stats[path] = there
            if text:
                self.puts[path] = Put(Entry(FILE, 0o644), text=text)
            else:
                self.drops.append(path)
        self._refuse_folders_in_use()
        self.packs = self.git.superseded_files(self._source, self.theirs, self._base.entries)
        for path in (path for paths in self.packs.values() for path in paths):
            self.entries.pop(path, None)

    def lstat(self, path: bytes) -> os.stat_result | None:
        """Return what stands at the path in the target; None if nothing does."""
        return self._target.lstat(path)

    def give_up(self, path: bytes) -> None:
        """Leave the path out: the next merge tries again."""
        self.left_out.add(path)
        self.entries.pop(path, None)
        if path in self._base.entries:
            self.entries[path] = self._base.entries[path]

    def _bases(self, path: bytes) -> list[Entry | None]:
        """Return how the path may have been left: as recorded, or as killed runs wanted it."""
        return [each.entries.get(path) for each in (self._base, *self._interrupted)]

    def _decide(self, path: bytes) -> None:
        """Decide on one path; those above it have been decided."""
        base, theirs = self._base.entries.get(path), self.theirs.get(path)
        above = os.path.dirname(path)
        if above in self._kept or above in self._unknown:
            self._keep_as_is(path, theirs if above in self._kept else base, above in self._kept)
            return
        is_there = not above or kind_of(self.stats.get(above)) == FOLDER
        there = self.stats[path] = self._target.lstat(path) if is_there else None
        if path in self._unreadable:
            self._keep_as_is(path, base, False)
        elif (rule := self.git.rule(path)) == ORDINARY:
            self._decide_by_rule(path, there, theirs)
        else:
            self._apply_git_rule(rule, path, there, theirs or base)

    def _apply_git_rule(
        self, rule: str, path: bytes, there: os.stat_result | None, entry: Entry | None
    ) -> None:
        """Do with one of git's own files what `GitPlan` says."""
        theirs = self.theirs.get(path)
        is_missing = rule == IF_MISSING and there is None
        if theirs and (is_missing or (rule == IF_OTHER and not self._matches(path, there, theirs))):
            self._put(path, there, theirs)
        if entry:
            self.entries[path] = entry

    def _decide_by_rule(
        self, path: bytes, there: os.stat_result | None, theirs: Entry | None
    ) -> None:
        """Decide on a path by the common rule, and record the decision."""
        untouched, same = self._is_untouched(path, there), self._matches(path, there, theirs)
        kind = decide_action(
            self._base_kind(path, there),
            kind_of(there),
            theirs.kind if theirs else None,
            untouched=untouched,
            same=same,
            unchanged=self._is_unchanged(path),
        )
        self._record_action(kind, path, there, theirs)
        if theirs:
            self.entries[path] = theirs
            if kind in {PUT, MAKE, REPLACE} or (same and kind == NOTHING):
                self.up_to_date.add(path)
                self._take_mode(path, there, theirs)

    def _base_kind(self, path: bytes, there: os.stat_result | None) -> str | None:
        """Return the kind of what was left there; a folder, if that is there and one of two."""
        kinds = [base.kind if base else None for base in self._bases(path)]
        return FOLDER if FOLDER in kinds and kind_of(there) == FOLDER else kinds[0]

    def _leave_out(self, path: bytes) -> None:
        """Leave out a path that cannot be read."""
        self.left_out.add(path)
        self._keep_as_is(path, self._base.entries.get(path), False)

    def _keep_as_is(self, path: bytes, entry: Entry | None, known: bool) -> None:
        """Keep everything at and below the path as it is.

        ``known``: record what the repository has there; otherwise, what was recorded.
        """
        (self._kept if known else self._unknown).add(path)
        if entry:
            self.entries[path] = entry

    def _is_untouched(self, path: bytes, there: os.stat_result | None) -> bool:
        """Return whether the person has left the path as it was put there."""
        bases = self._bases(path)
        if self._may_be_incomplete and bases[0] and self._is_blank(path, there):
            return True
        if there is None:
            kinds = {base.kind == FOLDER for base in bases if base}
            # With two kinds, the process was killed while a file became a folder.
            return None in bases or len(kinds) > 1
        return any(self._matches(path, there, base) for base in bases)

    def _is_blank(self, path: bytes, there: os.stat_result | None) -> bool:
        """Return whether nothing is in it, as a power cut leaves files that were just written."""
        if kind_of(there) != FILE:
            return there is None
        try:
            descriptor = self._target.open(path)
        except PermissionError:
            return False
        try:
            return not any(True for _block in blocks(descriptor))
        finally:
            os.close(descriptor)

    def _matches(self, path: bytes, there: os.stat_result | None, entry: Entry | None) -> bool:
        """Return whether the person's file is this one; its mode does not matter."""
        if there is None or entry is None or kind_of(there) != entry.kind:
            return there is None and entry is None
        if entry.kind == LINK:
            return self._target.readlink(path) == entry.digest_or_target
        if entry.kind != FILE:
            return True
        return (
            there.st_size == entry.size
            and self._cached_digest(path, there, entry) == entry.digest_or_target
        )

    def _cached_digest(self, path: bytes, there: os.stat_result, entry: Entry) -> str:
        """Return the digest of the person's file.

        It is known without reading where the times are those with which the file was left. A clock
        of whole seconds is not believed.
        """
        if not entry.digest_or_target:
            return ""
        if path not in self._digests:
            is_left = entry.stat_data and entry.stat_data[1:] == (
                there.st_mtime_ns,
                there.st_ctime_ns,
            )
            if is_left and there.st_ctime_ns % 10**9:
                self._digests[path] = entry.digest_or_target
            else:
                self._digests[path] = self._read_digest(path)
        return self._digests[path]

    def _read_digest(self, path: bytes) -> str:
        """Return the digest of the person's file; one that nothing has if it cannot be read."""
        try:
            return self._target.digest(path)
        except OSError as error:
            if error.errno in DISK_UNREACHABLE_ERRNOS:
                raise
            return "unreadable"

    def _is_unchanged(self, path: bytes) -> bool:
        """Return whether the repository has there what it had; of folders, with all below."""
        theirs, base = self.theirs.get(path), self._base.entries.get(path)
        if not theirs or not base or theirs.kind != FOLDER or base.kind != FOLDER:
            return content_of(theirs) == content_of(base)
        is_theirs = kind_of(self.stats[path]) == FOLDER  # then it does not matter
        return is_theirs or contents_below(self.theirs, path) == contents_below(
            self._base.entries, path
        )

    def _take_mode(self, path: bytes, there: os.stat_result | None, theirs: Entry) -> None:
        """Have the mode follow the repository unless the person has set one."""
        bases = [base for base in self._bases(path) if base and base.kind == theirs.kind]
        if not bases or there is None or theirs.kind == LINK or kind_of(there) != theirs.kind:
            return
        left = {base.stat_data[0] if base.stat_data else base.mode for base in bases}
        wanted = theirs.mode if permissions_of(there) in left else permissions_of(there)
        is_new = any(base.mode != theirs.mode for base in bases)
        if path in self.puts:
            self.puts[path] = Put(theirs._replace(mode=wanted), path)
        elif is_new and wanted != permissions_of(there) and theirs.kind == FOLDER:
            self.modes[path] = wanted
        elif is_new and wanted != permissions_of(there):
            self._put(path, there, theirs)

    def _record_action(
        self, kind: str, path: bytes, there: os.stat_result | None, theirs: Entry | None
    ) -> None:
        """Note what has to be done at the path for this decision."""
        if kind == DROP or (kind == MAKE and there):
            self.drops.append(path)
            self._count("removed", path)
        if kind in {CLEAR, REPLACE}:
            self.clears.append(path)
        if kind == REPLACE:
            self._replaced.append(path)
        if kind in {PUT, MAKE, REPLACE} and theirs:
            self._put(path, there, theirs)
        if kind == KEEP:
            self._count("kept", path)
        if kind in {KEEP, BESIDE} and theirs and theirs.kind == FOLDER:
            self._kept.add(path)
        if kind == BESIDE and theirs:
            self._put_beside(path, theirs)

    def _put(self, path: bytes, there: os.stat_result | None, theirs: Entry) -> None:
        self.puts[path] = Put(theirs, path)
        if theirs.kind != FOLDER:
            self._count("updated" if there else "added", path)

    def _count(self, what: str, path: bytes) -> None:
        if self.git.git_folder(path) is None:
            self.counts[what] += 1

    def _put_beside(self, path: bytes, theirs: Entry) -> None:
        """Put the repository's version next to the person's."""
        if theirs.kind == FOLDER and (
            path in self.git.modes or self.git.git_folder(path) is not None
        ):
            return  # git's folders are of no use next to the originals
        free = self._free_name(path, theirs)
        self.conflicts.append((path, free))
        if self._target.lstat(free):
            return
        self.puts[free] = Put(theirs, path)
        for inner in paths_below(self.theirs, path) if theirs.kind == FOLDER else ():
            self.puts[free + inner[len(path) :]] = Put(self.theirs[inner], inner)

    def _free_name(self, path: bytes, theirs: Entry) -> bytes:
        """Return the name for the version beside.

        It is that of an earlier run if that has put the very same there. Raises `MergeFailed`.
        """
        above, name = os.path.split(path)
        for number in range(1, 10_000):
            free = os.path.join(above, conflict_name(name, self._commit, number))
            if free in self.theirs or free in self.puts:
                continue
            there = self._target.lstat(free)
            if there is None or self._matches(free, there, theirs):
                return free
        raise MergeFailed("merge.failed", "There are too many versions of one file.")

    def _refuse_folders_in_use(self) -> None:
        """Keep each folder that became a file but has something of the person's in it."""
        removed = {*self.drops, *self.clears}
        for path in self._replaced:
            inside = self._target.walk(path)
            if any(there is None or inner not in removed for inner, there in inside):
                theirs = self.puts.pop(path).entry
                self.up_to_date.discard(path)
                self.clears.remove(path)
                self.counts["updated"] -= 1
                self._put_beside(path, theirs)
