"""How web speaks HTTP and WebSocket: uvicorn's protocols, with bounds on all that a stranger sends.

uvicorn loads `connection.Http` by ``--http portal.server.connection:Http``, before it loads Django:
nothing here imports it.

- `heads`: how large a request's head may be, how long it may take, and the answers beyond that.
- `connection`: one connection, which reads requests' heads within these bounds.
- `socket`: one WebSocket; its bytes as they are for the gateway, whole messages for our own pages.
"""

from __future__ import annotations

import sys


def is_bounded() -> bool:
    """Whether the server that runs the application was told to use these protocols."""
    return f"{__name__}.connection" in sys.modules
