"""Models of what the portal has removed on its own, and of what was set aside.

Removals are kept so that staff can see them. Whatever no row knew was set aside; it is removed when
the time that staff have set is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import Installation
from portal.models.installation import KEEP_DAYS


class Removed(models.TextChoices):
    """The kinds of things that the portal removes."""

    PROJECT = "project", _("project")
    SESSION = "session", _("sessions")
    EVENT = "event", _("events")
    LOG = "log", _("build log")
    IMAGE = "image", _("image")
    LEFTOVER = "leftover", _("left over in the back end")
    RECORD = "record", _("other records")


class Removal(models.Model):
    """Something that the portal has removed on its own.

    ``name`` says what (a project, an image, a repository at a commit), ``count`` how many rows or
    pieces, ``size`` how many bytes (None if nobody knows), and ``why`` gives the reason in a
    sentence.
    """

    kind = models.CharField(_("kind"), max_length=16, choices=Removed.choices)
    name = models.CharField(_("name"), max_length=255, blank=True)
    count = models.PositiveIntegerField(_("number"), default=1)
    size = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    why = models.CharField(_("why"), max_length=500)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("removal")
        verbose_name_plural = _("removals")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["-at"], name="removals_by_time")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}".strip()


class SetAsideQuerySet(models.QuerySet["SetAside"]):
    """Queries on things set aside."""

    def over(self) -> SetAsideQuerySet:
        """Return those whose time is over."""
        return self.filter(since__lte=timezone.now() - keep_time())


class SetAside(models.Model):
    """Something in the back end that had no row and was set aside.

    ``aside`` is what the back end calls it now, ``name`` what it was called before, ``since`` when
    this database first saw it there, ``size`` its bytes if they are known. ``problem`` says why it
    could not be put back.
    """

    class Kind(models.TextChoices):
        """The kinds of things that are set aside."""

        PROJECT = "project", _("project's folder")

    aside = models.CharField(max_length=255, unique=True, editable=False)
    kind = models.CharField(
        _("kind"), max_length=16, choices=Kind.choices, default=Kind.PROJECT, editable=False
    )
    name = models.CharField(_("name"), max_length=255, editable=False)
    size = models.PositiveBigIntegerField(_("bytes"), null=True, editable=False)
    since = models.DateTimeField(_("set aside"), default=timezone.now, editable=False)
    problem = models.CharField(_("problem"), max_length=500, blank=True, editable=False)

    objects = SetAsideQuerySet.as_manager()

    class Meta:
        verbose_name = _("thing set aside")
        verbose_name_plural = _("things set aside")
        ordering = ["since", "pk"]
        permissions = [("act_on_setaside", _("Can put back and remove what was set aside"))]

    def __str__(self) -> str:
        return self.name

    @property
    def until(self) -> datetime:
        """When it is removed, by the present setting."""
        return self.since + keep_time()


def keep_time() -> timedelta:
    """Return how long things set aside are kept, as staff have set it."""
    days = Installation.objects.values_list("keep_days", flat=True).first()
    return timedelta(days=KEEP_DAYS if days is None else days)
