"""Join the modules of a package to the text of one program, which needs nothing else of the portal.

Sandboxes and other people's images do not have the portal's folders. They get such a text as an
argument of their Python.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path


def joined(folder: Path, names: Iterable[str]) -> str:
    """Return the modules of these names as one text; each comes after those that it imports.

    All their names, also the private ones, end up in one module.
    """
    texts = (_text_without_imports(folder / f"{name}.py") for name in names)
    return "from __future__ import annotations\n" + "".join(texts)


def _text_without_imports(path: Path) -> str:
    """Return the text of a module without imports of its neighbours, which stand above it."""
    text = path.read_text()
    left_out = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and (node.level or _is_joined(node.module or "")):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(keepends=True), start=1)
    return "".join(line for number, line in lines if number not in left_out)


def _is_joined(module: str) -> bool:
    return module == "__future__" or module.startswith("sessions.repofiles.")
