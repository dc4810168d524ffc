"""The few small repositories that everybody launches, so that most builds are shared."""

from __future__ import annotations

from tests.githttp import GitServer

PLAIN = "drill/plain"
FAILING = "drill/failing"
SLOW = ("drill/slow-1", "drill/slow-2")
TICKS = 80

_TICKING = f"""#!/bin/bash
for tick in $(seq {TICKS}); do echo "tick $tick"; sleep 0.1; done
"""
_BROKEN = "#!/bin/bash\necho 'this step fails'\nexit 3\n"


def publish(git: GitServer) -> list[str]:
    """Make them; return their names, each as often as people want it."""
    git.repository(PLAIN, {"index.ipynb": "{}"})
    git.repository(FAILING, {"postBuild": _BROKEN}, executable=["postBuild"])
    for name in SLOW:
        files = {"postBuild": _TICKING, "README.md": name}
        git.repository(name, files, executable=["postBuild"])
    return [*4 * [PLAIN], *2 * SLOW, FAILING]
