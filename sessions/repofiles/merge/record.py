"""Keep the record of a merge: how each file was left, and the plan of one that has begun.

The record lies where its person may reach it, so whatever is no record counts as none.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .rule import Entry, GitState, MergeFailed, State
from .tree import Tree, as_bytes, as_text, open_folder

_VERSION = 1
_LOCK_SECONDS = 60
_MAX_RECORD_BYTES = 500_000_000
_MAX_EARLIER = 20
"""Plans of other commits, each killed before it had ended, that are kept beside the latest."""


class Record:
    """The record file, and beside it the plans of merges that have begun (``.next``)."""

    def __init__(self, path: bytes) -> None:
        self._folder = open_folder(os.path.dirname(path) or b".")
        self._name = os.path.basename(path)

    def close(self) -> None:
        """Close the folder; the record cannot be used any more."""
        os.close(self._folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other merges of this record out for the block.

        Raises `MergeFailed` if another one still holds the lock after a minute.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._name + b".lock", flags, 0o600, dir_fd=self._folder)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def state(self) -> State | None:
        """Return the record; None if there is none, or nothing that can be read as one."""
        return _state_or_none(self._read_json(self._name))

    def plans(self) -> list[State]:
        """Return the plans of merges that have begun and not ended, the latest last."""
        plain = self._read_json(self._name + b".next") or {}
        earlier = plain.get("earlier") if isinstance(plain, dict) else None
        found = [*(earlier if isinstance(earlier, list) else []), plain]
        return [state for each in found if (state := _state_or_none(each))]

    def save(self, state: State) -> None:
        """Make this the record, whole even after a power cut; drop the plans. Raises `OSError`."""
        self._replace(self._name, json.dumps(_state_to_json(state)).encode())
        self.drop_plans()

    def save_plans(self, earlier: list[State], latest: State, *, sync: bool = True) -> None:
        """Write the plans; with ``sync``, whole also after a power cut. Raises `OSError`.

        Of those of one commit that have entries, the latest is enough.
        """
        replaced = latest.commit if latest.entries else None
        last = {each.commit: each for each in earlier if each.commit != replaced}
        kept = [_state_to_json(each) for each in list(last.values())[-_MAX_EARLIER:]]
        plain = {**_state_to_json(latest), "earlier": kept}
        self._replace(self._name + b".next", json.dumps(plain).encode(), sync=sync)

    def drop_plans(self) -> None:
        """Remove the plans, if there are any."""
        with suppress(FileNotFoundError):
            os.unlink(self._name + b".next", dir_fd=self._folder)

    def mark_unsynced(self) -> None:
        """Note that a power cut from now on may take what was written."""
        self._replace(self._name + b".unsynced", _boot_id())

    def clear_unsynced(self) -> None:
        """Note that all that was written is on the disk."""
        with suppress(FileNotFoundError):
            os.unlink(self._name + b".unsynced", dir_fd=self._folder)

    def may_be_incomplete(self) -> bool:
        """Return whether the machine has restarted before all was on the disk."""
        mark = Tree(self._folder).read(self._name + b".unsynced", 1000)
        return mark is not None and mark != _boot_id()

    def _read_json(self, name: bytes) -> Any:
        """Return what the file has; None if it is missing or no JSON."""
        content = Tree(self._folder).read(name, _MAX_RECORD_BYTES)
        try:
            return None if content is None else json.loads(content)
        except (ValueError, RecursionError):
            return None

    def _replace(self, name: bytes, content: bytes, *, sync: bool = True) -> None:
        """Write the content under a draft's name, sync it, and rename it into place."""
        draft = name + b".draft"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(draft, flags, 0o600, dir_fd=self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(descriptor)
            os.rename(draft, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            with suppress(OSError):
                os.unlink(draft, dir_fd=self._folder)
            raise
        if sync:
            os.fsync(self._folder)


def _boot_id() -> bytes:
    """Return the id of the machine's present run; b"" if it has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().strip()
    except OSError:
        return b""


def _lock(descriptor: int) -> None:
    """Lock the open file. Raises `MergeFailed` after a minute without success."""
    for _try in range(_LOCK_SECONDS * 10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:  # a file system without locks: callers ensure one merge at a time
            return
        else:
            return
    raise MergeFailed("merge.busy", "Another process is merging these files.")


def _state_to_json(state: State) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "commit": state.commit,
        "entries": {as_text(path): entry for path, entry in state.entries.items()},
        "git": {as_text(path): git for path, git in state.git.items()},
        "report": state.report,
        "staging": state.staging,
    }


def _state_or_none(plain: Any) -> State | None:
    """Return the record that this JSON stands for; None if it is none of this version.

    Then nothing is known, so nothing is dropped.
    """
    try:
        return _state_from_json(plain)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _state_from_json(plain: dict[str, Any]) -> State:
    """Return the record that this JSON stands for.

    Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` for anything else.
    """
    if plain["version"] != _VERSION:
        raise ValueError("another version")
    entries = {
        as_bytes(path): _entry_from_json(*fields) for path, fields in plain["entries"].items()
    }
    git = {as_bytes(path): GitState(*fields) for path, fields in plain["git"].items()}
    if not all(map(_is_inside, (*entries, *git))):
        raise ValueError("leads out")
    if not isinstance(plain["report"], dict) or not set(plain["staging"]) <= set(
        "0123456789abcdef"
    ):
        raise ValueError("not a record")
    return State(str(plain["commit"]), entries, git, plain["report"], plain["staging"])


def _is_inside(path: bytes) -> bool:
    """Return whether the path stays in its folder."""
    return b"\0" not in path and not {b"", b".", b".."} & set(path.split(b"/"))


def _entry_from_json(
    kind: str, mode: int, size: int, digest_or_target: str, stat_data: list[int] | None
) -> Entry:
    seen = tuple(stat_data) if stat_data else None
    return Entry(kind, int(mode), int(size), str(digest_or_target), seen)  # type: ignore[arg-type]
