"""Removing an image that is to go, once nobody can be given it any more.

It is given to nobody (``dropped``) before it is removed, under the lock that a launch takes as
well: so a launch gets the image or has it built again, and never half of one. A removal that was
interrupted is done again, until ``size`` says that nothing is left. `images` says which go.
"""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from portal.models.erasure import is_alias
from sessions.backends import get_backend
from sessions.errors import NotAllowed
from sessions.installation import belonging
from sessions.installation.decision import is_too_much
from sessions.models import Build, Condition, Removal, Removed
from sessions.retention.sweeping import Patience
from sessions.states import BuildState

PART = "images"
"""Its `Condition` says whether images can be removed at all."""


def drop(build: Build, why: str) -> bool:
    """Remove the image of a build unless it is in use; whether it was removed."""
    with transaction.atomic():
        rows = Build.objects.kept().filter(pk=build.pk, used=build.used)
        if rows.select_for_update().first() is None:
            return False
        if not rows.unused().update(dropped=True):  # who has it is looked at under the lock
            return False
    return _remove(build, why)


def finish(patience: Patience) -> None:
    """Remove what was dropped and not removed, or was found to be gone."""
    begun = Build.objects.filter(state=BuildState.BUILT, dropped=True).exclude(size=0)
    for build in list(begun.select_related("owner").order_by("pk")):
        if patience.is_over:
            return
        _remove(build, _("It was given up before, or was not there any more."))


def remove_unknown(patience: Patience) -> None:
    """Remove what the back end alone can be the owner of, and no build's row tells of.

    Nothing is set aside: an environment is made again from its repository, and what a person
    changed is in their project's own copy. One that a notebook has stays until that has ended.
    """
    backend = get_backend()
    names = {image.name: image.size for image in backend.images()}
    known = set(Build.objects.filter(image__in=list(names)).values_list("image", flat=True))
    unknown = sorted(names.keys() - known)
    if is_too_much(len(unknown), len(names)) or not belonging.are_one():
        return
    for name in unknown:
        if patience.is_over:
            return
        backend.remove_image(name)
        why = _("No build is known that it belongs to.")
        Removal.objects.create(kind=Removed.LEFTOVER, name=name, size=names[name], why=why)


def _remove(build: Build, why: str) -> bool:
    try:
        get_backend().remove_image(build.image)
    except NotAllowed as refusal:  # it is there, and as good as before
        Build.objects.filter(pk=build.pk).update(dropped=False)
        Condition.objects.note(PART, refusal.code)
        raise
    erased = build.owner.username if build.owner and is_alias(build.owner.username) else ""
    image = "" if erased else build.image  # which has the repository's name in it
    if not Build.objects.filter(pk=build.pk).exclude(size=0).update(size=0, image=image):
        return False
    name = erased or build.image
    Removal.objects.create(kind=Removed.IMAGE, name=name, size=build.size, why=why)
    Condition.objects.note(PART, "")
    return True
