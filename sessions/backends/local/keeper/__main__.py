"""The program of a keeper: ``python -I -S <this file> <run folder> <uid>``.

It returns at once, with the lock of the run folder taken or found taken; the work goes on in
a process of its own. ``uid`` is what it becomes when it is started by root.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent), str(_HERE.parents[3])]

from keeper import lock, privileges  # noqa: E402  (found by the line above)


def main() -> None:
    folder, uid = Path(sys.argv[1]), int(sys.argv[2])
    held = lock.take(folder / "lock")
    if held is None:
        return
    privileges.detach(folder / "keeper.log")
    from keeper import work  # after the caller was let go: this takes a tenth of a second

    privileges.drop(uid)
    work.do(folder)


if __name__ == "__main__":
    main()
