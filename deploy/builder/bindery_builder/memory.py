"""Find out whether the kernel has killed a process in this container for lack of memory.

A step can hide how its programs ended; the kernel's own count cannot be hidden.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_FILES = (
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),  # cgroup v1
)
_OOM_KILLED = re.compile(r"^oom_kill [1-9]", re.MULTILINE)


def ran_out(files: Sequence[Path] = _FILES) -> bool:
    """Return whether it has happened since the container began."""
    return any(_OOM_KILLED.search(file.read_text()) for file in files if file.exists())
