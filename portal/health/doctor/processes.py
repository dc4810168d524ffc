"""Check the portal's own processes and the back end.

The processes of the portal: that they live, do their work, and are of one version.

The back end: what it says itself, once it is asked for everything that its work needs.
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
"""The parts that are asked themselves, here or by another check."""


def check_processes(patience: float) -> Iterator[Finding]:
    """``patience``: the seconds in which a worker has to take a task."""
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
    backend = get_backend()
    for problem in (*backend.problems(), *backend.examine()):
        yield Finding(problem.id, problem.message, problem.hint)
