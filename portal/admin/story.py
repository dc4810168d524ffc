"""What a person's page tells beside their row: what runs, what failed, what is theirs, and who
changed what about them. Each part only for those who may see its rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.models import KeyPair, Token
from portal.admin import audit
from portal.models import UsedName, User
from portal.pages.who import who
from sessions.models import Project, Session
from sessions.states import SessionState

WEEK = timedelta(days=7)
MOST = 20


def story_of(person: User, reader: User) -> dict[str, Any]:
    """For ``templates/admin/portal/user/change_form.html``."""
    may = reader.has_perm
    return {
        "identity": who(person),
        "volume": person.volume,
        "former_names": UsedName.objects.former(person),
        "fingerprint": _fingerprint(person) if may("keys.view_token") else None,
        "sign_ins": list(person.sign_ins.order_by("-created")[:MOST]),
        "running": _running(person) if may("notebook_sessions.view_session") else None,
        "failures": _failures(person) if may("notebook_sessions.view_session") else None,
        "projects": _projects(person) if may("notebook_sessions.view_project") else None,
        "tokens": _tokens(person) if may("keys.view_token") else None,
        "history": _history(person) if may("auditlog.view_logentry") else None,
    }


def _running(person: User) -> list[Session]:
    live = Session.objects.live().filter(project__owner=person)
    return list(live.select_related("project", "build").order_by("-pk")[:MOST])


def _failures(person: User) -> list[Session]:
    since = timezone.now() - WEEK
    rows = Session.objects.filter(project__owner=person, state=SessionState.FAILED)
    recent = rows.filter(ended__gte=since)
    return list(recent.select_related("project", "build").order_by("-ended")[:MOST])


def _projects(person: User) -> list[Project]:
    mine = Project.objects.existing().filter(owner=person)
    return list(mine.select_related("current__build").order_by("-last_activity")[:MOST])


def _fingerprint(person: User) -> str:
    """Of the key pair, no more than what tells it from others."""
    pair = KeyPair.objects.filter(user=person)
    return pair.values_list("fingerprint", flat=True).first() or ""


def _tokens(person: User) -> list[Token]:
    return list(Token.objects.filter(user=person).defer("digest").order_by("-pk"))


def _history(person: User) -> list[dict[str, Any]]:
    return [
        {"entry": entry, "who": audit.actor(entry), "changes": audit.changes(entry)}
        for entry in audit.history_of(person)
    ]
