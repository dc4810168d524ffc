"""The models. `sessions.lifecycle` decides what happens to them; only ``advance`` sets a state."""

from sessions.models.build import Build
from sessions.models.operations import Capacity, Condition, Heartbeat, Idempotency, Sign, Tally
from sessions.models.project import Project
from sessions.models.record import Event, LogChunk, Removal, Removed, SetAside, Transition
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
