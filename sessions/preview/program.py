"""Be the process that renders one file: ``program <kind>``, from standard input to its output.

It ends with one of the exit codes of this package, or is killed for what it takes.
"""

from __future__ import annotations

import sys
import warnings

from sessions.repofiles.configuration import encoding

from . import INVALID, MAX_OUTPUT_BYTES, TOO_LARGE, lockdown


def main() -> None:
    """Load what is needed, give up everything else, and only then read the file."""
    warnings.simplefilter("ignore")
    lockdown.limit()
    from . import render  # noqa: PLC0415 -- within the limits, too

    kinds = {"notebook": render.notebook, "markdown": render.markdown, "text": render.plain}
    show = kinds[sys.argv[-1]]
    render.warm_up()
    lockdown.lock()
    try:
        html = show(_text(sys.stdin.buffer.read())).encode("utf-8", "replace")
    except MemoryError:
        sys.exit(TOO_LARGE)
    except Exception:  # noqa: BLE001 -- whatever the file has brought about
        sys.exit(INVALID)
    if len(html) > MAX_OUTPUT_BYTES:
        sys.exit(TOO_LARGE)
    sys.stdout.buffer.write(html)
    sys.stdout.buffer.flush()


def _text(content: bytes) -> str:
    """Return a file's text, in whichever encoding it is; of others than Unicode's, only Latin-1."""
    try:
        return encoding.decode(content)
    except (encoding.UndecodableText, LookupError):
        return content.decode("latin-1").replace("\0", "\N{REPLACEMENT CHARACTER}")
