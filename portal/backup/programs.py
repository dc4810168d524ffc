"""Running the programs of the system that do the deep work: tar, pg_dump, pg_restore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from django.utils.translation import gettext as _

from portal.backup.errors import BackupError

_SHOWN = 1000


def run(
    words: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    fine: Collection[int] = (0,),
) -> None:
    """Run a program to its end. Raises `BackupError` with its own words if it fails."""
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        text = _("The program %(program)s is missing. Install it and try again.")
        raise BackupError(text % {"program": words[0]}) from None
    if done.returncode not in fine:
        text = _("%(program)s failed: %(why)s")
        why = done.stderr.strip()[-_SHOWN:]
        raise BackupError(text % {"program": words[0], "why": why})
