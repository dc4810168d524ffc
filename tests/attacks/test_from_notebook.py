"""Attempts by code in a notebook, all in one kernel; see `sandbox`."""

from __future__ import annotations

import pytest

from tests.attacks import sandbox
from tests.attacks.attempt import Verdict, attempts, chosen, require
from tests.attacks.cast import World
from tests.attacks.programs import NOTEBOOK, Program, in_notebook
from tests.attacks.sandbox import eaters
from tests.attacks.sandbox.eaters import Eater


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest, world: World) -> dict[str, Verdict]:
    return in_notebook(world, chosen(request, "test_portal_withstands_code_in_a_notebook"))


@attempts(sandbox.of(NOTEBOOK))
def test_portal_withstands_code_in_a_notebook(
    attempt: Program, verdicts: dict[str, Verdict]
) -> None:
    require(verdicts[str(attempt)])


@attempts(eaters.ATTEMPTS)
def test_portal_withstands_exhaustion_of_its_resources(attempt: Eater, world: World) -> None:
    require(attempt.tried(world))
