"""Check the portal's own processes and the back end.

The processes must be alive, do their work and have the same version. The back end reports its own
problems, once it is asked for everything that its work needs.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from portal.health import checks
from portal.lib.version import VERSION
from sessions.backends import get_backend
from sessions.lifecycle import queue
from sessions.watch.conditions import in_words

from .finding import Finding

LOOKED_AT = frozenset(
    {"database", "worker", "watch", "backend", "disk", "channel", "mail", "installation"}
)
"""Parts that are checked directly, here or by another check."""


def check_processes(patience: float) -> Iterator[Finding]:
    """Yield findings on watch, the worker and parts that no other check asks.

    ``patience``: seconds that a worker has to take a task.
    """
    states = checks.states()
    if states["watch"].problem:
        yield Finding(
            "doctor.watch",
            _("watch gives no sign of life since %(since)s: nobody sees what becomes of builds.")
            % {"since": f"{states['watch'].since:%Y-%m-%d %H:%M:%S %Z}"},
            _("Start it: `manage.py up` or `manage.py watch`. Its log says why it ended."),
        )
    for part, state in states.items():
        if part not in LOOKED_AT and state.problem and state.problem != checks.UNWATCHED:
            said = in_words(part, state.problem)
            yield Finding(said.id, said.message, said.hint)
    yield from _of_worker(queue.call_worker(patience))


def _of_worker(version: str | None) -> Iterator[Finding]:
    if version is None:
        yield Finding(
            "doctor.worker",
            _("No worker has taken a task: launches are accepted and do not go on."),
            _("Start it: `manage.py up` or `manage.py qcluster`. Its log says why it ended."),
        )
    elif version != VERSION:
        yield Finding(
            "doctor.versions",
            _("The worker is of version %(theirs)s, this is %(ours)s.")
            % {"theirs": version, "ours": VERSION},
            _("Start all parts of the portal again with the same version."),
        )


def check_backend() -> Iterator[Finding]:
    """Yield the problems that the back end reports."""
    backend = get_backend()
    for problem in (*backend.problems(), *backend.examine()):
        yield Finding(problem.id, problem.message, problem.hint)
