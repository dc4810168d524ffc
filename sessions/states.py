"""The states of builds and sessions, and which may follow which.

These tables alone say what may happen. `sessions.models` enforces them with one conditional UPDATE
for each change, and the tests try every pair of states against them.
"""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class BuildState(TextChoices):
    """The states of a build."""

    PENDING = "pending", _("pending")
    BUILDING = "building", _("building")
    BUILT = "built", _("built")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class SessionState(TextChoices):
    """The states of a session."""

    WAITING = "waiting", _("waiting")
    SPAWNING = "spawning", _("starting")
    READY = "ready", _("ready")
    STOPPING = "stopping", _("stopping")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")


class ProjectState(TextChoices):
    """The states that a project shows: its session's, or "building" while a build is active."""

    WAITING = "waiting", _("waiting")
    BUILDING = "building", _("building")
    SPAWNING = "spawning", _("starting")
    READY = "ready", _("ready")
    STOPPING = "stopping", _("stopping")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")


class Phase(TextChoices):
    """The topics of events on a progress page."""

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
"""A notebook that is being stopped no longer counts against its owner's limits."""

FOLLOWS_BUILD = frozenset({Phase.FETCHING, Phase.BUILDING, Phase.PUSHING})
"""After an event in one of these phases, the build's log is followed live."""
