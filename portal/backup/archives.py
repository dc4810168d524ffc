"""Pack and unpack one person's or project's folder with the system's ``tar``, and check the
archive.

An archive is of one folder, with members relative to it, so it is the same whether the folder is a
link, a mount point or plain. ``tar`` opens each name relative to the folder that it holds open, so
that nobody's links can lead it elsewhere. Owners are kept by number, because each person has a uid
of their own and no name. Modes, times, holes, links, ACLs and user attributes are kept, too.
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

from portal.backup.programs import BackupError, Done, ended, failed
from portal.backup.survey import LONGEST, LOST, Fact, Names, Survey, digest, is_lost, survey, walk

SAMPLES = 8
SAMPLE_BYTES = 64_000_000
"""How many files of a folder are read again, and how large one may be for that."""
NOT_READ = "could not be read"
NOT_IN_IT = "not in the archive"
DIFFERENT = "other in the archive than in the folder"
CHANGED = 1
"""The exit status of ``tar`` when a file was written or removed while it was read."""
_KEPT = ["--numeric-owner", "--acls", "--xattrs", "--xattrs-include=user.*"]
_NO_ROOM = re.compile(
    r": (Wrote only \d+ of \d+ bytes|No space left on device|Disk quota exceeded)$", re.MULTILINE
)
_HOPELESS = re.compile(
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
    lost = [f"--exclude=./{LOST}"] if is_lost(folder / LOST) else []
    done = ended([
        "tar", "--create", "--sparse", "--format=posix", *_KEPT, "--warning=no-file-ignored",
        "--anchored", *lost, "--wildcards", "--wildcards-match-slash",
        f"--exclude={'?' * LONGEST}*", f"--directory={folder}", f"--file={target}", ".",
    ])  # fmt: skip
    _refuse_hopeless(done)
    return _checked(folder, target, before, done)


def unpack(archive: Path, folder: Path, *, inner: int = 0) -> str:
    """Put back what `pack` has archived, and return what ``tar`` says if something failed.

    ``inner`` leading names are stripped. Only root can give files back to their owners. Raises
    `BackupError` if the rest could not be written either.
    """
    done = ended([
        "tar", "--extract", *_KEPT, "--preserve-permissions", "--keep-directory-symlink",
        "--delay-directory-restore", f"--strip-components={inner}",
        f"--directory={folder}", f"--file={archive}",
    ])  # fmt: skip
    _refuse_hopeless(done)
    return done.said if done.code else ""


def differences(folder: Path, contents: Contents) -> list[str]:
    """Return how a folder differs from what was packed: in count, bytes and sampled files."""
    found, said = survey(folder), []
    if found.amount != (contents.entries, contents.bytes):
        words = dict(zip(("there", "size"), found.amount, strict=True))
        words |= {"entries": contents.entries, "bytes": contents.bytes}
        text = _("%(there)d of %(entries)d files and folders, %(size)d of %(bytes)d bytes")
        said.append(text % words)
    for path, expected in contents.samples.items():
        fact = found.facts.get(path)
        if fact is None or digest(folder, path, fact) != expected:
            said.append(_("%(path)s is not as it was") % {"path": ascii(path)})
    return said


def _checked(folder: Path, archive: Path, before: Survey, done: Done) -> Contents:
    contents = Contents()
    steady = _steady(folder, before.facts, contents)
    missing = Names()
    samples = _chosen(steady)
    for member in _members(archive, done):
        _count(contents, member, steady, samples, missing)
    for path in steady:
        missing.add(NOT_IN_IT, path)
    for path, found in contents.samples.items():
        if digest(folder, path, samples[path]) not in {None, found}:
            missing.add(DIFFERENT, path)
    contents.left_out = before.left_out.listed()
    contents.missing = [*before.unread.listed(), *missing.listed()]
    if done.code not in {0, CHANGED} and not contents.missing:
        contents.missing.append({"why": done.said or f"tar: {done.code}", "count": 0, "names": []})
    return contents


def _steady(folder: Path, before: dict[str, Fact], contents: Contents) -> dict[str, Fact]:
    """Return what has not changed. ``before`` is used up, so there is only one list at a time."""
    steady = {}
    for path, fact in walk(folder, Survey()):
        if before.pop(path, None) == fact:
            steady[path] = fact
        else:
            contents.changed += 1
    contents.changed += len(before)
    return steady


def _count(
    contents: Contents,
    member: tuple[tarfile.TarFile, tarfile.TarInfo],
    steady: dict[str, Fact],
    samples: dict[str, Fact],
    missing: Names,
) -> None:
    """Remove one member of the archive from those that are expected."""
    tar, entry = member
    path = entry.name.removeprefix("./")
    if path == ".":
        return
    contents.entries += 1
    contents.bytes += entry.size if entry.isreg() else 0
    expected = steady.pop(path, None)
    if expected and not _is(entry, expected):
        missing.add(DIFFERENT, path)
    elif path in samples and entry.isreg() and (content := tar.extractfile(entry)):
        made = hashlib.sha256()
        while piece := content.read(1 << 20):
            made.update(piece)
        contents.samples[path] = made.hexdigest()


def _is(entry: tarfile.TarInfo, fact: Fact) -> bool:
    if entry.islnk():
        return fact.is_linked
    return _TYPES.get(entry.type, "file") == fact.kind and (
        fact.kind != "file" or entry.size == fact.size
    )


def _chosen(steady: dict[str, Fact]) -> dict[str, Fact]:
    """Choose some files whose contents are compared; others each time."""
    fit = [path for path, fact in steady.items() if fact.kind == "file" and _is_small(fact)]
    return {path: steady[path] for path in random.sample(fit, min(SAMPLES, len(fit)))}


def _is_small(fact: Fact) -> bool:
    return not fact.is_linked and fact.size <= SAMPLE_BYTES


def _members(archive: Path, done: Done) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Read the archive's members with another program than the one that wrote it."""
    try:
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            while (entry := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # or it would keep all of them
                yield tar, entry
    except (tarfile.TarError, OSError) as error:
        raise failed("tar", done._replace(said=f"{error}\n{done.said}")) from error


def _refuse_hopeless(done: Done) -> None:
    if done.code and _NO_ROOM.search(done.said):
        raise BackupError(_("There is no room left: %(why)s") % {"why": done.said})
    if done.code and _HOPELESS.search(done.said):
        raise failed("tar", done)
    if done.code < 0:
        raise BackupError(_("tar was ended by signal %(number)d.") % {"number": -done.code})
