"""Run tar, pg_dump, pg_restore and psql, and turn their failures into `BackupError`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.core.management import CommandError
from django.utils.translation import gettext as _


class BackupError(CommandError):
    """A backup or restore that could not be done: nothing was made, or nothing was changed.

    The message says what to do about it.
    """


_MAX_OUTPUT = 2000
"""How many bytes of a program's output are kept: the last ones."""


class ProcessResult(NamedTuple):
    """A program's exit status (negative: the signal that ended it) and its last words."""

    code: int
    output: str


def run_unchecked(
    words: Sequence[str | Path], *, environment: Mapping[str, str] | None = None
) -> ProcessResult:
    """Run a program to its end with untranslated messages.

    Raises `BackupError` if the program is not installed.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                words,
                env=untranslated_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                check=False,
            )
        except FileNotFoundError:
            raise program_missing(words[0]) from None
        return ProcessResult(done.returncode, output_tail(errors))


def run(words: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> None:
    """Run a program to its end. Raises `BackupError` with the program's message if it fails."""
    done = run_unchecked(words, environment=environment)
    if done.code:
        raise program_failed(words[0], done)


def untranslated_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables for a program that is not to translate its messages.

    They are those of this process, ``environment`` on top.
    """
    return {**os.environ, **(environment or {}), "LC_ALL": "C"}


def output_tail(file: BinaryIO) -> str:
    """Return the last `_MAX_OUTPUT` bytes of a program's output as text."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MAX_OUTPUT))
    return file.read().decode("utf-8", "replace").strip()


def program_missing(program: str | Path) -> BackupError:
    """Return the error for a program that is not installed."""
    text = _("The program %(program)s is missing. Install it and try again.")
    return BackupError(text % {"program": program})


def program_failed(program: str | Path, done: ProcessResult) -> BackupError:
    """Return the error for a program that failed, with its last words."""
    text = _("%(program)s failed: %(why)s")
    return BackupError(text % {"program": program, "why": done.output or done.code})
