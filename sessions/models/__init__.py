"""The rows. `lifecycle` says what happens to them; only ``advance`` writes a state."""

from sessions.models.access import Access
from sessions.models.build import Build
from sessions.models.capacity import Capacity
from sessions.models.condition import Condition
from sessions.models.heartbeat import Heartbeat, Sign
from sessions.models.idempotency import Idempotency
from sessions.models.project import Project
from sessions.models.record import Event, LogChunk, Transition
from sessions.models.removal import Removal, Removed
from sessions.models.rule import RepositoryRule
from sessions.models.session import Session
from sessions.models.setaside import SetAside
from sessions.models.tally import Tally

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
