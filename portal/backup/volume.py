"""Pack or unpack one person's volume as a program in a pod: ``python -m portal.backup.volume``.

    pack VOLUME BACKUP      makes BACKUP.tar and, when that holds everything, BACKUP.json
    unpack BACKUP VOLUME    puts it into a volume; --force moves what is there aside in it

It needs neither settings nor database, so its pod has no secrets. As for ``back_up``, the exit
status is 1 if nothing was done and 3 if something is missing; `deploy/kubernetes/backups` makes a
job of it for each person.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from portal.backup import INCOMPLETE, archives, manifest, swap
from portal.backup.archives import Contents
from portal.backup.programs import BackupError


def main(words: list[str]) -> int:
    """Run the command given in ``words``, and return the exit status."""
    settings.configure(USE_I18N=False)
    parser = argparse.ArgumentParser(prog="python -m portal.backup.volume")
    ways = parser.add_subparsers(dest="way", required=True)
    packing = ways.add_parser("pack")
    packing.add_argument("volume", type=Path)
    packing.add_argument("backup", type=Path)
    unpacking = ways.add_parser("unpack")
    unpacking.add_argument("backup", type=Path)
    unpacking.add_argument("volume", type=Path)
    unpacking.add_argument("--force", action="store_true")
    given = parser.parse_args(words)
    try:
        if given.way == "pack":
            return pack(given.volume, given.backup)
        return unpack(given.backup, given.volume, force=given.force)
    except (BackupError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1


def pack(volume: Path, backup: Path) -> int:
    """Archive a volume, check the archive against it, and return the exit status.

    Raises `BackupError` if the backup exists already.
    """
    archive, note = _archive_and_note(backup)
    if note.exists():
        raise BackupError(f"{note} already exists.")
    archive.parent.mkdir(parents=True, exist_ok=True)
    draft = archive.with_name(f".{archive.name}.partial")
    draft.unlink(missing_ok=True)
    contents = archives.pack(volume, draft)
    draft.rename(archive)
    about = {"format": manifest.FORMAT, "made": datetime.now(UTC).isoformat(timespec="seconds")}
    about |= {"sha256": manifest.digests(archive.parent, [archive.name])[archive.name]}
    note.write_text(json.dumps(about | {"contents": asdict(contents)}, indent=1) + "\n")
    for kind in ("left_out", "missing"):
        for each in getattr(contents, kind):
            names = ", ".join(map(ascii, each["names"]))
            line = f"{kind.replace('_', ' ')}: {each['count']}, {each['why']}: {names}"
            sys.stdout.write(f"{line}\n")
    amount = f"{contents.entries} files and folders, {contents.bytes} bytes"
    sys.stdout.write(f"{archive.name}: {amount}\n")
    return INCOMPLETE if contents.missing else 0


def unpack(backup: Path, volume: Path, *, force: bool) -> int:
    """Put a volume's contents back, and return the exit status.

    Everything is unpacked and checked beside the target, then moved into place in one go. Raises
    `BackupError` if the archive is damaged, or if the volume has files and ``force`` is not set.
    """
    archive, note = _archive_and_note(backup)
    about = json.loads(note.read_text())
    if manifest.digests(archive.parent, [archive.name])[archive.name] != about["sha256"]:
        raise BackupError(f"{archive} has changed since it was made.")
    there = [path for path in volume.iterdir() if swap.must_be_moved(path)]
    if there and not force:
        raise BackupError(f"{volume} has files: add --force to move them aside.")
    staging = volume / swap.STAGING
    swap.remove(staging)
    staging.mkdir()
    problem = archives.unpack(archive, staging)
    differing = archives.differences(staging, Contents(**about["contents"]))
    if there:
        swap.move_contents(volume, f"{swap.ASIDE_PREFIX}{datetime.now(UTC):%Y%m%d-%H%M%S}")
    swap.move_into_place(staging, volume)
    os.sync()
    swap.remove(staging)
    for line in filter(None, [*differing, problem]):
        sys.stderr.write(f"differs: {line}\n")
    return INCOMPLETE if differing or problem else 0


def _archive_and_note(backup: Path) -> tuple[Path, Path]:
    return backup.with_name(f"{backup.name}.tar"), backup.with_name(f"{backup.name}.json")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
