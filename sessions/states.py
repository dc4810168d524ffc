"""The states of builds and sessions, and which may follow which.

The tables are the whole truth about what may happen; `models` enforces them with one
conditional UPDATE a change, and the tests try every pair of states against them.
"""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class BuildState(TextChoices):
    PENDING = "pending", _("pending")
    BUILDING = "building", _("building")
    BUILT = "built", _("built")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class SessionState(TextChoices):
    WAITING = "waiting", _("waiting")
    SPAWNING = "spawning", _("starting")
    READY = "ready", _("ready")
    STOPPING = "stopping", _("stopping")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")


class ProjectState(TextChoices):
    """What a project shows: its session's state, with the build's where it waits for one."""

    WAITING = "waiting", _("waiting")
    BUILDING = "building", _("building")
    SPAWNING = "spawning", _("starting")
    READY = "ready", _("ready")
    STOPPING = "stopping", _("stopping")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")


class Phase(TextChoices):
    """What an event on a progress page is about."""

    WAITING = "waiting", _("waiting")
    FETCHING = "fetching", _("fetching")
    BUILDING = "building", _("building")
    PUSHING = "pushing", _("pushing")
    BUILT = "built", _("built")
    LAUNCHING = "launching", _("launching")
    READY = "ready", _("ready")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")


BUILD_TRANSITIONS: dict[str, frozenset[str]] = {
    BuildState.PENDING: frozenset({BuildState.BUILDING, BuildState.FAILED, BuildState.CANCELLED}),
    BuildState.BUILDING: frozenset({BuildState.BUILT, BuildState.FAILED, BuildState.CANCELLED}),
    BuildState.BUILT: frozenset(),
    BuildState.FAILED: frozenset(),
    BuildState.CANCELLED: frozenset(),
}

SESSION_TRANSITIONS: dict[str, frozenset[str]] = {
    SessionState.WAITING: frozenset(
        {SessionState.SPAWNING, SessionState.STOPPED, SessionState.FAILED}
    ),
    SessionState.SPAWNING: frozenset(
        {SessionState.READY, SessionState.STOPPING, SessionState.FAILED}
    ),
    SessionState.READY: frozenset({SessionState.STOPPING, SessionState.FAILED}),
    SessionState.STOPPING: frozenset({SessionState.STOPPED, SessionState.FAILED}),
    SessionState.STOPPED: frozenset(),
    SessionState.FAILED: frozenset(),
}

BUILD_ACTIVE = frozenset({BuildState.PENDING, BuildState.BUILDING})
SESSION_LIVE = frozenset(state for state, following in SESSION_TRANSITIONS.items() if following)
SESSION_HOLDING = SESSION_LIVE - {SessionState.STOPPING}
"""What is being stopped holds nothing against its owner any more."""

FOLLOWS_BUILD = frozenset({Phase.FETCHING, Phase.BUILDING, Phase.PUSHING})
"""After an event of one of these phases, the log of its build goes on live."""
