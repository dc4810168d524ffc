"""Have a file rendered by a process that can do nothing else, and wait for it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock, Timer

from . import INVALID, MAX_INPUT_BYTES, MAX_OUTPUT_BYTES, TOO_LARGE

MAX_SECONDS = 45.0
"""On the clock, which a busy machine needs more of than the process may compute (`lockdown`)."""
TOO_LARGE_CODE, INVALID_CODE = "preview.too-large", "preview.invalid"
LIMITS_CODE = "preview.limits"
"""For a process that was killed: it took too much time or memory."""
UNAVAILABLE_CODE = "preview.unavailable"
"""For one that could not begin, as on a machine without the means to shut it in."""
_CODES = {0: "", INVALID: INVALID_CODE, TOO_LARGE: TOO_LARGE_CODE}
_KINDS = {".ipynb": "notebook", ".md": "markdown", ".markdown": "markdown"}
_turn = Lock()
"""One at a time in each worker: each may take `lockdown.MAX_MEMORY_BYTES`."""
_SEARCH_PATH = str(Path(__file__).resolve().parents[2])
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from sessions.preview.program import main; main()"
)


@dataclass(frozen=True)
class Rendered:
    """The harmless HTML of a file, or the code of why there is none."""

    html: str = ""
    code: str = ""


def render(name: str, content: bytes, max_seconds: float = MAX_SECONDS) -> Rendered:
    """Return the file as HTML; its name tells what it is."""
    if len(content) > MAX_INPUT_BYTES:
        return Rendered(code=TOO_LARGE_CODE)
    with _turn:
        return _run(_KINDS.get(PurePosixPath(name).suffix.lower(), "text"), content, max_seconds)


def _run(kind: str, content: bytes, max_seconds: float) -> Rendered:
    """Run the process and return what it wrote, or why it did not."""
    with tempfile.TemporaryFile() as given:
        given.write(content)
        given.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, _SEARCH_PATH, kind],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
    timer = Timer(max_seconds, process.kill)
    timer.start()
    with process:  # waits for its end, which is near: it is killed if it writes more
        html = process.stdout.read(MAX_OUTPUT_BYTES + 1) if process.stdout else b""
        if len(html) > MAX_OUTPUT_BYTES:
            process.kill()
    timer.cancel()
    if process.returncode < 0:
        return Rendered(code=LIMITS_CODE)
    code = _CODES.get(process.returncode, UNAVAILABLE_CODE)
    return Rendered("" if code else html.decode("utf-8", "replace"), code)
