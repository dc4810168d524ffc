"""Folders that nobody needs any more and in which strangers may have made what they liked.

They get a name in ``.going`` beside them, which is done at once. What is small is removed on the
spot; the rest is left to a process of its own (`keeper.removal`), so that neither watch nor a
worker waits for it, however much it is.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from . import launch
from .keeper.removal import GOING, PIECE, removing

_LONGEST_NAME = 200


def drop(path: Path) -> bool:
    """Have the folder gone under its name; whether all in it is removed already.

    One that is not there is no error. Raises `OSError` where its disk refuses: then it stays.
    """
    target = _renamed(path)
    if target is None:
        return True
    for done, _step in enumerate(removing(target)):
        if done >= PIECE:
            break
    if target.exists():
        go_on([path.parent])
        return False
    with suppress(OSError):  # there may be more in it
        target.parent.rmdir()
    return True


def is_going(place: Path, name: str) -> bool:
    """Whether something that had this name in ``place`` is not all removed yet."""
    return any(re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", each) for each in _left(place))


def go_on(places: Iterable[Path]) -> None:
    """Have a process of its own remove what is left in these places."""
    busy = [str(place) for place in places if _left(place)]
    if busy:
        words = ["setsid", "--fork", "ionice", "--class", "3", *launch.python("removal", *busy)]
        nothing = subprocess.DEVNULL
        subprocess.run(words, stdin=nothing, stdout=nothing, stderr=nothing, check=True)


def _renamed(path: Path) -> Path | None:
    """Give it a name in ``.going``, which whoever empties that takes away. None if it is gone."""
    target = path.parent / GOING / f"{path.name.strip('.')[:_LONGEST_NAME]}-{secrets.token_hex(4)}"
    while os.path.lexists(path):
        with suppress(FileNotFoundError):
            target.parent.mkdir(mode=0o700, exist_ok=True)
            os.rename(path, target)
            return target
    return None


def _left(place: Path) -> list[str]:
    try:
        return os.listdir(place / GOING)
    except FileNotFoundError:
        return []
