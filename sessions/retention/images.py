"""Images that go: of people who were erased, by age, by size, and all unused ones while the disk is
nearly full.

`dropping` removes them, unless somebody has one.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Sum
from django.utils.translation import gettext as _

from portal.models.erasure import ALIAS
from sessions import capacity, space
from sessions.backends import get_backend
from sessions.installation import belonging
from sessions.models import Build
from sessions.models.build import BuildQuerySet
from sessions.retention.dropping import drop, finish, remove_unknown
from sessions.retention.sweeping import Patience, before


def tidy(patience: Patience) -> None:
    """All that is to go, as far as there is time. Raises `TemporaryError` where the back end is
    away, and `NotAllowed` where it keeps what it has."""
    if not belonging.is_usable():
        return
    finish(patience)
    for build, why in _due():
        if patience.is_over:
            return
        drop(build, why)
    remove_unknown(patience)


def relieve(patience: Patience) -> None:
    """Drop unused images, least recently used first, until the disk has room again.

    Only where the disk is measured: elsewhere nobody could tell that it is enough.
    """
    if not belonging.is_usable():
        return
    why = _("The disk was nearly full, and nobody used it.")
    for build in _least_used(Build.objects.all()):
        there_is = capacity.known()
        measured = there_is is not None and there_is.disk_gb is not None
        if patience.is_over or not measured or not space.is_short(there_is):
            return
        if drop(build, why):
            capacity.look()


def weigh(patience: Patience) -> None:
    """Find out how large the newest images are."""
    unknown = Build.objects.kept().filter(size=None).order_by("-pk")
    for pk, image in list(unknown.values_list("pk", "image")[:100]):
        if patience.is_over:
            return
        Build.objects.filter(pk=pk, dropped=False).update(size=get_backend().image_size(image))


def _due() -> Iterator[tuple[Build, str]]:
    """The images that are to go, each with the reason."""
    erased = ALIAS.format("[0-9]+")
    theirs = Build.objects.filter(owner__username__regex=f"^{erased}$")
    yield from ((build, _("Its owner was erased.")) for build in _least_used(theirs))
    days = settings.PORTAL_KEEP_IMAGE_DAYS
    if moment := before(days):
        why = _("Nobody had used it for %(days)d days.") % {"days": days}
        yield from ((build, why) for build in _least_used(Build.objects.filter(used__lt=moment)))
    yield from _too_many()


def _too_many() -> Iterator[tuple[Build, str]]:
    """Those without which the others are within the bound."""
    most = settings.PORTAL_KEEP_IMAGES_GB
    why = _("All images together took more than %(gb)d GB, and nobody used it.") % {"gb": most}
    there = Build.objects.kept().aggregate(there=Sum("size", default=0))["there"]
    for build in _least_used(Build.objects.filter(size__gt=0)) if most else ():
        if there <= most * 10**9:
            return
        there -= build.size or 0
        yield build, why


def _least_used(rows: BuildQuerySet) -> list[Build]:
    unused = rows.kept().unused().order_by("used", "pk")
    return list(unused.select_related("owner"))
