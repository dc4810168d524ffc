"""What happened to a project, in order: what its person was told, and who moved what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.safestring import SafeString

from sessions import journal
from sessions.admin import shown
from sessions.models import Build, Event, Project, Session, Transition
from sessions.states import BuildState, SessionState

SHOWN = 150


@dataclass(frozen=True)
class Line:
    """``by`` is a person or a part of the portal, empty for what a person was told."""

    at: datetime
    what: SafeString | str
    text: str
    by: str = ""
    code: str = ""


def story_of(project: Project) -> list[Line]:
    """The newest first, at most so many of either kind."""
    events = list(Event.objects.filter(project=project).order_by("-seq")[:SHOWN])
    if project.is_private:
        events = [journal.undisclosed(event) for event in events]
    lines = [Line(event.at, "", event.message, code=event.code) for event in events]
    return sorted([*lines, *moves_of(Q(session__project=project))], key=_at, reverse=True)


def moves_of(rows: Q) -> list[Line]:
    """The transitions among ``rows``, the newest first."""
    moves = Transition.objects.filter(rows).select_related("session", "build")
    return [_moved(move) for move in moves.order_by("-pk")[:SHOWN]]


def _moved(move: Transition) -> Line:
    row: Session | Build | None = move.session or move.build
    states: Any = SessionState if move.session_id else BuildState
    text = f"{states(move.before).label} → {states(move.after).label}"
    if move.why:
        text += f": {move.why}"
    number = shown.link(row, f"{row._meta.verbose_name} {row.pk}") if row else ""
    return Line(move.at, number, text, by=move.by)


def _at(line: Line) -> datetime:
    return line.at
