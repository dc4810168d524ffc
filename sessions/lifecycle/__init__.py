"""Projects, builds and sessions: the only package that moves their states.

- `commands`: what a person asks for (launch, start, stop, delete …); pages and API call these.
- `steps`: what tasks then do with the back end; each may run twice, even at the same time.
- `observations`: what `watch` has seen (a build ended, a server answers, a server is gone).

A command writes rows and enqueues a step on commit; an observation writes rows and enqueues the
next step. `sessions.watch.reconcile` repeats whatever got lost on the way.
"""

from sessions.lifecycle.commands import (
    cancel,
    cancel_build,
    delete,
    keep,
    launch,
    launch_link,
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
    "launch_link",
    "rebuild",
    "restore",
    "start",
    "stop",
]
