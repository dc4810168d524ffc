"""The rows. `lifecycle` says what happens to them; only ``advance`` writes a state."""

from sessions.models.access import Access
from sessions.models.build import Build
from sessions.models.capacity import Capacity
from sessions.models.heartbeat import Heartbeat
from sessions.models.idempotency import Idempotency
from sessions.models.project import Project
from sessions.models.record import Event, LogChunk, Transition
from sessions.models.rule import RepositoryRule
from sessions.models.session import Session

__all__ = [
    "Access",
    "Build",
    "Capacity",
    "Event",
    "Heartbeat",
    "Idempotency",
    "LogChunk",
    "Project",
    "RepositoryRule",
    "Session",
    "Transition",
]
