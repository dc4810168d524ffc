"""Erase people: their access ends at once, their data is deleted, records of their use stay.

Staff call `erase`, which waits for nothing: nobody can sign in as this person any more, and their
notebooks stop. `finish` does the rest once nothing of theirs runs; `sessions.watch.reconcile` calls
it each minute. Both may be repeated and interrupted at any point: the name goes last, and as long
as a person still has it, there is something left to do. `delete` and `anonymize` say what goes
from where. The portal never deletes files in a volume: the `Erasure` names the volume to remove.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.db import transaction

from portal import roles
from portal.accounts import manage
from portal.models import Erasure, UsedName, User
from portal.models.erasure import ALIAS, digest, is_alias
from sessions import lifecycle, retention
from sessions.backends import get_backend
from sessions.errors import TemporaryError
from sessions.lifecycle import files
from sessions.models import Build, Project, Session
from sessions.states import BUILD_ACTIVE

from . import anonymize, delete

PERMISSIONS = (
    "portal.erase_user",
    "notebook_sessions.view_project",
    "notebook_sessions.act_on_project",
)
"""Permissions to erase somebody; that includes deleting their projects."""

log = logging.getLogger(__name__)


def is_erased_name(username: str) -> bool:
    """Return whether this name belonged to an erased person: nobody else ever gets it."""
    return Erasure.objects.is_reserved(username)


def may_erase(by: User, person: User) -> bool:
    """Return whether ``by`` may erase this person: not themselves, and nobody who may do more."""
    allowed = by.is_staff and by.has_perms(PERMISSIONS) and by.pk != person.pk
    return allowed and not is_alias(person.username) and roles.may_change(by, person)


def erase(person: User, by: User) -> Erasure:
    """End the person's access at once, and begin to erase them.

    Raises `PermissionDenied` if ``by`` may not.
    """
    if not may_erase(by, person):
        raise PermissionDenied
    with transaction.atomic():
        row = Erasure.objects.filter(person=person).first() or _get_or_create_erasure(person, by)
        manage.revoke_access(person)
    _delete_everything(person, by)
    return row


def _get_or_create_erasure(person: User, by: User) -> Erasure:
    known = {"volume": f"{files.volume_of(person)}-nfs-pvc", "by": by, "person": person}
    row, _made = Erasure.objects.get_or_create(username=digest(person.username), defaults=known)
    return row


def is_being_erased(person: User) -> bool:
    """Return whether this person is being erased, whatever their name is meanwhile."""
    return Erasure.objects.filter(person=person).exists() or is_erased_name(person.username)


def people_being_erased() -> list[User]:
    """Return the people who are being erased: their notebooks may still write to their volumes.

    Older rows identify the person only by the digest of the name.
    """
    erased = set(Erasure.objects.filter(removed=None).values_list("username", flat=True))
    names = User.objects.values_list("pk", "username").iterator() if erased else ()
    found = {pk for pk, name in names if digest(name) in erased}
    found.update(Erasure.objects.exclude(person=None).values_list("person", flat=True))
    return list(User.objects.filter(pk__in=found))


def finish() -> None:
    """Finish erasing each person of whom nothing runs any more.

    If a back end is away, they wait for the next call.
    """
    for person in people_being_erased():
        if person.is_active:  # somebody enabled them again
            manage.revoke_access(person)
        _delete_everything(person, person)
        if _is_busy(person):
            continue
        try:
            get_backend().forget_identity(files.volume_of(person))
        except TemporaryError as error:
            log.warning("person %d is not erased yet: %s", person.pk, error)
            continue
        _anonymize(person)


def unfinished_erasures(rows: Iterable[Erasure]) -> set[int]:
    """Return the keys of ``rows`` that are not finished: their volumes are in use."""
    names = {digest(person.username) for person in people_being_erased()}
    unfinished = set(Erasure.objects.exclude(person=None).values_list("pk", flat=True))
    return {row.pk for row in rows if row.pk in unfinished or row.username in names}


def _delete_everything(person: User, by: User) -> None:
    delete.delete_personal_data(person)
    mine = Project.objects.kept().filter(owner=person)
    for project in mine.select_related("owner", "current__build"):
        lifecycle.delete(project, by, for_good=True)


def _is_busy(person: User) -> bool:
    running = Session.objects.live().filter(project__owner=person)
    building = Build.objects.filter(owner=person, state__in=BUILD_ACTIVE)
    mine = Project.objects.filter(owner=person)
    kept = mine.kept().exists() or mine.pending_removal().exists()
    return kept or running.exists() or building.exists()


def _anonymize(person: User) -> None:
    """Remove the name last: until then, all of this is repeated."""
    alias = ALIAS.format(person.pk)
    anonymize.anonymize_person(person, alias)
    delete.delete_personal_data(person)
    with transaction.atomic():  # without an entry in the audit, see `anonymize`
        UsedName.objects.forget(person)
        User.objects.filter(pk=person.pk).update(username=alias, volume="")
        Erasure.objects.filter(person=person).update(person=None)
    retention.run_soon()  # removes their private images now
    log.info("%s: finished erasing this person", alias)
