"""Mark cases that take too long for the checks."""

from __future__ import annotations

from typing import Any

import pytest


def in_long_tests(*cases: Any) -> list[Any]:
    """Return cases that only ``make test-long`` runs; the checks run others of their kind.

    A tuple is a case of several arguments.
    """
    values = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*each, marks=pytest.mark.long) for each in values]
