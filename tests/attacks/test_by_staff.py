"""Attempts by staff to get more than their role gives; see `staff`."""

from __future__ import annotations

from typing import Any

from tests.attacks import staff
from tests.attacks.attempt import attempts, require
from tests.attacks.cast import World


@attempts(staff.ATTEMPTS)
def test_portal_withstands_hostile_staff(attempt: Any, world: World) -> None:
    require(attempt.tried(world))
