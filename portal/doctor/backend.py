"""The back end: what it says itself, once it is asked for everything that its work needs."""

from __future__ import annotations

from collections.abc import Iterator

from portal.doctor.finding import Finding
from sessions.backends import get_backend


def check() -> Iterator[Finding]:
    backend = get_backend()
    for problem in (*backend.problems(), *backend.examine()):
        yield Finding(problem.id, problem.message, problem.hint)
