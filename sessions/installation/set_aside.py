"""Look after what was set aside: list it for staff, put it back, remove it when its time is over.

The disk is the truth: whatever an earlier database set aside gets a row within a minute, and its
whole time from then on.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from sessions.backends import get_backend
from sessions.errors import StateConflict
from sessions.models import Project, Removal, RemovalKind, SetAside
from sessions.models.project import ProjectQuerySet

from . import ownership


def sync_rows() -> None:
    """Make the rows match the disk: one for each thing that is there, none for what is gone."""
    there = {aside.id: aside.name for aside in get_backend().set_aside_items()}
    noted = set(SetAside.objects.values_list("aside", flat=True))
    new = [SetAside(aside=each, name=there[each][:255]) for each in sorted(there.keys() - noted)]
    SetAside.objects.bulk_create(new, ignore_conflicts=True)
    if gone := noted - there.keys():
        SetAside.objects.filter(aside__in=gone).delete()


def expired() -> Iterator[int]:
    """Yield the ids of things whose time is over.

    Things that a project asks for again are left to staff.
    """
    nobodys = SetAside.objects.expired().filter(~Exists(_claiming_projects()))
    yield from nobodys.values_list("pk", flat=True)


def reclaimed() -> Iterator[int]:
    """Yield the ids of things that a project asks for again, as after a restore.

    Things that could not be put back once are left out.
    """
    claimed = SetAside.objects.filter(Exists(_claiming_projects()), problem="")
    yield from claimed.values_list("pk", flat=True)


def unmeasured() -> Iterator[int]:
    """Yield the ids of 20 things at most whose size nobody has asked for yet."""
    yield from SetAside.objects.filter(size=None).values_list("pk", flat=True)[:20]


def measure(pk: int) -> None:
    """Store its size."""
    if row := SetAside.objects.filter(pk=pk, size=None).first():
        SetAside.objects.filter(pk=pk).update(size=get_backend().set_aside_size(row.aside))


def remove(pk: int, *, now: bool = False) -> None:
    """Remove it for good if its time is over, or if staff want it gone ``now``."""
    rows = (
        SetAside.objects.all()
        if now
        else SetAside.objects.expired().filter(~Exists(_claiming_projects()))
    )
    row = rows.filter(pk=pk).first()
    if row is None or not ownership.ids_match():
        return
    get_backend().remove_set_aside(row.aside)
    why = _("There was no project of this name, and staff removed it.")
    if not now:
        why = _("There was no project of this name, and its retention period had ended.")
    if SetAside.objects.filter(pk=pk).delete()[0]:
        Removal.objects.create(kind=RemovalKind.LEFTOVER, name=row.name, size=row.size, why=why)


def put_back(pk: int) -> None:
    """Give its folder back to a project whose row exists again; if that fails, store the reason."""
    row = SetAside.objects.filter(pk=pk).first()
    if row is None:
        return
    try:
        require_project(row)
        get_backend().put_back(row.aside)
    except StateConflict as error:
        SetAside.objects.filter(pk=pk).update(problem=error.message[:500])
    else:
        SetAside.objects.filter(pk=pk).delete()


def _claiming_projects() -> ProjectQuerySet:
    """Return, as a subquery, the projects with the name of the thing that was set aside."""
    return Project.objects.kept().filter(name=OuterRef("name"))


def require_project(row: SetAside) -> None:
    """Raise `StateConflict` if there is no project to give it back to."""
    if not Project.objects.filter(name=row.name).exists():
        message = _(
            "There is no project called %(name)s. First restore the database that contains it."
        )
        raise StateConflict("aside.unknown", message % {"name": row.name})
