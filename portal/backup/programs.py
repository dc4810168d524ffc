"""Run tar, pg_dump, pg_restore and psql, and say why a backup or restore cannot go on.

What keeps a backup or a restore from being done; the message says what to do about it.

Running the programs of the system that do the deep work: tar, pg_dump, pg_restore, psql.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.utils.translation import gettext as _


class BackupError(Exception):
    """Nothing was made, or nothing was changed."""


_SHOWN = 2000
"""Bytes of what a program has said that are of interest: the last ones."""


class Done(NamedTuple):
    """How a program ended (negative: by which signal), and its last words."""

    code: int
    said: str


def ended(words: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> Done:
    """Run a program to its end, in its plain language. Raises `BackupError` where it is missing."""
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(
                words,
                env=plain(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                check=False,
            )
        except FileNotFoundError:
            raise missing(words[0]) from None
        return Done(done.returncode, last_words(said))


def run(words: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> None:
    """Run a program to its end. Raises `BackupError` with its own words if it fails."""
    done = ended(words, environment=environment)
    if done.code:
        raise failed(words[0], done)


def plain(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of programs whose words are read."""
    return {**os.environ, **(environment or {}), "LC_ALL": "C"}


def last_words(said: BinaryIO) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _SHOWN))
    return said.read().decode("utf-8", "replace").strip()


def missing(program: str | Path) -> BackupError:
    text = _("The program %(program)s is missing. Install it and try again.")
    return BackupError(text % {"program": program})


def failed(program: str | Path, done: Done) -> BackupError:
    text = _("%(program)s failed: %(why)s")
    return BackupError(text % {"program": program, "why": done.said or done.code})
