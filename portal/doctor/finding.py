"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass

from sessions.backends import Problem


@dataclass(frozen=True)
class Finding(Problem):
    """A `Problem`; ``advice`` is something that works and could be better."""

    advice: bool = False
