"""Try which limits of `cgroups` and `namespaces` this machine allows, as a keeper would.

The arguments are a folder that can be mounted on and the uid of sandboxes; the answer is a line of
JSON for the operator: ``group`` says whether there is a memory cgroup, and ``namespaces`` why there
are no namespaces with limits, "" if there are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import cgroups, namespaces, privileges

_ENOUGH = 1_000_000_000


def main() -> None:
    """Try them and print the answer."""
    folder, uid = Path(sys.argv[-2]), int(sys.argv[-1])
    group = cgroups.make(folder, _ENOUGH, uid)
    namespaces.prepare(folder)
    privileges.drop(uid)
    try:
        namespaces.enter(folder, 1_000_000, 100)
    except OSError as error:
        why = error.strerror or str(error)
    else:
        why = ""
    sys.stdout.write(json.dumps({"group": group is not None, "namespaces": why}) + "\n")
