"""How web speaks HTTP and WebSocket: uvicorn's protocols, with limits on all that strangers send.

uvicorn loads `connection.Http` by ``--http portal.server.connection:Http``, before it loads Django:
nothing here imports it.

- `heads`: limits on a request's head (size, time), and the answers beyond them; conflicting session
  cookies, which are ignored and deleted.
- `connection`: one connection, which reads requests' heads within these limits.
- `socket`: one WebSocket; raw bytes for the gateway, whole messages for the portal's own pages.
- `bodies`: limits on request bodies, and requests that are refused.
"""

from __future__ import annotations

import sys


def has_limits() -> bool:
    """Return whether the server that runs the application was told to use these protocols."""
    return f"{__name__}.connection" in sys.modules
