"""Looking at a portal that was restored and does not run: would people find what they had?"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils.translation import gettext as _

from keys.resealing import unreadable
from portal import staticfolder
from portal.models import User
from portal.sealedcolumns import COLUMNS
from sessions.models import Project

PEOPLE = 20
"""Whose pages are looked at."""
SEALED = 1000


def findings() -> Iterator[str]:
    """Yield a sentence for all that is wrong."""
    staticfolder.refresh()
    yield from sealed()
    yield from _page(Client(), reverse("home"), _("nobody"))
    for person in _people():
        client = Client()
        client.force_login(person)
        names = Project.objects.filter(owner=person).existing().values_list("name", flat=True)
        pages = [reverse("home"), *(reverse("project", args=[name]) for name in names[:3])]
        for page in pages:
            yield from _page(client, page, person.username)


def _people() -> list[User]:
    """Return those with projects, and who may sign in."""
    owners = User.objects.filter(projects__removed__isnull=True, is_active=True).distinct()
    return [person for person in owners.order_by("-pk")[:PEOPLE] if person.may_enter]


def sealed() -> Iterator[str]:
    for column in COLUMNS:
        if lost := unreadable(column, SEALED):
            text = _(
                "%(what)s: %(lost)d cannot be opened with this encryption key. Name the folder "
                "where the keys are kept (--keys)."
            )
            yield text % {"what": column.model._meta.verbose_name_plural, "lost": lost}


def _page(client: Client, address: str, who: str) -> Iterator[str]:
    try:
        status = client.get(address, headers={"host": settings.ALLOWED_HOSTS[-1]}).status_code
    except Exception as error:  # noqa: BLE001  whatever it is, it is what is wrong
        yield _("%(page)s fails for %(who)s: %(why)r") % {
            "page": address, "who": who, "why": error,
        }  # fmt: skip
        return
    if status != 200:
        words = {"page": address, "who": who, "status": status}
        yield _("%(page)s answers %(status)d to %(who)s") % words
