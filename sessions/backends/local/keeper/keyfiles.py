"""Link the person's SSH key into their notebook's ``~/.ssh``.

The portal writes the key files into a folder of the run folder, which the sandbox shows read-only:
when it replaces one, every notebook has the new one at once. ``~/.ssh`` itself stays the person's.
Its content may be a trap, since the notebook's code made it: no link is followed, and whatever is
in the way is moved aside.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

FOLDER = "ssh"
PRIVATE = "ssh.priv"
PUBLIC = "ssh.pub"
KNOWN_HOSTS = "known_hosts"
SHOWN = "/run/ssh"
"""Where the sandbox shows the folder; its ssh_config (see `toolbox`) names this path too."""

_HERE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SSH = ".ssh"


def link(home: Path) -> None:
    """Make ``.ssh/ssh.priv`` and ``.ssh/ssh.pub`` in the person's files link to the key."""
    there = _opened(home, None)
    try:
        folder = _ssh_folder(there)
        try:
            for name in (PRIVATE, PUBLIC):
                _link(folder, name)
        finally:
            os.close(folder)
    finally:
        os.close(there)


def _opened(path: str | Path, parent: int | None) -> int:
    """Open the folder itself, never a link's target, and make it writable for its owner."""
    folder = os.open(path, _HERE, dir_fd=parent)
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(folder, mode | stat.S_IRWXU)
    return folder


def _ssh_folder(home: int) -> int:
    try:
        return _opened(_SSH, home)
    except FileNotFoundError:
        pass
    except OSError:  # a link, a file, or a folder that cannot be read
        _set_aside(home, _SSH)
    os.mkdir(_SSH, 0o700, dir_fd=home)
    return _opened(_SSH, home)


def _link(folder: int, name: str) -> None:
    target = f"{SHOWN}/{name}"
    try:
        if os.readlink(name, dir_fd=folder) == target:
            return
        _set_aside(folder, name)
    except FileNotFoundError:
        pass
    except OSError:  # something else than a link
        _set_aside(folder, name)
    os.symlink(target, name, dir_fd=folder)


def _set_aside(folder: int, name: str) -> None:
    there = set(os.listdir(folder))
    names = (f"{name}.{number}" for number in range(1, len(there) + 2))
    os.rename(name, next(each for each in names if each not in there),
              src_dir_fd=folder, dst_dir_fd=folder)  # fmt: skip
