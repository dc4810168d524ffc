"""Codes for notebooks and builds that wait for something to be freed.

Such a wait may be long: `sessions.watch.timeouts` allows more time for it than for an ordinary
start.
"""

from __future__ import annotations

NO_GPU = "spawn.no-gpu-free"
NO_ROOM = "spawn.no-room"
NO_ROOM_TO_BUILD = "build.no-room"
NO_SPACE = "build.no-space"
BUILDS = "quota.builds"
QUEUED = frozenset({NO_GPU, NO_ROOM})
