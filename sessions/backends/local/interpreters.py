"""Which versions of Python environments can be made with: those that the machine has."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from . import people

_PLACES = ("/usr/bin", "/usr/local/bin", "/opt/*/bin")
_OLDEST = (3, 10)
_ASK = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"


@cache
def interpreters(uid: int) -> dict[str, str]:
    """Version → interpreter, for all that ``uid`` can run; the machine's own comes first.

    The oldest is what the packages of `notebook.txt` need.
    """
    found: dict[str, str] = {}
    for path in _candidates():
        version = _version(path, uid)
        if version and version not in found:
            found[version] = path
    return found


def prefix(path: str) -> str:
    """The folder that an interpreter must find at its place, or nothing if /usr holds it."""
    top = str(Path(path).resolve().parent.parent)
    return "" if f"{top}/".startswith("/usr/") else top


def _candidates() -> list[str]:
    places = [path for place in _PLACES for path in sorted(glob.glob(f"{place}/python3.*"))]
    own = os.path.join(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    first = [os.path.realpath("/usr/bin/python3")]
    exact = [path for path in places if re.fullmatch(r"python3\.\d+", os.path.basename(path))]
    return [*first, *exact, own]


def _version(path: str, uid: int) -> str:
    """The version, if ``uid`` can run the interpreter and it is new enough."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _ASK], capture_output=True, text=True, timeout=10,
            cwd="/", **people.as_user(uid),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.split()
    new_enough = words and tuple(map(int, words[0].split("."))) >= _OLDEST
    return words[0] if done.returncode == 0 and new_enough else ""
