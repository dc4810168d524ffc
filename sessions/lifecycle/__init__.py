"""What happens to projects, builds and sessions: the one place that moves their states.

- `commands`: what a person asks for (launch, start, stop, delete …); pages and API call these.
- `steps`: what tasks do about it with the back end; each may run twice, also at once.
- `observations`: what `watch` has seen (a build ended, a server answers, a server is gone).

A wish writes rows and enqueues a step on commit; a fact writes rows and enqueues the next one.
`reconcile` repeats whatever got lost on the way.
"""

from sessions.lifecycle.commands import (
    cancel,
    cancel_build,
    delete,
    keep,
    launch,
    rebuild,
    restore,
    start,
    stop,
)

__all__ = [
    "cancel",
    "cancel_build",
    "delete",
    "keep",
    "launch",
    "rebuild",
    "restore",
    "start",
    "stop",
]
