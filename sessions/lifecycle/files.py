"""Name people's volumes, and track the kept files of their projects.

`User.volume` stores the name of a person's volume, so it does not follow from what they are called:
the folder ``homes/<volume>`` on one machine, the claim ``<volume>-nfs-pvc`` in a cluster. Notebooks
show the volume under the name that its person has now, and under earlier names (`former_labels`).

A project's kept files lie in that volume, so their size counts there. Each start reports what
became of them and how much they take. When a run has ended, the back end is asked for the size
again: `unmeasured` finds where, and `sessions.watch.reconcile` has the worker `measure`.
"""

from __future__ import annotations

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from portal.models import Erasure, UsedName, User
from sessions.backends import FilesReport, get_backend
from sessions.models import Event, Project, Session
from sessions.models.project import ProjectQuerySet
from sessions.names import owner_slug
from sessions.progress import journal
from sessions.providers import pulled_place
from sessions.states import SESSION_LIVE, Phase


def volume_of(person: User) -> str:
    """Return the name of the person's volume; assign one now if they have none yet."""
    if not person.volume:
        known = User.objects.filter(pk=person.pk).values_list("volume", flat=True).first()
        person.volume = known or _assign_volume(person)
    return person.volume


def former_labels(person: User) -> tuple[str, ...]:
    """Return the labels of the person's volume under their earlier names."""
    labels = [owner_slug(name) for name in UsedName.objects.former_names(person)]
    return tuple(label for label in labels if label != owner_slug(person.username))


def _assign_volume(person: User) -> str:
    """Assign the volume the first name that its person had, as older code did without storing it.

    If another volume has that name, add the number of the person's row.
    """
    plain = owner_slug(UsedName.objects.earliest_name(person))
    left = Erasure.objects.filter(volume=f"{plain}-nfs-pvc").exclude(person=person).exists()
    none_yet = User.objects.filter(pk=person.pk, volume="")
    for name in (*(() if left else (plain,)), owner_slug(f"{person.username} {person.pk}")):
        try:
            with transaction.atomic():
                none_yet.update(volume=name)  # unless another process has just named it
            break
        except IntegrityError:
            continue
    return User.objects.values_list("volume", flat=True).get(pk=person.pk)


MAX_MEASURED = 5
"""Projects measured per minute: each may need its own pod."""


def store_volume(project: Project) -> str:
    """Store, before a run, which volume the project's files are going to be in; return its name."""
    volume = volume_of(project.owner)
    if settings.PORTAL_KEEP_HOMES and project.files_volume != volume:
        Project.objects.filter(pk=project.pk).update(files_volume=volume)
    return volume


def record_report(session: Session, report: FilesReport | None) -> None:
    """Record on the project's timeline what became of its files, and store their size."""
    if report is None:
        return
    events = Event.objects.filter(project=session.project_id, message=report.message)
    if report.message and not (report.is_repeated and events.exists()):
        journal.record(session, Phase.LAUNCHING, report.message)
    if report.size is not None:
        _store(session.project_id, report.size)
    project = session.project
    if report.has_content and project.is_content_optional:  # nbgitpuller is missing
        path, urlpath = pulled_place(project.urlpath)
        Project.objects.filter(pk=project.pk).update(path=path, urlpath=urlpath)


def unmeasured() -> ProjectQuerySet:
    """Return projects, not running, whose files may have changed since they were measured."""
    ran = Project.objects.existing().exclude(files_volume="").filter(current__ready__isnull=False)
    stale = Q(files_measured=None) | Q(files_measured__lt=F("current__ended"))
    return ran.exclude(current__state__in=SESSION_LIVE).filter(stale).order_by("current__ended")


def measure(project_id: int) -> None:
    """Have a project's files measured; it is repeated until there is an answer."""
    project = unmeasured().filter(pk=project_id).first()
    if project is None:
        return
    if found := get_backend().measure_project(project.name, project.files_volume):
        _store(project.pk, found.size)


def _store(project_id: int, size: int | None) -> None:
    row = Project.objects.filter(pk=project_id)
    row.update(files_size=size, files_measured=timezone.now())
