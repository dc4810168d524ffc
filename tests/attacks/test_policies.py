"""Network policies, evaluated without a packet: who reaches whom; see `policies`."""

from __future__ import annotations

from tests.attacks import policies
from tests.attacks.attempt import attempts, require
from tests.attacks.policies import Packet


@attempts(policies.ATTEMPTS)
def test_by_the_network_policies(attempt: Packet) -> None:
    require(attempt.tried())
