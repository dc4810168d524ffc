"""Format rows for the admin: links, states, durations, reasons, and a project's history.

The history merges the messages to the project's owner with the state transitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from portal.models import User
from portal.templatetags.bindery import ago
from sessions.models import Build, Event, Project, Removal, Session, SetAside, Transition
from sessions.progress import journal
from sessions.states import BUILD_ACTIVE, BuildState, ProjectState, SessionState

MAX_REASON_LENGTH = 70
MAX_ENTRIES = 150
# Builds have their own states, each drawn in the shape of the equivalent project state.
_PROJECT_STATE_OF = {
    BuildState.PENDING: ProjectState.WAITING,
    BuildState.BUILDING: ProjectState.BUILDING,
    BuildState.BUILT: ProjectState.READY,
    BuildState.FAILED: ProjectState.FAILED,
    BuildState.CANCELLED: ProjectState.STOPPED,
}


@lru_cache
def badge(state: str, label: str) -> SafeString:
    """Return a state as a word, a shape and a colour, as on the pages.

    It is cached, since long lists have many.
    """
    shape = {"state": state, "label": label, "icon": f"portal/states/{state}.svg"}
    return SafeString(render_to_string("portal/_state.html", shape))


def state_badge(row: Project | Session | Build) -> SafeString:
    """Return the badge of the row's state."""
    if isinstance(row, Project):
        return badge(row.state, str(row.state.label))
    if isinstance(row, Session):
        return badge(row.state, str(SessionState(row.state).label))
    build = BuildState(row.state)
    return badge(_PROJECT_STATE_OF[build], str(build.label))


def link(row: Project | Session | Build | Removal | SetAside | User, text: Any = "") -> SafeString:
    """Return a link to the row's own page in the admin."""
    names = (row._meta.app_label, row._meta.model_name)
    address = reverse("admin:{}_{}_change".format(*names), args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, text or str(row))


def stacked(first: Any, second: Any) -> SafeString:
    """Return two values stacked in one column, so that a list needs fewer columns."""
    return format_html('{}<span class="second-line">{}</span>', first, second) if second else first


def labelled(label: Any, value: Any) -> SafeString | str:
    """Return a value with its column's name, for narrow screens that show a row as a card."""
    return format_html('<span class="narrow-label">{}</span> {}', label, value) if value else ""


def link_to_list(model: str, text: Any, **query: Any) -> SafeString:
    """Return a link to one of our lists, narrowed by ``query``."""
    address = reverse(f"admin:notebook_sessions_{model}_changelist")
    return format_html('<a href="{}?{}">{}</a>', address, urlencode(query), text)


def format_duration(
    begin: datetime | None, end: datetime | None, *, until_now: bool = False
) -> str:
    """Return a duration such as ``0:07``, ``12:30``, ``3:05:00`` or ``2 d 3:05``.

    Return "" without a begin or end; with ``until_now``, a missing end is now.
    """
    end = end or (timezone.now() if until_now else None)
    if begin is None or end is None:
        return ""
    time = max(end - begin, timedelta())
    minutes, seconds = divmod(time.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if time.days:
        return f"{time.days} d {hours}:{minutes:02}"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def reason(row: Session | Build) -> SafeString | str:
    """Return why it ended or what it waits for: the code and a short sentence."""
    if not row.code:
        return ""
    message = row.public_message
    sentence = Truncator(message).chars(MAX_REASON_LENGTH)
    return format_html('<code title="{}">{}</code><br>{}', message, row.code, sentence)


def build_duration(build: Build) -> str:
    """Return how long the build took, or has taken so far."""
    return format_duration(build.started, build.finished, until_now=build.state in BUILD_ACTIVE)


def session_duration(session: Session) -> str:
    """Return how long the session lasted, or has lasted so far."""
    return format_duration(session.created, session.ended, until_now=True)


def sessions_context(row: Project | Build, user: User, limit: int) -> dict[str, Any]:
    """Return the context of ``_sessions.html``: the newest sessions of a project or with a build.

    They are at most ``limit``, and none for a user who may not see sessions.
    """
    related = "project__owner" if isinstance(row, Build) else "build"
    sessions = row.sessions.select_related(related).order_by("-pk")[:limit]
    narrowed = {f"{row._meta.model_name}__id__exact": row.pk}
    may_view = user.has_perm("notebook_sessions.view_session")
    return {
        "sessions": [_session_cells(each, row) for each in sessions] if may_view else (),
        "all_sessions": link_to_list("session", _("All sessions"), **narrowed),
    }


def _session_cells(session: Session, parent: Project | Build) -> list[Any]:
    about: list[Any]
    if isinstance(parent, Build):
        owner = session.project.owner
        about = [link(session.project), link(owner, owner.username)]
    else:
        about = [link(session.build, session.build_id) if session.build else "", session.node]
    return [
        link(session, session.pk),
        state_badge(session),
        *about,
        ago(session.created),
        format_duration(session.created, session.ready),
        session_duration(session),
        reason(session),
    ]


@dataclass(frozen=True)
class TimelineEntry:
    """One line of a history.

    ``by`` is a person or a part of the portal, empty for a message to a person.
    """

    at: datetime
    subject: SafeString | str
    text: str
    by: str = ""
    code: str = ""


def project_timeline(project: Project) -> list[TimelineEntry]:
    """Return the project's history, newest first, at most `MAX_ENTRIES` lines of either kind."""
    events = list(Event.objects.filter(project=project).order_by("-seq")[:MAX_ENTRIES])
    if project.is_confidential:
        events = [journal.redacted(event) for event in events]
    entries = [TimelineEntry(event.at, "", event.message, code=event.code) for event in events]
    return sorted(
        [*entries, *transition_entries(Q(session__project=project))], key=_at, reverse=True
    )


def transition_entries(rows: Q) -> list[TimelineEntry]:
    """Return the transitions among ``rows``, newest first, at most `MAX_ENTRIES`."""
    transitions = Transition.objects.filter(rows).select_related("session", "build")
    return [
        _transition_entry(transition) for transition in transitions.order_by("-pk")[:MAX_ENTRIES]
    ]


def _transition_entry(transition: Transition) -> TimelineEntry:
    row: Session | Build | None = transition.session or transition.build
    states: Any = SessionState if transition.session_id else BuildState
    text = f"{states(transition.before).label} → {states(transition.after).label}"
    if transition.why:
        text += f": {transition.why}"
    number = link(row, f"{row._meta.verbose_name} {row.pk}") if row else ""
    return TimelineEntry(transition.at, number, text, by=transition.by)


def _at(entry: TimelineEntry) -> datetime:
    return entry.at
