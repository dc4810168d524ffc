"""Refuse an entry point that cannot run what it is given.

A notebook's container runs the image's ENTRYPOINT, with the command that starts JupyterLab as its
arguments. A shell that is given its script (``sh -c``) ignores them, unless the script uses them.
"""

from __future__ import annotations

import re
from typing import Final

from .plainparser import Instruction
from .result import BuildFailed

_SHELL: Final = re.compile(r"(?:.*/)?(?:ba|da|z|k|a)?sh\Z")
_SCRIPT_OPTION: Final = re.compile(r"-[a-z]*c\Z")
_USES_ARGUMENTS: Final = re.compile(r"\$\{?[@*0-9]")


def check(found: Instruction | None) -> None:
    """Raise `BuildFailed` if this ENTRYPOINT ignores its arguments."""
    if found is None or not _ignores_arguments(found):
        return
    form = "does not run the command that it is given"
    if not found.is_json and found.rest.startswith("["):
        form = "is not a valid list, so a shell would run it and ignore the command it is given"
    raise BuildFailed(
        "build.dockerfile",
        f"The ENTRYPOINT in line {found.line} of the Dockerfile {form}: JupyterLab could not be "
        'started. Remove it, or name a script that ends with exec "$@", as a list in double '
        'quotes: ENTRYPOINT ["/usr/local/bin/start.sh"].',
    )


def _ignores_arguments(found: Instruction) -> bool:
    if not found.is_json:
        return bool(found.rest) and not _USES_ARGUMENTS.search(found.rest)
    if len(found.values) != 3:
        return False
    shell, option, script = found.values
    is_script = _SHELL.match(shell) and _SCRIPT_OPTION.match(option)
    return bool(is_script) and not _USES_ARGUMENTS.search(script)
