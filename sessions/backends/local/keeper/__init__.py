"""The keeper: a small process that runs one build or one notebook, started by `keeper_processes`.

The portal's processes come and go; a keeper stays until its work is done. It is nobody's child,
runs `bwrap` as its own, enforces limits, and reports in files of its run folder (`status`, `log`).
Standard library only, one thread, no Django: it drops its privileges at the start, after which it
may be unable to read the portal's code or environment. For that reason its messages are English;
the codes beside them are what can be translated.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
SEARCH_PATH = (str(_HERE.parent), str(_HERE.parents[3]))
"""The folders in which a keeper's Python finds this package, and `sessions`."""


def keeper_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``module`` of this package with these arguments.

    Its environment is built from scratch: the portal's contains secrets, and keepers run under the
    uid of the untrusted code that they start.
    """
    nothing_else = ["env", "-i", f"PATH={os.environ.get('PATH', os.defpath)}", "LANG=C.UTF-8"]
    program = f"import sys; sys.path[:0] = sys.argv[1:3]; from keeper.{module} import main; main()"
    python = [sys.executable, "-I", "-S", "-c", program]
    return [*nothing_else, *python, *SEARCH_PATH, *arguments]
