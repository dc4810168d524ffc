"""People's and projects' files, packed and unpacked by the system's own ``tar``.

Owners are kept by their numbers, for each person has a uid of their own and no name; holes, links
and modes are kept, too.
"""

from __future__ import annotations

from pathlib import Path

from portal.backup.programs import run

FOLDERS = ("homes", "projects")
"""What is packed. Environments are built again, and what runs is not in any file."""
_CHANGED = 1
"""The exit status of ``tar`` when a file was written or removed while it was read."""


def name(folder: str) -> str:
    return f"{folder}.tar"


def pack(data: Path, folder: str, target: Path) -> None:
    """Archive a folder of the data folder, and leave out what is being removed there.

    A file that somebody writes meanwhile is as it was at some moment of that.
    """
    words = ["tar", "--create", "--sparse", "--numeric-owner", "--warning=no-file-ignored"]
    words += [f"--exclude={folder}/.*", "--anchored", f"--directory={data}"]
    run([*words, f"--file={target}", "--", folder], fine=(0, _CHANGED))


def unpack(archive: Path, data: Path) -> None:
    """Put back what `pack` has archived. Only root can give files to their owners again."""
    words = ["tar", "--extract", "--numeric-owner", "--preserve-permissions"]
    run([*words, f"--directory={data}", f"--file={archive}"])
