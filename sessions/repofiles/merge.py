"""Brings a repository as it was built into a person's folder: fills an empty one, merges into any
other as a pull would. Files that the person left alone follow the repository, their own edits win,
and where both changed a file the repository's version is put beside it (`notes.txt.from-1a2b3c4`).

Run as ``merge.py [--adopt] SOURCE TARGET RECORD COMMIT``, or by its text: ``python3 -c TEXT …``.
It prints one line of JSON: the report (see `merge`), or ``{"error": {"code", "message"}}`` with
status 1. ``RECORD`` is a file outside of the target that says how each file was left: it is the
third side of the merge. ``--adopt`` changes no file: it records that the target was filled from the
source before there were records.

What holds whenever it is killed, and when the disk is full: new content is written to a hidden
folder of the target, synced, and only then renamed into place; so each file is the old one or the
new one, a full disk is known before anything was changed, and another run goes on (a plan beside
the record tells the files that the killed one had put in place from the person's own).

The target belongs to a stranger's code: no link in it is followed, everything is reached by
descriptors, and a file that changed since it was looked at is left alone. One module, standard
library only, Python 3.8 or newer: it has to run in images that people made, which is why it is
longer than others.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import stat
import struct
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

FILE, LINK, FOLDER, OTHER = "file", "link", "folder", "other"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
AWAY = frozenset({errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT,
                  errno.EHOSTDOWN, errno.ENXIO})  # fmt: skip
"""A disk or file server that does not answer: nothing can be said of any file."""

_VERSION = 1
_BLOCK = 1 << 17
_ZEROS = bytes(_BLOCK)
_OPEN_FOLDERS = 64
_LOCK_SECONDS = 60
_SYNCED_ONE_BY_ONE = 300
"""Files; of more, all that waits for the disk is written out at once, also that of others."""
_NAMES = 20
_LONGEST_NAME = 200
_LONGEST_RECORD = 500_000_000
_SMALL = 50_000_000
_STAGING = b".bindery-merge-"
_CLONE = 0x40049409  # FICLONE
_RIGHTS = 0o777


class Failed(Exception):
    """Nothing could be merged, or not all of it; another run goes on. ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Entry(NamedTuple):
    """What stands at a path: ``mark`` is a file's digest or a link's target. ``seen`` tells how the
    target's file was left: mode, mtime and ctime (ns)."""

    kind: str
    mode: int = 0
    size: int = 0
    mark: str = ""
    seen: tuple[int, int, int] | None = None


class Git(NamedTuple):
    """How a git folder is, apart from its objects; ``busy``: in the middle of a merge, say."""

    head: str
    refs: dict[str, str]
    staged: str
    busy: bool = False


class State(NamedTuple):
    """A record: which commit the target has, every path of the repository, its git folders."""

    commit: str = ""
    entries: dict[bytes, Entry] = {}  # noqa: RUF012  (never written to)
    git: dict[bytes, Git] = {}  # noqa: RUF012
    report: dict[str, Any] = {}  # noqa: RUF012
    staging: str = ""


# ── Folders by descriptors ──────────────────────────────────────────────────────────────────────


class Tree:
    """A folder and all below it, reached by descriptors from its root; no link is followed."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def folder(self, path: bytes) -> int:
        """Return a descriptor of the folder, valid until some others were asked for."""
        missing = []
        while path and path not in self._open:
            missing.append(path)
            path = os.path.dirname(path)
        at = self._open[path] if path else self.root
        if path:
            self._open.move_to_end(path)
        for each in reversed(missing):
            at = _folder(os.path.basename(each), at)
            self._open[each] = at
            if len(self._open) > _OPEN_FOLDERS:
                os.close(self._open.popitem(last=False)[1])
        return at

    def at(self, path: bytes) -> tuple[int, bytes]:
        """Return the descriptor of the folder that holds the path, and the last name."""
        return self.folder(os.path.dirname(path)), os.path.basename(path)

    def look(self, path: bytes) -> os.stat_result | None:
        """Return what stands at the path, None where nothing does."""
        try:
            folder, name = self.at(path)
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                return None
            raise

    def listing(self, top: bytes = b"") -> Iterator[tuple[bytes, os.stat_result | None]]:
        """Yield everything below ``top``, folders before what is in them; None as the second where
        a folder cannot be read."""
        todo = [top]
        while todo:
            folder = todo.pop()
            try:
                found = self._entries(folder)
            except PermissionError:
                yield folder, None
                continue
            for name, there in found:
                path = folder + b"/" + name if folder else name
                yield path, there
                if stat.S_ISDIR(there.st_mode):
                    todo.append(path)

    def _entries(self, folder: bytes) -> list[tuple[bytes, os.stat_result]]:
        descriptor = self.folder(folder)
        found = []
        for name in sorted(map(os.fsencode, os.listdir(descriptor))):
            with suppress(FileNotFoundError):
                found.append((name, os.stat(name, dir_fd=descriptor, follow_symlinks=False)))
        return found

    def open(self, path: bytes) -> int:
        """Return a descriptor of the file. Raises `OSError` where it is anything else."""
        folder, name = self.at(path)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a file")
        return descriptor

    def digest(self, path: bytes) -> str:
        descriptor = self.open(path)
        try:
            return _digest(descriptor)
        finally:
            os.close(descriptor)

    def link(self, path: bytes) -> str:
        folder, name = self.at(path)
        return _text(os.readlink(name, dir_fd=folder))

    def read(self, path: bytes, most: int = _SMALL) -> bytes | None:
        """Return the content of a small file; None where there is none, or it is too large."""
        try:
            descriptor = self.open(path)
        except OSError as error:
            if error.errno in AWAY:
                raise
            return None
        with open(descriptor, "rb") as file:
            content = file.read(most + 1)
        return content if len(content) <= most else None

    def forget(self) -> None:
        """Close what is open: folders have moved."""
        while self._open:
            os.close(self._open.popitem()[1])

    def remove(self, top: bytes) -> None:
        """Remove a folder of ours and all in it."""
        folders = [top]
        for path, there in self.listing(top):
            if there and stat.S_ISDIR(there.st_mode):
                folders.append(path)
            elif there:
                self.change(path, lambda folder, name: os.unlink(name, dir_fd=folder))
        self.forget()
        for path in reversed(folders):
            self.change(path, lambda folder, name: os.rmdir(name, dir_fd=folder))

    def change(self, path: bytes, action: Callable[[int, bytes], None]) -> None:
        """Do something to a name in a folder, also where its owner took away the right to."""
        folder, name = self.at(path)
        try:
            action(folder, name)
        except PermissionError:
            mode = stat.S_IMODE(os.fstat(folder).st_mode)
            if mode & stat.S_IRWXU == stat.S_IRWXU:
                raise
            os.fchmod(folder, mode | stat.S_IRWXU)
            try:
                action(folder, name)
            finally:
                os.fchmod(folder, mode)


def _folder(name: bytes | str, at: int | None = None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=at)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _name(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _kind(there: os.stat_result | None) -> str | None:
    if there is None:
        return None
    for is_one, kind in ((stat.S_ISREG, FILE), (stat.S_ISDIR, FOLDER), (stat.S_ISLNK, LINK)):
        if is_one(there.st_mode):
            return kind
    return OTHER


def _mode(there: os.stat_result) -> int:
    return there.st_mode & _RIGHTS


def _seen(there: os.stat_result) -> tuple[int, int, int]:
    return _mode(there), there.st_mtime_ns, there.st_ctime_ns


def _is_as(now: os.stat_result | None, looked: os.stat_result | None) -> bool:
    """Return whether nobody changed the file since it was looked at; of a folder, whether it is
    one. A file with several names has a new ctime when we replace another of them."""
    if now is None or looked is None or _kind(now) != _kind(looked):
        return now is looked
    if stat.S_ISDIR(now.st_mode):
        return True
    fields = ["st_ino", "st_mode", "st_size", "st_mtime_ns"]
    fields += ["st_ctime_ns"] if looked.st_nlink == 1 else []
    return all(getattr(now, field) == getattr(looked, field) for field in fields)


def _blocks(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Yield position and content of each block that does not consist of zeros."""
    at, size = 0, os.fstat(descriptor).st_size
    while at < size:
        if size > _BLOCK:
            at = _data(descriptor, at, size) // _BLOCK * _BLOCK
        block = _block(descriptor, at)
        if block != _ZEROS[: len(block)]:
            yield at, block
        at += _BLOCK


def _data(descriptor: int, at: int, size: int) -> int:
    """Return where the next data of a file with holes lies; its end where there is none."""
    try:
        return max(at, os.lseek(descriptor, at, os.SEEK_DATA))
    except OSError as error:
        return size if error.errno == errno.ENXIO else at


def _block(descriptor: int, at: int) -> bytes:
    block = os.pread(descriptor, _BLOCK, at)
    while 0 < len(block) < _BLOCK:
        more = os.pread(descriptor, _BLOCK - len(block), at + len(block))
        if not more:
            break
        block += more
    return block


def _digest(descriptor: int) -> str:
    """Return a SHA-256 of the content, in which zeros cost nothing, whether holes or not."""
    found = hashlib.sha256()
    for at, block in _blocks(descriptor):
        found.update(struct.pack(">Q", at))
        found.update(block)
    found.update(struct.pack(">Q", os.fstat(descriptor).st_size))
    return found.hexdigest()


def _copy(source: int, target: int) -> None:
    """Copy the content; shares the data where the file system can, and keeps holes."""
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError as error:
        if error.errno in NO_ROOM | AWAY:
            raise
    else:
        return
    for at, block in _blocks(source):
        written = 0
        while written < len(block):
            written += os.pwrite(target, block[written:], at + written)
    os.ftruncate(target, os.fstat(source).st_size)


def _sync(descriptor: int) -> None:
    """Have the whole file system on its disk. Raises `OSError` where it does not take it."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# ── The record ──────────────────────────────────────────────────────────────────────────────────


class Record:
    """The record file, and beside it the plan of a merge that has begun (``.next``)."""

    def __init__(self, path: bytes) -> None:
        self._folder = _folder(os.path.dirname(path) or b".")
        self._name = os.path.basename(path)

    def close(self) -> None:
        os.close(self._folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep out others that merge. Raises `Failed` where one is at it for a minute."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._name + b".lock", flags, 0o600, dir_fd=self._folder)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def state(self) -> State | None:
        return self._read(self._name)

    def plan(self) -> State | None:
        return self._read(self._name + b".next")

    def keep(self, state: State) -> None:
        """Make it the record, whole also after a power cut, and drop the plan."""
        self._write(self._name, state)
        self.drop_plan()

    def keep_plan(self, state: State) -> None:
        self._write(self._name + b".next", state)

    def drop_plan(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._name + b".next", dir_fd=self._folder)

    def mark_unsynced(self) -> None:
        """Note that a power cut from now on may take what was written."""
        self._replace(self._name + b".unsynced", _boot())

    def unmark(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._name + b".unsynced", dir_fd=self._folder)

    def is_in_doubt(self) -> bool:
        """Return whether the machine has been started anew before all was on the disk."""
        mark = Tree(self._folder).read(self._name + b".unsynced", 1000)
        return mark is not None and mark != _boot()

    def _read(self, name: bytes) -> State | None:
        content = Tree(self._folder).read(name, _LONGEST_RECORD)
        if content is None:
            return None
        try:
            return _state(json.loads(content))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None  # not ours, or of another time: nothing is known, so nothing is dropped

    def _write(self, name: bytes, state: State) -> None:
        self._replace(name, json.dumps(_plain(state)).encode())

    def _replace(self, name: bytes, content: bytes) -> None:
        draft = name + b".draft"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(draft, flags, 0o600, dir_fd=self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.rename(draft, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            with suppress(OSError):
                os.unlink(draft, dir_fd=self._folder)
            raise
        os.fsync(self._folder)


def _boot() -> bytes:
    """Return what names the time since the machine was started."""
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        return file.read().strip()


def _lock(descriptor: int) -> None:
    for _try in range(_LOCK_SECONDS * 10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:  # a file system without locks: callers see to it that one merges at a time
            return
        else:
            return
    raise Failed("merge.busy", "These files are being merged by another process.")


def _plain(state: State) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "commit": state.commit,
        "entries": {_text(path): entry for path, entry in state.entries.items()},
        "git": {_text(path): git for path, git in state.git.items()},
        "report": state.report,
        "staging": state.staging,
    }


def _state(plain: dict[str, Any]) -> State:
    if plain["version"] != _VERSION:
        raise ValueError("another version")
    entries = {_name(path): _entry(*fields) for path, fields in plain["entries"].items()}
    git = {_name(path): Git(*fields) for path, fields in plain["git"].items()}
    if not all(map(_is_inside, (*entries, *git))):
        raise ValueError("leads out")
    if not isinstance(plain["report"], dict) or not set(plain["staging"]) <= set(
        "0123456789abcdef"
    ):
        raise ValueError("not a record")
    return State(str(plain["commit"]), entries, git, plain["report"], plain["staging"])


def _is_inside(path: bytes) -> bool:
    return b"\0" not in path and not {b"", b".", b".."} & set(path.split(b"/"))


def _entry(kind: str, mode: int, size: int, mark: str, seen: list[int] | None) -> Entry:
    return Entry(kind, int(mode), int(size), str(mark), tuple(seen) if seen else None)  # type: ignore[arg-type]


# ── The repository as built ─────────────────────────────────────────────────────────────────────


def scan(tree: Tree) -> tuple[dict[bytes, Entry], set[bytes]]:
    """Return everything in the repository as built, and what of it cannot be read or taken."""
    found, unreadable = _looked(tree)
    git = git_folders(found)
    entries: dict[bytes, Entry] = {}
    for path, there in found.items():
        kind = _kind(there)
        try:
            if kind == FILE and not _is_object(path, git):
                entries[path] = Entry(FILE, _mode(there), there.st_size, tree.digest(path))
            elif kind == LINK:
                entries[path] = Entry(LINK, mark=tree.link(path))
            elif kind == OTHER:
                unreadable.add(path)
            else:  # the name of one of git's objects tells its content
                size = there.st_size if kind == FILE else 0
                entries[path] = Entry(str(kind), _mode(there), size)
        except PermissionError:
            unreadable.add(path)
    return entries, unreadable


def _looked(tree: Tree) -> tuple[dict[bytes, os.stat_result], set[bytes]]:
    found: dict[bytes, os.stat_result] = {}
    unreadable = set()
    for path, there in tree.listing():
        if there:
            found[path] = there
        else:
            found.pop(path, None)
            unreadable.add(path)
    return found, unreadable


def git_folders(paths: Iterable[bytes]) -> set[bytes]:
    """Return the folders among the paths that are git's: the repository's, its submodules'."""
    known = paths if isinstance(paths, dict) else set(paths)
    heads = (path[: -len(b"/HEAD")] for path in known if path.endswith(b"/HEAD"))
    return {path for path in heads if path + b"/objects" in known and path + b"/refs" in known}


def _git_folder(path: bytes, git: Iterable[bytes]) -> bytes | None:
    """Return the innermost git folder that the path lies in."""
    path = os.path.dirname(path)
    while path:
        if path in git:
            return path
        path = os.path.dirname(path)
    return None


def _is_object(path: bytes, git: set[bytes]) -> bool:
    home = _git_folder(path, git) if git else None
    return home is not None and path.startswith(home + b"/objects/")


# ── Git's own folders ───────────────────────────────────────────────────────────────────────────

_BUSY = (b"MERGE_HEAD", b"CHERRY_PICK_HEAD", b"REVERT_HEAD", b"BISECT_LOG", b"rebase-merge",
         b"rebase-apply", b"sequencer")  # fmt: skip
_TABLES = "reftable"
_REMOTES = "refs/remotes/"
_TAGS = "refs/tags/"


def read_git(tree: Tree, home: bytes) -> Git | None:
    """Return how a git folder is; None where it is none."""
    head = tree.read(home + b"/HEAD", 10_000)
    if head is None or _kind(tree.look(home + b"/objects")) != FOLDER:
        return None
    busy = any(tree.look(home + b"/" + name) for name in _BUSY)
    return Git(_text(head).strip(), _refs(tree, home), _index(tree, home), busy)


def _refs(tree: Tree, home: bytes) -> dict[str, str]:
    found = {}
    for line in (tree.read(home + b"/packed-refs") or b"").splitlines():
        value, _blank, name = _text(line).partition(" ")
        if name.startswith("refs/"):
            found[name] = value
    if _kind(tree.look(home + b"/refs")) == FOLDER:
        for path, there in tree.listing(home + b"/refs"):
            if _kind(there) == FILE and not path.endswith(b".lock"):
                found[_text(path[len(home) + 1 :])] = _text(tree.read(path, 10_000) or b"").strip()
    tables = tree.read(home + b"/reftable/tables.list")
    return found if tables is None else {**found, _TABLES: _text(tables)}


def _index(tree: Tree, home: bytes) -> str:
    """Return a digest of what is staged, the same after a `git status`; "" without an index."""
    content = tree.read(home + b"/index")
    if content is None:
        return ""
    wide = b"objectformat = sha256" in (tree.read(home + b"/config", 1_000_000) or b"").lower()
    found = hashlib.sha256()
    try:
        for part in _staged(content, 32 if wide else 20):
            found.update(part)
    except (struct.error, IndexError, ValueError):
        return "unknown " + hashlib.sha256(content).hexdigest()
    return found.hexdigest()


def _staged(index: bytes, wide: int) -> Iterator[bytes]:
    """Yield mode, flags, object and path of each entry of an index (gitformat-index)."""
    mark, version, count = struct.unpack_from(">4sLL", index)
    if mark != b"DIRC" or version not in {2, 3, 4}:
        raise ValueError("no index")
    at, path = 12, b""
    for _entry in range(count):
        start = at
        (mode,) = struct.unpack_from(">L", index, at + 24)
        (flags,) = struct.unpack_from(">H", index, at + 40 + wide)
        name = at + 42 + wide + (2 if flags & 0x4000 else 0)
        if version == 4:
            cut, name = _number(index, name)
            end = index.index(b"\0", name)
            path, at = path[: len(path) - cut] + index[name:end], end + 1
        else:
            end = index.index(b"\0", name)
            path, at = index[name:end], start + (end - start + 8) // 8 * 8
        more = index[start + 42 + wide : start + 44 + wide] if flags & 0x4000 else b""
        yield struct.pack(">LH", mode, flags & 0xF000) + more
        yield index[start + 40 : start + 40 + wide] + path + b"\0"


def _number(index: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length as git writes it, and where it ends."""
    value = index[at] & 0x7F
    while index[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (index[at] & 0x7F)
    return value, at + 1


def is_untouched(mine: Git, bases: list[Git]) -> bool:
    """Return whether nothing in it is the person's: no commit, branch, tag, or staged change."""
    own = {name for git in (mine, *bases) for name in git.refs if not name.startswith(_REMOTES)}
    return (
        not mine.busy
        and mine.head in {base.head for base in bases}
        and mine.staged in {base.staged for base in bases}
        and all(mine.refs.get(name) in {base.refs.get(name) for base in bases} for name in own)
    )


def is_same(mine: Git, theirs: Git) -> bool:
    """Return whether the person has that very commit: pulled it, or made and pushed it."""
    branch = theirs.head[5:] if theirs.head.startswith("ref: ") else ""
    return (
        not mine.busy
        and (mine.head, mine.staged) == (theirs.head, theirs.staged)
        and mine.refs.get(branch) == theirs.refs.get(branch)
    )


# ── The rule ────────────────────────────────────────────────────────────────────────────────────

NOTHING, PUT, MAKE, DROP, CLEAR, KEEP, BESIDE, REPLACE = (
    "nothing", "put", "make", "drop", "clear", "keep", "beside", "replace")  # fmt: skip


def verdict(
    base: str | None,
    mine: str | None,
    theirs: str | None,
    *,
    untouched: bool,
    same: bool,
    unchanged: bool,
) -> str:
    """Return what becomes of a path, from the kinds of the three sides (None: nothing is there).

    ``untouched``: mine is as it was left. ``same``: mine is as theirs. ``unchanged``: theirs is as
    base. Folders are ``clear``ed when they are empty, and ``replace``d where nothing of the
    person's is in them.
    """
    if theirs is None:
        return _gone(base, mine, untouched=untouched)
    if theirs == FOLDER:
        return _became_folder(base, mine, untouched=untouched, unchanged=unchanged)
    if mine == FOLDER and base == FOLDER:
        return REPLACE
    if same:
        return NOTHING
    if (mine is None and base == FOLDER) or (untouched and mine != FOLDER):
        return PUT
    return KEEP if unchanged else BESIDE


def _gone(base: str | None, mine: str | None, *, untouched: bool) -> str:
    if mine is None:
        return NOTHING
    if mine == FOLDER:
        return CLEAR if base == FOLDER else KEEP
    return DROP if untouched else KEEP


def _became_folder(base: str | None, mine: str | None, *, untouched: bool, unchanged: bool) -> str:
    if mine == FOLDER:
        return NOTHING
    if mine is None:  # a folder that the person removed comes back only for what is new in it
        return NOTHING if base == FOLDER and not untouched else MAKE
    if untouched:
        return MAKE
    return KEEP if unchanged else BESIDE


def beside(name: bytes, commit: str, number: int = 1) -> bytes:
    """Return the name for the repository's version of a file that the person changed, too.

    Notebooks keep their ending, without which Jupyter does not open them.
    """
    tail = b".from-" + commit[:7].encode() + (b"-%d" % number if number > 1 else b"")
    stem, ending = os.path.splitext(name)
    if ending != b".ipynb":
        stem, ending = name, b""
    return _cut(stem, 255 - len(tail) - len(ending)) + tail + ending


def _cut(name: bytes, most: int) -> bytes:
    """Return at most so many bytes of a name; no half of a letter, where it is UTF-8."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return name[:most]
    return name[:most].decode("utf-8", "ignore").encode()


# ── The merge ───────────────────────────────────────────────────────────────────────────────────


class Put(NamedTuple):
    """Something to be put at a path: ``text``, or what stands at ``source`` in the repository."""

    entry: Entry
    source: bytes = b""
    text: bytes | None = None


class Plan:
    """What is to be done, decided path by path; nothing is changed here.

    ``puts``, ``drops``, ``clears`` and ``modes`` are the work; ``entries`` and ``git`` the record
    that it leads to; ``settled`` those paths that stand as the repository has them.
    """

    def __init__(
        self,
        source: Tree,
        target: Tree,
        base: State,
        begun: State | None,
        commit: str,
        *,
        in_doubt: bool = False,
    ) -> None:
        self._source, self._target, self._base, self._begun = source, target, base, begun
        self._commit, self._in_doubt = commit, in_doubt
        self.theirs, unreadable = scan(source)
        if b"" in unreadable:
            raise Failed("merge.unreadable", "The files of the repository cannot be read.")
        self.git = self._theirs_git()
        self.git_modes: dict[bytes, str] = {}
        self.stats: dict[bytes, os.stat_result | None] = {}
        self.puts: dict[bytes, Put] = {}
        self.drops: list[bytes] = []
        self.clears: list[bytes] = []
        self.modes: dict[bytes, int] = {}
        self.entries: dict[bytes, Entry] = {}
        self.settled: set[bytes] = set()
        self.counts = dict.fromkeys(("added", "updated", "removed", "kept"), 0)
        self.conflicts: list[tuple[bytes, bytes]] = []
        self.left_out = set(unreadable)
        self._unreadable = unreadable
        self._digests: dict[bytes, str] = {}
        self._held: set[bytes] = set()
        self._unknown: set[bytes] = set()
        self._replaced: list[bytes] = []

    def decide(self) -> None:
        for home in {*self.git, *self._base.git}:
            self.git_modes[home] = self._git_mode(home)
        paths = {*self.theirs, *self._base.entries, *(self._begun.entries if self._begun else ())}
        for path in sorted(paths, key=_parts):
            try:
                self._decide(path)
            except PermissionError:
                self._leave_out(path)
        for home, mode in self.git_modes.items():
            if mode in {"follow", "keep"}:
                self._bring_refs(home, mode)
        self._refuse_folders_in_use()

    def look(self, path: bytes) -> os.stat_result | None:
        return self._target.look(path)

    def give_up(self, path: bytes) -> None:
        """It could not be done: the next merge tries again."""
        self.left_out.add(path)
        self.entries.pop(path, None)
        if path in self._base.entries:
            self.entries[path] = self._base.entries[path]

    def turn(self, path: bytes) -> int:
        """Return when it is put in place: in a git folder what is named before what names it."""
        home = _git_folder(path, self.git_modes)
        if home is None or self.git_modes[home] == "fill":
            return 1
        inside = path[len(home) + 1 :]
        for turn, start in ((0, b"objects/"), (2, b"refs/"), (3, b"index"), (4, b"HEAD")):
            if inside.startswith(start):
                return turn
        return 1

    def _theirs_git(self) -> dict[bytes, Git]:
        found = {home: read_git(self._source, home) for home in git_folders(self.theirs)}
        return {home: git for home, git in found.items() if git}

    def _bases(self, path: bytes) -> list[Entry | None]:
        """Return how the path may have been left: as recorded, or as a killed run wanted it."""
        bases = [self._base.entries.get(path)]
        return [*bases, self._begun.entries.get(path)] if self._begun else bases

    def _decide(self, path: bytes) -> None:
        base, theirs = self._base.entries.get(path), self.theirs.get(path)
        above = os.path.dirname(path)
        if above in self._held or above in self._unknown:
            self._hold(path, theirs if above in self._held else base, above in self._held)
            return
        is_there = not above or _kind(self.stats.get(above)) == FOLDER
        there = self.stats[path] = self._target.look(path) if is_there else None
        if path in self._unreadable:
            self._hold(path, base, False)
        elif not self._decided_by_git(path, there):
            self._judge(path, there, theirs)

    def _judge(self, path: bytes, there: os.stat_result | None, theirs: Entry | None) -> None:
        untouched, same = self._is_untouched(path, there), self._is(path, there, theirs)
        kind = verdict(
            self._base_kind(path, there),
            _kind(there),
            theirs.kind if theirs else None,
            untouched=untouched,
            same=same,
            unchanged=self._is_unchanged(path),
        )
        self._act(kind, path, there, theirs)
        if theirs:
            self.entries[path] = theirs
            if kind in {PUT, MAKE, REPLACE} or (same and kind == NOTHING):
                self.settled.add(path)
                self._take_mode(path, there, theirs)

    def _base_kind(self, path: bytes, there: os.stat_result | None) -> str | None:
        """Return the kind of what was left there; a folder, if that is there and one of two."""
        kinds = [base.kind if base else None for base in self._bases(path)]
        return FOLDER if FOLDER in kinds and _kind(there) == FOLDER else kinds[0]

    def _leave_out(self, path: bytes) -> None:
        self.left_out.add(path)
        self._hold(path, self._base.entries.get(path), False)

    def _hold(self, path: bytes, entry: Entry | None, known: bool) -> None:
        """All there stays as it is."""
        (self._held if known else self._unknown).add(path)
        if entry:
            self.entries[path] = entry

    def _is_untouched(self, path: bytes, there: os.stat_result | None) -> bool:
        bases = self._bases(path)
        if self._in_doubt and bases[0] and self._is_blank(path, there):
            return True
        if there is None:
            kinds = {base.kind == FOLDER for base in bases if base}
            return None in bases or len(kinds) > 1  # killed while a file became a folder
        return any(self._is(path, there, base) for base in bases)

    def _is_blank(self, path: bytes, there: os.stat_result | None) -> bool:
        """Return whether nothing is in it, as a power cut leaves files that were just written."""
        if _kind(there) != FILE:
            return there is None
        try:
            descriptor = self._target.open(path)
        except PermissionError:
            return False
        try:
            return not any(True for _block in _blocks(descriptor))
        finally:
            os.close(descriptor)

    def _is(self, path: bytes, there: os.stat_result | None, entry: Entry | None) -> bool:
        """Return whether the person's file is this one; its mode does not matter."""
        if there is None or entry is None or _kind(there) != entry.kind:
            return there is None and entry is None
        if entry.kind == LINK:
            return self._target.link(path) == entry.mark
        if entry.kind != FILE:
            return True
        return there.st_size == entry.size and self._mark(path, there, entry) == entry.mark

    def _mark(self, path: bytes, there: os.stat_result, entry: Entry) -> str:
        """Return the digest of the person's file; known without reading where its times are those
        with which it was left. A clock of whole seconds is not believed."""
        if not entry.mark:
            return ""
        if path not in self._digests:
            is_left = entry.seen and entry.seen[1:] == (there.st_mtime_ns, there.st_ctime_ns)
            if is_left and there.st_ctime_ns % 10**9:
                self._digests[path] = entry.mark
            else:
                self._digests[path] = self._digested(path)
        return self._digests[path]

    def _digested(self, path: bytes) -> str:
        try:
            return self._target.digest(path)
        except OSError as error:
            if error.errno in AWAY:
                raise
            return "unreadable"

    def _is_unchanged(self, path: bytes) -> bool:
        """Return whether the repository has there what it had; of folders, with all below."""
        theirs, base = self.theirs.get(path), self._base.entries.get(path)
        if not theirs or not base or theirs.kind != FOLDER or base.kind != FOLDER:
            return _content(theirs) == _content(base)
        is_theirs = _kind(self.stats[path]) == FOLDER  # then nobody asks
        return is_theirs or _below(self.theirs, path) == _below(self._base.entries, path)

    def _take_mode(self, path: bytes, there: os.stat_result | None, theirs: Entry) -> None:
        """The mode follows the repository unless the person has set one."""
        bases = [base for base in self._bases(path) if base and base.kind == theirs.kind]
        if not bases or there is None or theirs.kind == LINK or _kind(there) != theirs.kind:
            return
        left = {base.seen[0] if base.seen else base.mode for base in bases}
        wanted = theirs.mode if _mode(there) in left else _mode(there)
        is_new = any(base.mode != theirs.mode for base in bases)
        if path in self.puts:
            self.puts[path] = Put(theirs._replace(mode=wanted), path)
        elif is_new and wanted != _mode(there) and theirs.kind == FOLDER:
            self.modes[path] = wanted
        elif is_new and wanted != _mode(there):
            self._put(path, there, theirs)

    def _act(
        self, kind: str, path: bytes, there: os.stat_result | None, theirs: Entry | None
    ) -> None:
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
            self._held.add(path)
        if kind == BESIDE and theirs:
            self._put_beside(path, theirs)

    def _put(self, path: bytes, there: os.stat_result | None, theirs: Entry) -> None:
        self.puts[path] = Put(theirs, path)
        if theirs.kind != FOLDER:
            self._count("updated" if there else "added", path)

    def _count(self, what: str, path: bytes) -> None:
        if _git_folder(path, self.git_modes) is None:
            self.counts[what] += 1

    def _put_beside(self, path: bytes, theirs: Entry) -> None:
        if theirs.kind == FOLDER and (path in self.git_modes or self._home(path) is not None):
            return  # git's folders are of no use beside
        free = self._free_name(path, theirs)
        self.conflicts.append((path, free))
        if self._target.look(free):
            return
        self.puts[free] = Put(theirs, path)
        for inner in _under(self.theirs, path) if theirs.kind == FOLDER else ():
            self.puts[free + inner[len(path) :]] = Put(self.theirs[inner], inner)

    def _free_name(self, path: bytes, theirs: Entry) -> bytes:
        """Return the name beside; that of an earlier run where it has put there the very same."""
        above, name = os.path.split(path)
        for number in range(1, 10_000):
            free = os.path.join(above, beside(name, self._commit, number))
            if free in self.theirs or free in self.puts:
                continue
            there = self._target.look(free)
            if there is None or self._is(free, there, theirs):
                return free
        raise Failed("merge.failed", "There are too many versions of one file.")

    def _refuse_folders_in_use(self) -> None:
        """A folder that became a file stays where something of the person's is in it."""
        going = {*self.drops, *self.clears}
        for path in self._replaced:
            inside = self._target.listing(path)
            if any(there is None or inner not in going for inner, there in inside):
                theirs = self.puts.pop(path).entry
                self.settled.discard(path)
                self.clears.remove(path)
                self.counts["updated"] -= 1
                self._put_beside(path, theirs)

    # Git

    def _home(self, path: bytes) -> bytes | None:
        return _git_folder(path, self.git_modes)

    def _git_mode(self, home: bytes) -> str:
        """Return how a git folder is treated: ``fill``ed like other files, ``follow``ed where the
        person did nothing in it, ``same`` where they have that commit themselves; ``keep``:
        objects and what the remote has are added, as a fetch does; ``leave``: not touched."""
        try:
            there = self._target.look(home)
            mine = read_git(self._target, home) if _kind(there) == FOLDER else None
        except PermissionError:
            return "leave"
        if self._in_doubt and self._base.commit == self._commit:
            return "fill"
        if there is None:
            return "leave" if home in self._base.git else "fill"
        theirs = self.git.get(home)
        return self._git_mode_of(home, mine, theirs) if mine and theirs else "leave"

    def _git_mode_of(self, home: bytes, mine: Git, theirs: Git) -> str:
        states = [self._base, *([self._begun] if self._begun else [])]
        bases = [state.git[home] for state in states if home in state.git]
        if is_same(mine, theirs):
            self.git[home] = mine
            return "same"
        is_alike = (_TABLES in mine.refs) == (_TABLES in theirs.refs)
        branch = _name(theirs.head[5:] if theirs.head.startswith("ref: ") else "HEAD")
        if bases and is_alike and is_untouched(mine, bases) and self._is_free(home, branch):
            self.git[home] = theirs._replace(refs={**mine.refs, **theirs.refs})
            return "follow"
        return "keep"

    def _decided_by_git(self, path: bytes, there: os.stat_result | None) -> bool:
        home = self._home(path)
        if home is None or self.git_modes[home] == "fill":
            return False
        mode, inside = self.git_modes[home], path[len(home) + 1 :]
        theirs = self.theirs.get(path)
        if mode == "follow" and not inside.startswith(_GITS_OWN):
            return False
        if mode in {"follow", "keep"} and theirs:
            is_object = inside.startswith(b"objects/")
            is_head = mode == "follow" and inside in {b"index", b"HEAD"}
            if (is_object and there is None) or (is_head and not self._is(path, there, theirs)):
                self._put(path, there, theirs)
        if entry := theirs or self._base.entries.get(path):
            self.entries[path] = entry
        return True

    def _bring_refs(self, home: bytes, mode: str) -> None:
        mine, theirs = read_git(self._target, home), self.git.get(home)
        if mine is None or theirs is None or _TABLES in {*mine.refs, *theirs.refs}:
            return
        states = [self._base, *([self._begun] if self._begun else [])]
        bases = [state.git[home] for state in states if home in state.git]
        known = set(mine.refs)
        for name, value in sorted(theirs.refs.items(), key=lambda ref: ref[1].startswith("ref: ")):
            leads_nowhere = value.startswith("ref: ") and value[5:] not in known
            moves = _moves(name, mine.refs.get(name), value, bases, mode)
            if moves and not leads_nowhere and self._is_free(home, _name(name)):
                path = home + b"/" + _name(name)
                self.stats[path] = self._target.look(path)
                self.puts[path] = Put(Entry(FILE, 0o644), text=_name(value) + b"\n")
                known.add(name)

    def _is_free(self, home: bytes, name: bytes) -> bool:
        """Return whether a ref can be written: no ``a`` is in the way of ``a/b``."""
        path = home + b"/" + name
        if _kind(self._target.look(path)) not in {None, FILE}:
            return False
        while (path := os.path.dirname(path)) != home:
            there = self._target.look(path)
            if there:
                return _kind(there) == FOLDER
        return True


_GITS_OWN = (b"objects/", b"refs/", b"logs/", b"index", b"HEAD", b"packed-refs", b"FETCH_HEAD",
             b"ORIG_HEAD", b"COMMIT_EDITMSG")  # fmt: skip


def _moves(name: str, old: str | None, new: str, bases: list[Git], mode: str) -> bool:
    """Return whether a ref of the person's becomes what the repository has."""
    if old == new:
        return False
    was = {base.refs.get(name) for base in bases}
    if name.startswith(_REMOTES):
        return old is None or old in was
    if mode == "keep":
        return name.startswith(_TAGS) and old is None and was <= {None}
    return old is None or old in was


def _parts(path: bytes) -> list[bytes]:
    return path.split(b"/")


def _content(entry: Entry | None) -> tuple[str, int, str] | None:
    return (entry.kind, entry.size, entry.mark) if entry else None


def _under(entries: dict[bytes, Entry], top: bytes) -> list[bytes]:
    return [path for path in entries if path.startswith(top + b"/")]


def _below(entries: dict[bytes, Entry], top: bytes) -> dict[bytes, Any]:
    return {path: _content(entries[path]) for path in _under(entries, top)}


# ── Writing ─────────────────────────────────────────────────────────────────────────────────────


class Stage:
    """A folder of the target in which new content is written whole before it gets its place.

    Where ``each`` is set, each file and folder is synced by itself. A top is a path that is put in
    place by one renaming: a file, or a whole folder where the target has none. The folder has it
    under a number.
    """

    def __init__(self, tree: Tree, source: Tree, plan: Plan, *, each: bool) -> None:
        self._tree, self._source, self._plan = tree, source, plan
        self._each = each
        self.tops: dict[bytes, int] = {}
        self.folders: dict[bytes, int] = {}
        self.written: dict[bytes, tuple[int, ...]] = {}
        self.failed: set[bytes] = set()
        self._above: dict[bytes, bytes | None] = {}
        self._links: dict[tuple[int, int, int], bytes] = {}
        self._gone = {*plan.drops, *plan.clears}

    def write_all(self) -> None:
        """Write everything. Raises `OSError` where there is no room."""
        for path in sorted(self._plan.puts, key=_parts):
            try:
                self._write(path, self._plan.puts[path])
            except OSError as error:
                if is_general(error):
                    raise
                self.failed.add(path)
        for place in sorted(self.folders, key=_parts, reverse=True):
            if b"/" in place:  # a top needs its own rights to be renamed
                os.fchmod(self._tree.folder(place), self.folders[place])
        for place in self.folders if self._each else ():
            os.fsync(self._tree.folder(place))
        self._tree.forget()

    def top(self, path: bytes) -> bytes:
        """Return the topmost part of the path that is no folder in the target, or that goes."""
        missing, above = [], os.path.dirname(path)
        while above and above not in self._above:
            missing.append(above)
            above = os.path.dirname(above)
        found = self._above[above] if above else None
        for folder in reversed(missing):
            if found is None and not self._stands(folder):
                found = folder
            self._above[folder] = found
        return path if found is None else found

    def _stands(self, folder: bytes) -> bool:
        stats = self._plan.stats
        there = stats[folder] if folder in stats else self._plan.look(folder)
        return _kind(there) == FOLDER and folder not in self._gone

    def _write(self, path: bytes, put: Put) -> None:
        top = self.top(path)
        place = b"%d" % self.tops.setdefault(top, len(self.tops)) + path[len(top) :]
        self._make_folders(os.path.dirname(place), os.path.dirname(path))
        folder, name = self._tree.at(place)
        if put.text is not None:
            self._file(place, put, None)
        elif put.entry.kind == FOLDER:
            self._make_folders(place, path)
        elif put.entry.kind == LINK:
            os.symlink(_name(put.entry.mark), name, dir_fd=folder)
        else:
            descriptor = self._source.open(put.source)
            try:
                if not self._linked(os.fstat(descriptor), put.entry.mode, place):
                    self._file(place, put, descriptor)
            finally:
                os.close(descriptor)
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        self.written[path] = (there.st_ino, there.st_size, there.st_mtime_ns)

    def _make_folders(self, place: bytes, path: bytes) -> None:
        missing = []
        while place and place not in self.folders:
            missing.append((place, path))
            place, path = os.path.dirname(place), os.path.dirname(path)
        for place, path in reversed(missing):
            folder, name = self._tree.at(place)
            os.mkdir(name, 0o700, dir_fd=folder)
            self.folders[place] = self._folder_mode(path)

    def _folder_mode(self, path: bytes) -> int:
        if path in self._plan.puts:
            return self._plan.puts[path].entry.mode
        entry = self._plan.theirs.get(path)
        return entry.mode if entry and entry.kind == FOLDER else 0o755

    def _linked(self, there: os.stat_result, mode: int, place: bytes) -> bool:
        """Return whether it became one file with another name of it, as in the repository."""
        if there.st_nlink < 2:
            return False
        first = self._links.setdefault((there.st_dev, there.st_ino, mode), place)
        if first == place:
            return False
        old, old_name = self._tree.at(first)
        new, new_name = self._tree.at(place)
        try:
            os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        except OSError as error:
            if is_general(error):
                raise
            return False  # a file system without hard links
        return True

    def _file(self, place: bytes, put: Put, source: int | None) -> None:
        folder, name = self._tree.at(place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            if source is None:
                os.write(target, put.text or b"")
            else:
                _copy(source, target)
                there = os.fstat(source)
                os.utime(target, ns=(there.st_atime_ns, there.st_mtime_ns))
            os.fchmod(target, put.entry.mode)
            if self._each:
                os.fsync(target)
        finally:
            os.close(target)


def is_general(error: OSError) -> bool:
    """Return whether it is the disk that fails, and not a single file."""
    return error.errno in NO_ROOM | AWAY | {errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Run:
    """One merge under the record's lock."""

    def __init__(self, source: Tree, target: Tree, record: Record, commit: str) -> None:
        self._source, self._target, self._record, self._commit = source, target, record, commit
        self._each = False

    def adopt(self) -> dict[str, Any]:
        """Record the target as filled from this very source; no file of it is touched."""
        plan = Plan(self._source, self._target, State(), None, self._commit)
        report = self._report(plan, "adopted", "")
        self._record.keep(State(self._commit, plan.theirs, plan.git, report))
        return report

    def merge(self, *, sync: bool) -> dict[str, Any]:
        """Merge; the report is kept in the record, too. Without ``sync`` what fills an empty
        folder is not waited for, see `synced`."""
        base, begun = self._record.state() or State(), self._record.plan()
        if begun and begun.staging:
            self._remove(_STAGING + begun.staging.encode())
        is_empty = not os.listdir(self._target.root)
        in_doubt = self._record.is_in_doubt()
        if base.commit == self._commit and not (begun or is_empty or in_doubt):
            return {**base.report, "again": True}
        if is_empty:
            base, begun = State(), None
        going_on = begun if begun and begun.entries else None
        plan = Plan(self._source, self._target, base, going_on, self._commit, in_doubt=in_doubt)
        plan.decide()
        self._each = not is_empty and len(plan.puts) <= _SYNCED_ONE_BY_ONE
        self._carry_out(plan, is_empty=is_empty)
        report = self._report(plan, "filled" if is_empty else "merged", base.commit)
        if is_empty and not sync:
            self._record.mark_unsynced()
        elif not self._each:
            _sync(self._target.root)
        self._record.keep(State(self._commit, plan.entries, plan.git, report))
        if sync or not is_empty:
            self._record.unmark()
        return report

    def _remove(self, staging: bytes) -> None:
        if _kind(self._target.look(staging)) == FOLDER:
            self._target.remove(staging)
            self._target.forget()

    def _carry_out(self, plan: Plan, *, is_empty: bool) -> None:
        written: dict[bytes, tuple[int, ...]] = {}
        if plan.puts or plan.drops or plan.clears or plan.modes:
            token = os.urandom(8).hex()
            staging = _STAGING + token.encode()
            stage = self._staged(plan, staging, token, is_empty=is_empty)
            self._target.forget()
            with _opened(staging, self._target.root) as at:
                Change(plan, stage, self._target, at).apply()
            if self._each:
                self._sync_folders({*stage.tops, *plan.drops, *plan.clears, *plan.modes})
            self._remove(staging)
            written = stage.written
        self._see(plan, written)

    def _staged(self, plan: Plan, staging: bytes, token: str, *, is_empty: bool) -> Stage:
        """Write all that is new, then what it leads to. Where that fails nothing has changed.

        In a folder that was empty nothing can be taken for the person's: the plan is not needed,
        and one sync at the end is enough.
        """
        self._record.keep_plan(State(self._commit, staging=token))
        try:
            self._target.change(staging, lambda folder, name: os.mkdir(name, 0o700, dir_fd=folder))
            with _opened(staging, self._target.root) as at:
                stage = Stage(Tree(at), self._source, plan, each=self._each)
                stage.write_all()
                if not is_empty and not self._each:
                    _sync(at)
            if not is_empty:
                self._record.keep_plan(State(self._commit, plan.entries, plan.git, staging=token))
        except OSError:
            with suppress(OSError):
                self._remove(staging)
                self._record.drop_plan()
            raise
        return stage

    def _sync_folders(self, changed: set[bytes]) -> None:
        self._target.forget()
        for above in {os.path.dirname(path) for path in changed}:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                os.fsync(self._target.folder(above))

    def _see(self, plan: Plan, written: dict[bytes, tuple[int, ...]]) -> None:
        """Note mode and times of what stands as the repository has it."""
        for path in plan.settled:
            entry = plan.entries.get(path)
            if entry is None or entry.kind == LINK or path in plan.left_out:
                continue
            is_new = path in plan.puts or path in plan.modes
            there = self._target.look(path) if is_new else plan.stats[path]
            if _kind(there) != entry.kind or there is None:
                continue
            known = written.get(path) if entry.kind == FILE else None
            if known in {None, (there.st_ino, there.st_size, there.st_mtime_ns)}:
                plan.entries[path] = entry._replace(seen=_seen(there))

    def _report(self, plan: Plan, state: str, was: str) -> dict[str, Any]:
        beside_each = [[shown(path), shown(name)] for path, name in sorted(plan.conflicts)]
        return {
            "state": state,
            "commit": self._commit,
            "was": was,
            "git": plan.git_modes.get(b".git", ""),
            **plan.counts,
            "conflicts": len(beside_each),
            "conflict_names": beside_each[:_NAMES],
            "left_out": len(plan.left_out),
            "left_out_names": [shown(path) for path in sorted(plan.left_out)[:_NAMES]],
        }


class Change:
    """What makes a plan come true, by renaming and removing; none of it needs room."""

    def __init__(self, plan: Plan, stage: Stage, target: Tree, staging: int) -> None:
        self._plan, self._stage, self._target, self._staging = plan, stage, target, staging
        self._gone = {*plan.drops, *plan.clears}

    def apply(self) -> None:
        for path in self._stage.failed:
            self._plan.give_up(path)
        tops = sorted(self._stage.tops, key=lambda top: (self._plan.turn(top), _parts(top)))
        objects = [top for top in tops if self._plan.turn(top) == 0]
        for top in objects:
            self._put(top)
        for path in self._plan.drops:
            planned = self._plan.stats[path]
            self._try(path, planned, lambda folder, name: os.unlink(name, dir_fd=folder), [path])
        for path in sorted(self._plan.clears, key=_parts, reverse=True):
            self._clear(path)
        self._target.forget()
        for top in tops[len(objects) :]:
            self._put(top)
        for path, mode in self._plan.modes.items():
            change = partial(_set_mode, mode=mode)
            self._try(path, self._plan.stats[path], change, [path])

    def _put(self, top: bytes) -> None:
        number = b"%d" % self._stage.tops[top]
        inside = [path for path in self._inside().get(top, ()) if path not in self._stage.failed]

        def rename(folder: int, name: bytes) -> None:
            os.rename(number, name, src_dir_fd=self._staging, dst_dir_fd=folder)
            if number in self._stage.folders:
                _set_mode(folder, name, mode=self._stage.folders[number])

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
            if not _is_as(now, planned):
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


def _set_mode(folder: int, name: bytes, *, mode: int) -> None:
    with _opened(name, folder) as there:
        os.fchmod(there, mode)


@contextmanager
def _opened(name: bytes | str, at: int | None = None) -> Iterator[int]:
    descriptor = _folder(name, at)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def shown(path: bytes) -> str:
    """Return a name as it can be shown to anybody: bounded, and nothing in it is a control."""
    text = "".join(
        each if each.isprintable() else "\ufffd" for each in path.decode("utf-8", "replace")
    )
    return text if len(text) <= _LONGEST_NAME else "…" + text[-_LONGEST_NAME:]


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
            source_tree = Tree(stack.enter_context(_opened(source)))
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
        _sync(stack.enter_context(_opened(target)))
        held.unmark()


@contextmanager
def _made(target: str) -> Iterator[int]:
    with suppress(FileExistsError):
        os.mkdir(target, 0o755)
    with _opened(target) as descriptor:
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
