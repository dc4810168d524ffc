"""What the portal does with the files of repositories, for programs without Django: keepers of the
local back end import it, and on Kubernetes its text runs in pods."""

from __future__ import annotations

from pathlib import Path


def program() -> str:
    """Return the text of `merge`, to be run as ``python3 -c TEXT SOURCE TARGET RECORD COMMIT``."""
    return Path(__file__).with_name("merge.py").read_text()
