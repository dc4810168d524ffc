"""Run one merge, as a function and as a program; see the package.

It goes from its beginning, or wherever it was killed, to its end, under the record's lock.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from .plan import Plan
from .record import Record
from .rule import DISK_FULL_ERRNOS, DISK_UNREACHABLE_ERRNOS, FILE, FOLDER, LINK, MergeFailed, State
from .staging import PlanApplier, StagingArea
from .tree import Tree, kind_of, opened_folder, stat_data_of, sync_disk

_MAX_SYNCED_SINGLY = 300
"""Files; with more, the whole disk is synced at once, including other people's data."""
_MAX_NAMES = 20
_MAX_NAME_LENGTH = 200
_STAGING = b".bindery-merge-"
_OPEN = stat.S_IRUSR | stat.S_IXUSR


class MergeRun:
    """One merge under the record's lock."""

    def __init__(self, source: Tree, target: Tree, record: Record, commit: str) -> None:
        self._source, self._target, self._record, self._commit = source, target, record, commit
        self._sync_each = False
        self._interrupted: list[State] = []

    def adopt(self) -> dict[str, Any]:
        """Record the target as filled from this very source, and return the report as `merge` does.

        No file of it is touched. Raises `OSError`.
        """
        plan = Plan(self._source, self._target, State(), [], self._commit)
        report = self._report(plan, "adopted", "")
        self._record.save(State(self._commit, plan.theirs, plan.git.states, report))
        return report

    def settled(self) -> dict[str, Any] | None:
        """Return the last merge's report if there is nothing to do for the commit, else None."""
        base, in_doubt = self._record.state(), self._record.may_be_incomplete()
        is_there = base and base.commit == self._commit and os.listdir(self._target.root)
        if base and is_there and not self._record.plans() and not in_doubt:
            return {**base.report, "again": True}
        return None

    def merge(self, *, sync: bool) -> dict[str, Any]:
        """Merge, and return the report, which is kept in the record, too.

        Without ``sync``, what fills an empty folder is not waited for: see `sync_target`. Raises
        `MergeFailed` or `OSError`.
        """
        if known := self.settled():
            return known
        base, begun = self._record.state() or State(), self._record.plans()
        for staging in [each.staging for each in begun if each.staging]:
            self._remove(_STAGING + staging.encode())
        is_empty = not os.listdir(self._target.root)
        in_doubt = self._record.may_be_incomplete()
        if is_empty:
            base, begun = State(), []
        self._interrupted = [each for each in begun if each.entries]
        plan = Plan(
            self._source,
            self._target,
            base,
            self._interrupted,
            self._commit,
            may_be_incomplete=in_doubt,
        )
        plan.decide()
        self._sync_each = not is_empty and len(plan.puts) <= _MAX_SYNCED_SINGLY
        self._carry_out(plan, is_empty=is_empty)
        report = self._report(plan, "filled" if is_empty else "merged", base.commit)
        if is_empty and not sync:
            self._record.mark_unsynced()
        elif not self._sync_each:
            sync_disk(self._target.root)
        self._record.save(State(self._commit, plan.entries, plan.git.states, report))
        if sync or not is_empty:
            self._record.clear_unsynced()
        return report

    def _remove(self, staging: bytes) -> None:
        """Remove a staging folder, if it is there."""
        if kind_of(self._target.lstat(staging)) == FOLDER:
            self._target.remove(staging)
            self._target.close_folders()

    def _carry_out(self, plan: Plan, *, is_empty: bool) -> None:
        """Write what is new, put it in place, and note how each file was left."""
        written: dict[bytes, tuple[int, ...]] = {}
        if plan.puts or plan.drops or plan.clears or plan.modes:
            token = os.urandom(8).hex()
            staging = _STAGING + token.encode()
            stage = self._write_staging(plan, staging, token, is_empty=is_empty)
            self._target.close_folders()
            with opened_folder(staging, self._target.root) as at:
                PlanApplier(plan, stage, self._target, at).apply()
            if self._sync_each:
                self._sync_folders({*stage.tops, *plan.drops, *plan.clears, *plan.modes})
            self._remove(staging)
            written = stage.written
        self._record_stat_data(plan, written)

    def _write_staging(
        self, plan: Plan, staging: bytes, token: str, *, is_empty: bool
    ) -> StagingArea:
        """Write all that is new, then what it leads to; nothing has changed if that fails.

        For a folder that was empty, one sync at the end is enough.
        """
        self._record.save_plans(self._interrupted, State(self._commit, staging=token))
        try:
            self._target.change(staging, lambda folder, name: os.mkdir(name, 0o700, dir_fd=folder))
            with opened_folder(staging, self._target.root) as at:
                stage = StagingArea(Tree(at), self._source, plan, sync_each=self._sync_each)
                stage.write_all()
                if not is_empty and not self._sync_each:
                    sync_disk(at)
            self._record.save_plans(
                self._interrupted,
                State(self._commit, plan.entries, plan.git.states, staging=token),
                sync=not is_empty,
            )
        except OSError:
            with suppress(OSError):
                self._remove(staging)
                if not self._interrupted:
                    self._record.drop_plans()
            raise
        return stage

    def _sync_folders(self, changed: set[bytes]) -> None:
        """Sync the folders above these paths."""
        self._target.close_folders()
        for above in {os.path.dirname(path) for path in changed}:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                os.fsync(self._target.folder(above))

    def _record_stat_data(self, plan: Plan, written: dict[bytes, tuple[int, ...]]) -> None:
        """Note mode and times of what stands as the repository has it."""
        for path in plan.up_to_date:
            entry = plan.entries.get(path)
            if entry is None or entry.kind == LINK or path in plan.left_out:
                continue
            is_new = path in plan.puts or path in plan.modes
            there = self._target.lstat(path) if is_new else plan.stats[path]
            if kind_of(there) != entry.kind or there is None:
                continue
            known = written.get(path) if entry.kind == FILE else None
            if known in {None, (there.st_ino, there.st_size, there.st_mtime_ns)}:
                plan.entries[path] = entry._replace(stat_data=stat_data_of(there))

    def _report(self, plan: Plan, state: str, was: str) -> dict[str, Any]:
        """Return the report; see `merge`."""
        beside_each = [
            [printable_path(path), printable_path(name)] for path, name in sorted(plan.conflicts)
        ]
        return {
            "state": state,
            "commit": self._commit,
            "was": was,
            "git": plan.git.modes.get(b".git", ""),
            **plan.counts,
            "conflicts": len(beside_each),
            "conflict_names": beside_each[:_MAX_NAMES],
            "left_out": len(plan.left_out),
            "left_out_names": [printable_path(path) for path in sorted(plan.left_out)[:_MAX_NAMES]],
        }


def printable_path(path: bytes) -> str:
    """Return a path for showing: at most 200 characters, none of them a control."""
    text = "".join(
        each if each.isprintable() else "\ufffd" for each in path.decode("utf-8", "replace")
    )
    return text if len(text) <= _MAX_NAME_LENGTH else "…" + text[-_MAX_NAME_LENGTH:]


def merge(
    source: str, target: str, record: str, commit: str, *, adopt: bool = False, sync: bool = True
) -> dict[str, Any]:
    """Bring the repository in ``source``, which is at ``commit``, into ``target``; return a report.

    Without a ``source``, return the report of the last merge of this commit, and raise
    `MergeFailed` with the code ``merge.no-source`` if there is anything to do.

    ``state`` is ``filled``, ``merged`` or ``adopted``; ``again`` is set where there was nothing to
    do, and the rest is of the last time. ``added``, ``updated``, ``removed`` count files that
    followed the repository, ``kept`` those of the person's that did not; ``conflict_names`` pairs
    what both changed with the name of the repository's version; ``left_out_names`` are those that
    could not be read or written. ``git`` tells of the person's own ``.git``: ``fill``, ``follow``,
    ``same`` (they have that commit), ``keep`` (their own history stays, and the repository's is in
    it as a remote's), ``leave`` (not touched).

    Without ``sync``, what fills an empty folder is not on the disk yet: `sync_target` is to be
    called soon. Raises `MergeFailed`.
    """
    try:
        with ExitStack() as stack:
            held = Record(os.fsencode(record))
            stack.callback(held.close)
            stack.enter_context(held.locked())
            target_tree = Tree(stack.enter_context(_ensured_folder(target)))
            stack.callback(target_tree.close_folders)
            if not source:
                return _settled(MergeRun(target_tree, target_tree, held, commit))
            source_tree = Tree(stack.enter_context(opened_folder(source)))
            stack.callback(source_tree.close_folders)
            run = MergeRun(source_tree, target_tree, held, commit)
            return run.adopt() if adopt else run.merge(sync=sync)
    except OSError as error:
        raise _failure_for(error) from error


def _settled(run: MergeRun) -> dict[str, Any]:
    if known := run.settled():
        return known
    raise MergeFailed("merge.no-source", "The repository's files are not there.")


def sync_target(target: str, record: str) -> None:
    """Write to the disk what was filled without waiting for it. Raises `OSError`."""
    with ExitStack() as stack:
        held = Record(os.fsencode(record))
        stack.callback(held.close)
        sync_disk(stack.enter_context(opened_folder(target)))
        held.clear_unsynced()


@contextmanager
def _ensured_folder(target: str) -> Iterator[int]:
    """Make the folder unless it exists, and yield its descriptor.

    Its owner may have taken the right to read it away from themselves, as by ``chmod -R``.
    """
    try:
        os.mkdir(target, 0o755)
    except FileExistsError:
        there = os.lstat(target)
        if stat.S_ISDIR(there.st_mode) and there.st_mode & _OPEN != _OPEN:
            with suppress(OSError):  # it is somebody else's
                os.chmod(target, stat.S_IMODE(there.st_mode) | stat.S_IRWXU)
    with opened_folder(target) as descriptor:
        yield descriptor


def _failure_for(error: OSError) -> MergeFailed:
    """Return the failure that tells people about this error."""
    for numbers, code, message in (
        (DISK_FULL_ERRNOS, "merge.full", "There is no space left for the repository's files."),
        ({errno.EROFS}, "merge.read-only", "The disk with your files is read-only right now."),
        (DISK_UNREACHABLE_ERRNOS, "merge.away", "The disk with your files does not answer."),
        ({errno.ENOTDIR, errno.ELOOP}, "merge.not-a-folder",
         "Something else is in the place of the folder with your files."),
        ({errno.EACCES, errno.EPERM}, "merge.refused",
         "The folder with your files is not writable."),
    ):  # fmt: skip
        if error.errno in numbers:
            return MergeFailed(code, message)
    return MergeFailed(
        "merge.failed", f"The repository's files could not be merged: {error.strerror}."
    )


def main(argv: list[str]) -> int:
    """Run one merge, and print the report or the error as JSON; see the package.

    Return the status of the program: 0, or 1 after an error.
    """
    adopt = argv[:1] == ["--adopt"]
    try:
        source, target, record, commit = argv[1:] if adopt else argv
        report = merge(source, target, record, commit, adopt=adopt)
    except MergeFailed as failed:
        print(json.dumps({"error": {"code": failed.code, "message": failed.message}}))  # noqa: T201
        return 1
    print(json.dumps(report))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
