"""The processes of the portal: that they live, do their work, and are of one version."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from portal import health
from portal.doctor.finding import Finding
from portal.version import VERSION
from sessions.conditionwords import in_words
from sessions.lifecycle import queue

LOOKED_AT = frozenset(
    {"database", "worker", "watch", "backend", "disk", "channel", "mail", "installation"}
)
"""The parts that are asked themselves, here or by another check."""


def check(patience: float) -> Iterator[Finding]:
    """``patience``: the seconds in which a worker has to take a task."""
    states = health.states()
    if states["watch"].problem:
        yield Finding(
            "doctor.watch",
            _("watch gives no sign of life since %(since)s: nobody sees what becomes of builds.")
            % {"since": f"{states['watch'].since:%Y-%m-%d %H:%M:%S %Z}"},
            _("Start it: `manage.py up` or `manage.py watch`. Its log says why it ended."),
        )
    for part, state in states.items():
        if part not in LOOKED_AT and state.problem and state.problem != health.UNWATCHED:
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
