"""The models. `sessions.lifecycle` decides what happens to them; only ``advance`` sets a state."""

from sessions.models.build import Build
from sessions.models.operations import Capacity, Condition, Heartbeat, Idempotency, Sign, Tally
from sessions.models.project import Project
from sessions.models.record import Event, LogChunk, Transition
from sessions.models.removal import Removal, Removed, SetAside
from sessions.models.rule import RepositoryRule
from sessions.models.session import Access, Session

__all__ = [
    "Access",
    "Build",
    "Capacity",
    "Condition",
    "Event",
    "Heartbeat",
    "Idempotency",
    "LogChunk",
    "Project",
    "Removal",
    "Removed",
    "RepositoryRule",
    "Session",
    "SetAside",
    "Sign",
    "Tally",
    "Transition",
]
