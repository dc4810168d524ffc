"""The files that the builder's image copies."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy/builder/Dockerfile"
LIBRARY = "/opt/bindery/lib"


def copied() -> list[tuple[list[str], str]]:
    """Return sources and target of each COPY."""
    found = re.findall(r"^COPY (.+) (\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    return [(sources.split(), target) for sources, target in found]


def test_the_build_context_has_exactly_the_copied_files():
    ignored = Path(f"{DOCKERFILE}.dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert sorted(kept) == sorted(source for sources, _target in copied() for source in sources)


def test_the_builder_imports_only_the_copied_modules(tmp_path):
    for sources, target in copied():
        if target.startswith(LIBRARY):
            folder = tmp_path / target.removeprefix(f"{LIBRARY}/")
            for source in sources:
                if target.endswith("/"):
                    folder.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / source, folder)
                else:
                    shutil.copytree(ROOT / source, folder)
    program = """
import sys
sys.path.append(sys.argv[1])
from bindery_builder import fetch, main, output
print(*sorted(name for name in sys.modules if name.startswith("sessions.")))
"""
    words = [sys.executable, "-I", "-c", program, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = {".".join(name.split(".")[2:3]) for name in done.stdout.split()}
    assert found == {"", "addresses", "archives", "configuration", "gitclone", "lines", "onefile",
                     "proxy"}  # fmt: skip
