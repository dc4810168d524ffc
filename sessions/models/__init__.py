"""The models. `sessions.lifecycle` decides what happens to them; only ``advance`` sets a state."""

from sessions.models.build import Build
from sessions.models.operations import (
    Capacity,
    Condition,
    Heartbeat,
    HeartbeatName,
    Idempotency,
    Tally,
)
from sessions.models.preview import Preview
from sessions.models.project import Project
from sessions.models.record import Event, LogChunk, Removal, RemovalKind, SetAside, Transition
from sessions.models.rule import RepositoryRule
from sessions.models.session import Access, Session

__all__ = [
    "Access",
    "Build",
    "Capacity",
    "Condition",
    "Event",
    "Heartbeat",
    "HeartbeatName",
    "Idempotency",
    "LogChunk",
    "Preview",
    "Project",
    "Removal",
    "RemovalKind",
    "RepositoryRule",
    "Session",
    "SetAside",
    "Tally",
    "Transition",
]
