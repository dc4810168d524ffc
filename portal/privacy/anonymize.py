"""Remove a person's name from what stays: records of use, past actions, and the audit.

`erase` calls it. ``alias`` takes the place of the person's names, earlier ones included.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlsplit

from auditlog.models import LogEntry
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry as AdminEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q

from keys.models import Token
from portal.models import UsedName, User
from sessions.models import Build, Event, LogChunk, Project, Removal, Session, Transition
from sessions.models.sources import content_columns

from .delete import delete_portal_sessions

Names = Sequence[str]
"""The name that the person has, and those that they had before."""
PERSONAL = frozenset({"email", "first_name", "last_name", "issuer", "subject", "reason", "name"})
"""Fields whose values the audit keeps; nobody may read the old values any more."""
NAME_FIELDS = frozenset({"username", "user"})
EMPTY = frozenset({"None", ""})


def anonymize_person(person: User, alias: str) -> None:
    """Anonymize all records of the person.

    May be repeated, and continues after an interruption.
    """
    names = (person.username, *UsedName.objects.former_names(person))
    parts = (
        _audit,
        _admin_history,
        _transitions_and_events,
        _removals,
        _projects,
        _private_builds,
        _attempts,
    )
    for part in parts:
        with transaction.atomic():
            part(person, names, alias)
    delete_portal_sessions(person)


def _audit(person: User, names: Names, alias: str) -> None:
    """Rewrite audit entries about the person, their limits, their grants and their tokens."""
    own = Q(content_type=ContentType.objects.get_for_model(User), object_id=person.pk)
    entries = LogEntry.objects.filter(own | Q(additional_data__user=person.pk))
    for entry in entries.select_related("content_type").iterator():
        is_own = entry.content_type.model_class() in {User, Token}  # named after the person
        text = alias if is_own else _replace_names(entry.object_repr, names, alias)
        entry.object_repr, entry.changes = (
            text,
            _without_personal_values(entry.changes or {}, alias),
        )
        entry.save(update_fields=["object_repr", "changes"])
    LogEntry.objects.filter(actor=person).update(actor_email=None)


def _without_personal_values(changes: dict[str, Any], alias: str) -> dict[str, Any]:
    """Return the changes without personal values; the person's names become ``alias``."""
    kept = {field: change for field, change in changes.items() if field not in PERSONAL}
    for field in NAME_FIELDS & kept.keys():
        kept[field] = [value if value in EMPTY else alias for value in kept[field]]
    return kept


def _admin_history(person: User, names: Names, alias: str) -> None:
    """Rename them in Django's own history of actions in the admin."""
    own = Q(content_type=ContentType.objects.get_for_model(User), object_id=str(person.pk))
    AdminEntry.objects.filter(own).update(object_repr=alias)
    named = AdminEntry.objects.filter(_any("object_repr__contains", names))
    for row in named.filter(content_type__app_label__in=["quotas", "keys"]).iterator():
        text = _replace_names(row.object_repr, names, alias)
        AdminEntry.objects.filter(pk=row.pk).update(object_repr=text)


def _transitions_and_events(person: User, names: Names, alias: str) -> None:
    """Rename them in transitions and events: their own and, for staff, those of other people."""
    said = [f"by {name}" for name in names]
    for move in Transition.objects.filter(_any("why__contains", said)).iterator():
        why = _replace_in_sentence(move.why, names, alias)
        by = alias if move.by in names and why != move.why else move.by
        Transition.objects.filter(pk=move.pk).update(why=why, by=by)
    for event in Event.objects.filter(_any("message__contains", said)).iterator():
        message = _replace_in_sentence(event.message, names, alias)
        Event.objects.filter(pk=event.pk).update(message=message)


def _removals(person: User, _names: Names, alias: str) -> None:
    """Rename removals of their things, found by names that the next parts delete."""
    theirs = Project.objects.filter(owner=person).values_list("name", flat=True)
    images = Build.objects.filter(owner=person).values_list("image", flat=True)
    Removal.objects.filter(name__in=[*theirs, *images]).exclude(name="").update(name=alias)


def _projects(person: User, names: Names, alias: str) -> None:
    """Delete their projects' events, and keep only what use is counted by."""
    theirs = Project.objects.filter(owner=person)
    Event.objects.filter(project__in=theirs).delete()
    Session.objects.filter(project__in=theirs).update(message="", safe_mode="", address="")
    for project in theirs.iterator():
        where: dict[str, Any] = {
            "name": f"{alias}-{project.pk}",
            "path": "",
            "tail": "",
            "urlpath": "",
        }
        where |= {"files_volume": ""}  # nothing is stored there any more
        where |= content_columns(None)
        if project.is_private or _mentions(project.repository, names):
            where |= {"repository": alias, "url": "", "ref": "", "commit": ""}
            where |= {"resources": None, "content": ""}
            builds = Session.objects.filter(project=project, build__owner=None)
            builds.update(build=None)  # a shared build, which has the repository's address
        Project.objects.filter(pk=project.pk).update(**where)


def _private_builds(person: User, _names: Names, _alias: str) -> None:
    """Delete the logs of their private builds.

    The image's name stays: `sessions.retention` needs it to remove the image.
    """
    builds = Build.objects.filter(owner=person)
    LogChunk.objects.filter(build__in=builds).delete()
    builds.update(url="", ref="", commit="", message="", resources=None, content="", log_size=0)


def _attempts(person: User, names: Names, _alias: str) -> None:
    """Delete attempts to sign in under their names."""
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        model._default_manager.filter(username__in=names).delete()


def _any(lookup: str, texts: Names) -> Q:
    """Return the condition that one of the texts is found."""
    return reduce(or_, (Q(**{lookup: text}) for text in texts))


def _mentions(repository: str, names: Names) -> bool:
    """Return whether the address of a public repository contains the person's name."""
    parts = re.split(r"[/:@~]", urlsplit(repository).path or repository)
    there = {part.lower().removesuffix(".git") for part in parts}
    return not there.isdisjoint(name.lower() for name in names)


def _replace_names(text: str, names: Names, alias: str) -> str:
    """Return ``text`` with each name replaced where it stands alone."""
    return re.sub(rf"(?<![\w.@+-])(?:{_alternation(names)})(?![\w@+-])", alias, text)


def _replace_in_sentence(sentence: str, names: Names, alias: str) -> str:
    """Rename the person in a sentence of `lifecycle`, such as “Launched by ada; …”."""
    return re.sub(rf"\bby (?:{_alternation(names)})(?=[.;])", f"by {alias}", sentence)


def _alternation(names: Names) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
