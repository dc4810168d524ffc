"""Remove images: of erased people, by age, by size, and unused ones while the disk is nearly full.

The least recently used go first. An image is marked ``dropped``, so that no launch gets it, before
it is removed; this happens under the lock that a launch takes as well. So a launch gets the image
or has it built again, and never half of one. A removal that was interrupted is repeated until
``size`` says that nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from portal.models.erasure import ALIAS, is_alias
from sessions import capacity
from sessions.backends import get_backend
from sessions.errors import NotAllowed
from sessions.installation import ownership
from sessions.installation.known import has_too_many_unknown
from sessions.models import Build, Condition, Removal, RemovalKind
from sessions.models.build import BuildQuerySet
from sessions.retention.rows import cutoff
from sessions.states import BuildState

from .rows import Deadline

PART = "images"
"""The name of the `Condition` that says whether images can be removed at all."""


def drop(build: Build, why: str) -> bool:
    """Remove the image of a build unless it is in use; return whether it was removed."""
    with transaction.atomic():
        rows = Build.objects.with_image().filter(pk=build.pk, used=build.used)
        if rows.select_for_update(no_key=True).first() is None:
            return False
        if not rows.unused().update(dropped=True):  # usage is checked under the lock
            return False
    return _remove(build, why)


def finish_removals(deadline: Deadline) -> None:
    """Remove images that were dropped but not removed, or that were found to be gone."""
    begun = Build.objects.filter(state=BuildState.BUILT, dropped=True).exclude(size=0)
    for build in list(begun.select_related("owner").order_by("pk")):
        if deadline.is_over:
            return
        _remove(build, _("It had been dropped before, or was already gone."))


def remove_unknown(deadline: Deadline) -> None:
    """Remove images that only this back end can own and that no build's row names.

    Nothing is set aside: an environment can be built again from its repository, and a person's
    changes are in their project's own copy. An image that a notebook uses stays until that has
    ended.
    """
    backend = get_backend()
    names = {image.name: image.size for image in backend.images()}
    known = set(Build.objects.filter(image__in=list(names)).values_list("image", flat=True))
    unknown = sorted(names.keys() - known)
    if has_too_many_unknown(len(unknown), len(names)) or not ownership.ids_match():
        return
    for name in unknown:
        if deadline.is_over:
            return
        backend.remove_image(name)
        why = _("It belonged to no known build.")
        Removal.objects.create(kind=RemovalKind.LEFTOVER, name=name, size=names[name], why=why)


def _remove(build: Build, why: str) -> bool:
    try:
        get_backend().remove_image(build.image)
    except NotAllowed as refusal:  # the image still exists and is usable
        Build.objects.filter(pk=build.pk).update(dropped=False)
        Condition.objects.record(PART, refusal.code)
        raise
    erased = build.owner.username if build.owner and is_alias(build.owner.username) else ""
    image = "" if erased else build.image  # the name includes the repository's
    if not Build.objects.filter(pk=build.pk).exclude(size=0).update(size=0, image=image):
        return False
    name = erased or build.image
    Removal.objects.create(kind=RemovalKind.IMAGE, name=name, size=build.size, why=why)
    Condition.objects.record(PART, "")
    return True


def tidy(deadline: Deadline) -> None:
    """Remove all images that are due, as far as there is time.

    Raises `TemporaryError` if the back end is away, `NotAllowed` if the portal may not remove
    images.
    """
    if not ownership.is_usable():
        return
    finish_removals(deadline)
    for build, why in _due():
        if deadline.is_over:
            return
        drop(build, why)
    remove_unknown(deadline)


def free_disk_space(deadline: Deadline) -> None:
    """Drop unused images, least recently used first, until the disk has room again.

    Do so only where the disk is measured: elsewhere nobody could tell when it is enough.
    """
    if not ownership.is_usable():
        return
    why = _("The disk was nearly full, and nobody was using it.")
    for build in _least_used(Build.objects.all()):
        current = capacity.latest()
        measured = current is not None and current.disk_gb is not None
        if deadline.is_over or not measured or not capacity.is_disk_nearly_full(current):
            return
        if drop(build, why):
            capacity.refresh()


def measure(deadline: Deadline) -> None:
    """Store the sizes of the newest images."""
    unknown = Build.objects.with_image().filter(size=None).order_by("-pk")
    for pk, image in list(unknown.values_list("pk", "image")[:100]):
        if deadline.is_over:
            return
        Build.objects.filter(pk=pk, dropped=False).update(size=get_backend().image_size(image))


def _due() -> Iterator[tuple[Build, str]]:
    """Yield the images that are due, each with the reason."""
    erased = ALIAS.format("[0-9]+")
    theirs = Build.objects.filter(owner__username__regex=f"^{erased}$")
    yield from ((build, _("Its owner was erased.")) for build in _least_used(theirs))
    days = settings.PORTAL_KEEP_IMAGE_DAYS
    if moment := cutoff(days):
        why = _("Nobody had used it for %(days)d days.") % {"days": days}
        yield from ((build, why) for build in _least_used(Build.objects.filter(used__lt=moment)))
    yield from _over_limit()


def _over_limit() -> Iterator[tuple[Build, str]]:
    """Yield the images to drop so that the others stay within the limit."""
    max_gb = settings.PORTAL_KEEP_IMAGES_GB
    why = _("All images together took more than %(gb)d GB, and nobody was using it.") % {
        "gb": max_gb
    }
    there = Build.objects.with_image().aggregate(there=Sum("size", default=0))["there"]
    for build in _least_used(Build.objects.filter(size__gt=0)) if max_gb else ():
        if there <= max_gb * 10**9:
            return
        there -= build.size or 0
        yield build, why


def _least_used(rows: BuildQuerySet) -> list[Build]:
    unused = rows.with_image().unused().order_by("used", "pk")
    return list(unused.select_related("owner"))
