"""The socket on which the portal listens."""

from __future__ import annotations

import socket

import pytest

from portal.run.listener import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_accepted_connections_have_tcp_nodelay(settings, host: str) -> None:
    settings.PORTAL_HOST, settings.PORTAL_PORT = host, 0
    with listen() as door, socket.create_connection(door.getsockname()[:2]):
        visitor, _address = door.accept()
        with visitor:
            assert visitor.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
