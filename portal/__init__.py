"""The site: settings, people, pages, the admin and health checks.

`VERSION` is Bindery's version, read from ``pyproject.toml``, the only place that has it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
VERSION: str = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
