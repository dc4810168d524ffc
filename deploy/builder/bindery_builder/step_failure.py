"""Find out from buildah's output which step of a build failed, and who has to fix it."""

from __future__ import annotations

import re
from collections import deque

from sessions.repofiles.configuration import hints

from .plan import Plan
from .result import BuildFailed

_STEP = re.compile(r"(?:\[(\d+)/(\d+)\] )?STEP (\d+)/(\d+): (.*)\Z")
_COMMITTED = re.compile(r"--> ([0-9a-f]{11,64})\Z")
_KILLED = re.compile(r"exit status 137\b")
_FULL = re.compile(r"no space left on device", re.IGNORECASE)
_OTHER_PYTHON = re.compile(r"The repository asks for Python \S+; this portal has \S+\Z")
_MAX_STEP_LENGTH = 300
_LAST = 30

_RULES = (
    ("build.post-build", re.compile(r"postBuild")),
    ("build.package", re.compile(r"pip install --no-cache-dir \.\Z|install_local\(")),
    (
        "build.requirements",
        re.compile(
            r"pip install|pipenv|apt-get install --yes --no-install-recommends [^>]*\Z|env update"
            r"|install\.R|Pkg\.|nix-shell|nix-env|REQUIRE"
        ),
    ),
)
_SENTENCES = {
    "build.post-build": "postBuild failed",
    "build.package": "The repository's package could not be installed",
    "build.requirements": "The repository's dependencies could not be installed",
    "build.internal": "A step that every build runs failed",
}


class StepTracker:
    """The steps of a build, followed line by line.

    ``committed`` are the images of its steps in order, ``final`` the one of the last step: the
    beginnings of their ids.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._step: re.Match[str] | None = None
        self._last: deque[str] = deque(maxlen=_LAST)
        self.committed: dict[str, None] = {}
        self.final = ""

    def feed(self, line: str) -> None:
        """Take the next line that buildah wrote."""
        if step := _STEP.match(line):
            self._step = step
        elif committed := _COMMITTED.match(line):
            self.final = committed[1]
            self.committed[self.final] = None
        if line:
            self._last.append(line)

    def failure(self, *, out_of_memory: bool = False) -> BuildFailed:
        """Return why the build failed, from its last lines and from ``out_of_memory``."""
        end = "\n".join(self._last)
        if _FULL.search(end):
            return BuildFailed(
                "build.disk-full",
                "The build ran out of disk space. Have it write less, or ask the staff for more "
                "room.",
            )
        if out_of_memory or (self._last and _KILLED.search(self._last[-1])):
            return BuildFailed(
                "build.out-of-memory",
                f"The build ran out of memory, and this step was killed: {self._where()}",
            )
        if other := next((m for line in self._last if (m := _OTHER_PYTHON.match(line))), None):
            return BuildFailed("build.python-missing", other[0])
        return self._step_failure()

    def _step_failure(self) -> BuildFailed:
        why = "see the last lines of the log."
        if self._step is None:
            code = "build.dockerfile" if self._plan.has_own_dockerfile else "build.internal"
            return BuildFailed(code, f"The Dockerfile could not be read; {why}")
        if self._plan.has_own_dockerfile:
            return BuildFailed("build.dockerfile", f"{self._where()} failed; {why}")
        code = error_code(self._step[5])
        known = hints.explain(code, self._last, self._plan.mistakes)
        return BuildFailed(code, f"{_SENTENCES[code]} ({self._text()}); {why} {known}".rstrip())

    def _where(self) -> str:
        """Return ``Step 2 of 5 (RUN make)``, counting the repository's own lines."""
        if self._step is None:
            return "The build"
        number, count = int(self._step[3]), int(self._step[4])
        ours = self._plan.declared_lines
        shown = number - ours if number > ours + 1 else number
        stage = f" in stage {self._step[1]} of {self._step[2]}" if self._step[1] else ""
        return f"Step {shown} of {count - ours}{stage} ({self._text()})"

    def _text(self) -> str:
        text = self._step[5] if self._step else ""
        return text if len(text) <= _MAX_STEP_LENGTH else f"{text[:_MAX_STEP_LENGTH]}…"


def error_code(step: str) -> str:
    """Return the error code for a failed step that was rendered for the repository."""
    return next((code for code, sign in _RULES if sign.search(step)), "build.internal")
