"""The codes of a notebook that waits for something to be given back, not for its own start.

Such a wait may last: `lifecycle.overdue` gives it more patience than a start.
"""

from __future__ import annotations

NO_GPU = "spawn.no-gpu-free"
NO_ROOM = "spawn.no-room"
NO_ROOM_TO_BUILD = "build.no-room"
NO_SPACE = "build.no-space"
BUILDS = "quota.builds"
QUEUED = frozenset({NO_GPU, NO_ROOM})
