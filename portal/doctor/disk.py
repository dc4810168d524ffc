"""The disk: that there is room, and that it is this machine's own where it has to be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from portal.doctor.finding import Finding
from sessions import space

MOUNTS = Path("/proc/self/mounts")
FAR = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "lustre", "fuse.sshfs"})
FEW_GB = 1.0


def check() -> Iterator[Finding]:
    free = shutil.disk_usage(settings.PORTAL_DATA).free / 1e9
    if free < FEW_GB:
        yield Finding(
            "doctor.data-folder",
            _("Only %(free).1f GB are free where the portal keeps its data.") % {"free": free},
            _("Make room: a full disk ends builds, and a database that is a file stands still."),
        )
    if space.is_short():
        yield Finding(
            "doctor.disk",
            _("The disk of environments and people's files is nearly full: new builds wait."),
            _("Make room, or let the portal keep less (docs/configure.md)."),
        )


def is_far(path: Path, mounts: Path = MOUNTS) -> str:
    """The kind of network disk that a path is on, "" for one of this machine."""
    lines = (line.split() for line in mounts.read_text().splitlines())
    above = [(point, kind) for _device, point, kind, *_rest in lines if path.is_relative_to(point)]
    _point, kind = max(above, key=lambda each: len(each[0]), default=("", ""))
    return kind if kind in FAR else ""
