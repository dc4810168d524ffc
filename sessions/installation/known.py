"""What of the things found in a place has a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.db.models import QuerySet

from portal.models import Erasure, User
from sessions.backends import Found
from sessions.models import Build, Project, Session
from sessions.names import owner_slug

AT_ONCE = 500


def known(there: Found) -> Found:
    """Return the part of it that has a row: of deleted projects and of erased people, too."""
    return Found(
        projects=frozenset(having(Project.objects.all(), "name", there.projects)),
        volumes=there.volumes & frozenset(_volumes()) if there.volumes else frozenset(),
        sessions=frozenset(having(Session.objects.all(), "pk", there.sessions)),
        builds=frozenset(having(Build.objects.all(), "pk", there.builds)),
    )


def having(rows: QuerySet[Any], field: str, values: Collection[Any]) -> set[Any]:
    """Return those of the values that stand in that column."""
    found: set[Any] = set()
    ordered = sorted(values)
    for place in range(0, len(ordered), AT_ONCE):
        some = ordered[place : place + AT_ONCE]
        found.update(rows.filter(**{f"{field}__in": some}).values_list(field, flat=True))
    return found


def _volumes() -> Iterator[str]:
    """All volumes that the database knows, also of people who were erased."""
    for volume, username in User.objects.values_list("volume", "username").iterator():
        yield volume or owner_slug(username)
    for volume in Erasure.objects.exclude(volume="").values_list("volume", flat=True):
        yield volume.removesuffix("-nfs-pvc")
