"""Network policies, evaluated without a packet: who reaches whom; see `policies`."""

from __future__ import annotations

from tests.attacks import policies
from tests.attacks.attempt import attempts, require
from tests.attacks.policies import Packet


@attempts(policies.ATTEMPTS)
def test_network_policies_allow_or_block_each_packet(attempt: Packet) -> None:
    require(attempt.tried())
