"""Pack, unpack and check the archive of one person's or project's folder, with ``tar``.

An archive is of one folder, with members relative to it, so it is the same whether the folder is a
link, a mount point or plain. The system's ``tar`` opens each name relative to the folder that it
holds open, so that nobody's links can lead it elsewhere. Owners are kept by number, because each
person has a uid of their own and no name. Modes, times, holes, links, ACLs and user attributes are
kept, too.
"""

from __future__ import annotations

import hashlib
import random
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from portal.backup.programs import BackupError, ProcessResult, program_failed, run_unchecked
from portal.backup.survey import (
    LOST_AND_FOUND,
    MAX_PATH_BYTES,
    FileState,
    NamesByReason,
    Survey,
    digest,
    is_lost_and_found,
    survey,
    walk,
)

SAMPLES = 8
SAMPLE_BYTES = 64_000_000
"""How many files of a folder are read again, and how large one may be for that."""
NOT_READ = "could not be read"
NOT_IN_ARCHIVE = "not in the archive"
DIFFERENT = "different in the archive and in the folder"
FILES_CHANGED_STATUS = 1
"""The exit status of ``tar`` when a file was written or removed while it was read."""
_METADATA_OPTIONS = ["--numeric-owner", "--acls", "--xattrs", "--xattrs-include=user.*"]
_DISK_FULL = re.compile(
    r": (Wrote only \d+ of \d+ bytes|No space left on device|Disk quota exceeded)$", re.MULTILINE
)
_FATAL = re.compile(
    r": (Error is not recoverable: exiting now|Read-only file system)$", re.MULTILINE
)
"""How ``tar``'s error lines about its output end; file names cannot end such a line."""
_TYPES = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo",
          tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device"}  # fmt: skip


@dataclass
class Contents:
    """An archive's contents.

    ``entries`` and ``bytes`` count them, ``samples`` has the SHA-256 of some files by path.
    ``changed`` counts what people changed meanwhile. ``left_out`` lists what is absent on purpose,
    ``missing`` what is absent otherwise.
    """

    entries: int = 0
    bytes: int = 0
    changed: int = 0
    samples: dict[str, str] = field(default_factory=dict)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)


def pack(folder: Path, target: Path) -> Contents:
    """Archive a folder, and check the archive against it.

    A file that is written meanwhile is packed as it was at some moment of that. Raises
    `BackupError` if the archive cannot be written, and `OSError` if there is no folder.
    """
    before = survey(folder)
    lost = [f"--exclude=./{LOST_AND_FOUND}"] if is_lost_and_found(folder / LOST_AND_FOUND) else []
    done = run_unchecked([
        "tar", "--create", "--sparse", "--format=posix", *_METADATA_OPTIONS,
        "--warning=no-file-ignored", "--anchored", *lost, "--wildcards", "--wildcards-match-slash",
        f"--exclude={'?' * MAX_PATH_BYTES}*", f"--directory={folder}", f"--file={target}", ".",
    ])  # fmt: skip
    _raise_if_fatal(done)
    return _verify(folder, target, before, done)


def unpack(archive: Path, folder: Path, *, strip_components: int = 0) -> str:
    """Put back what `pack` has archived, and return what ``tar`` says if something failed.

    ``strip_components`` leading names are stripped. Only root can give files back to their owners.
    Raises `BackupError` if the rest could not be written either.
    """
    done = run_unchecked([
        "tar", "--extract", *_METADATA_OPTIONS, "--preserve-permissions",
        "--keep-directory-symlink", "--delay-directory-restore",
        f"--strip-components={strip_components}",
        f"--directory={folder}", f"--file={archive}",
    ])  # fmt: skip
    _raise_if_fatal(done)
    return done.output if done.code else ""


def differences(folder: Path, contents: Contents) -> list[str]:
    """Return how a folder differs from what was packed: in count, bytes and sampled files."""
    found, problems = survey(folder), []
    if found.totals != (contents.entries, contents.bytes):
        words = dict(zip(("there", "size"), found.totals, strict=True))
        words |= {"entries": contents.entries, "bytes": contents.bytes}
        text = _("%(there)d of %(entries)d files and folders, %(size)d of %(bytes)d bytes")
        problems.append(text % words)
    for path, expected in contents.samples.items():
        state = found.files.get(path)
        if state is None or digest(folder, path, state) != expected:
            problems.append(_("%(path)s differs from the backup") % {"path": ascii(path)})
    return problems


def _verify(folder: Path, archive: Path, before: Survey, done: ProcessResult) -> Contents:
    contents = Contents()
    steady = _unchanged_files(folder, before.files, contents)
    missing = NamesByReason()
    samples = _choose_samples(steady)
    for member in _members(archive, done):
        _check_member(contents, member, steady, samples, missing)
    for path in steady:
        missing.add(NOT_IN_ARCHIVE, path)
    for path, found in contents.samples.items():
        if digest(folder, path, samples[path]) not in {None, found}:
            missing.add(DIFFERENT, path)
    contents.left_out = before.left_out.as_list()
    contents.missing = [*before.unread.as_list(), *missing.as_list()]
    if done.code not in {0, FILES_CHANGED_STATUS} and not contents.missing:
        contents.missing.append(
            {"why": done.output or f"tar: {done.code}", "count": 0, "names": []}
        )
    return contents


def _unchanged_files(
    folder: Path, before: dict[str, FileState], contents: Contents
) -> dict[str, FileState]:
    """Return what has not changed. ``before`` is used up, so there is only one list at a time."""
    steady = {}
    for path, state in walk(folder, Survey()):
        if before.pop(path, None) == state:
            steady[path] = state
        else:
            contents.changed += 1
    contents.changed += len(before)
    return steady


def _check_member(
    contents: Contents,
    member: tuple[tarfile.TarFile, tarfile.TarInfo],
    steady: dict[str, FileState],
    samples: dict[str, FileState],
    missing: NamesByReason,
) -> None:
    """Remove one member of the archive from those that are expected."""
    tar, entry = member
    path = entry.name.removeprefix("./")
    if path == ".":
        return
    contents.entries += 1
    contents.bytes += entry.size if entry.isreg() else 0
    expected = steady.pop(path, None)
    if expected and not _matches(entry, expected):
        missing.add(DIFFERENT, path)
    elif path in samples and entry.isreg() and (content := tar.extractfile(entry)):
        made = hashlib.sha256()
        while piece := content.read(1 << 20):
            made.update(piece)
        contents.samples[path] = made.hexdigest()


def _matches(entry: tarfile.TarInfo, state: FileState) -> bool:
    if entry.islnk():
        return state.is_linked
    return _TYPES.get(entry.type, "file") == state.kind and (
        state.kind != "file" or entry.size == state.size
    )


def _choose_samples(steady: dict[str, FileState]) -> dict[str, FileState]:
    """Choose some files whose contents are compared; others each time."""
    fit = [path for path, state in steady.items() if state.kind == "file" and _is_small(state)]
    return {path: steady[path] for path in random.sample(fit, min(SAMPLES, len(fit)))}


def _is_small(state: FileState) -> bool:
    return not state.is_linked and state.size <= SAMPLE_BYTES


def _members(
    archive: Path, done: ProcessResult
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Read the archive's members with another program than the one that wrote it."""
    try:
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            while (entry := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # or it would keep all of them
                yield tar, entry
    except (tarfile.TarError, OSError) as error:
        raise program_failed("tar", done._replace(output=f"{error}\n{done.output}")) from error


def _raise_if_fatal(done: ProcessResult) -> None:
    if done.code and _DISK_FULL.search(done.output):
        raise BackupError(_("No space is left: %(why)s") % {"why": done.output})
    if done.code and _FATAL.search(done.output):
        raise program_failed("tar", done)
    if done.code < 0:
        raise BackupError(_("tar was killed by signal %(number)d.") % {"number": -done.code})
