"""Attempts by visitors and by notebook servers; see `network`."""

from __future__ import annotations

from typing import Any

from tests.attacks import network
from tests.attacks.attempt import attempts, require
from tests.attacks.cast import World


@attempts(network.ATTEMPTS)
def test_portal_withstands_hostile_network_traffic(attempt: Any, world: World) -> None:
    require(attempt.tried(world))
