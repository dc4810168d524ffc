"""System checks: wrong configuration is said at start, with a stable id and what to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register
def environment(**kwargs: Any) -> list[CheckMessage]:
    """Each variable of the environment that could not be used (portal.E002 … E006)."""
    return [
        Error(f"{problem.variable} {problem.message}", hint=problem.hint, id=problem.id)
        for problem in settings.ENVIRONMENT.problems
    ]
