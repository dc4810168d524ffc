"""Models that record what happened: transitions, events, log chunks, removals, things set aside.

Transitions, events and log chunks are only ever added. A transition says who moved what, and why. A
progress page replays events and log chunks; `sessions.progress.journal` writes and reads them.

Removals say what the portal has removed on its own, so that staff can see it. Whatever no row knew
was set aside; it is removed when the time that staff have set is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.lib.text import storable, storable_fields
from portal.models import Installation
from portal.models.installation import KEEP_DAYS
from sessions.states import Phase

_Row = TypeVar("_Row", bound=models.Model)


class AdvancingQuerySet(models.QuerySet[_Row]):
    """Queries on rows with a state: `advance` alone writes it, and records each transition.

    ``transitions`` has the states that may follow each state; ``stamp`` names the field that gets
    the time of each change, if there is one.
    """

    transitions: ClassVar[Mapping[str, frozenset[str]]]
    stamp: ClassVar[str] = ""

    def advance(self, pk: int, to: str, *, by: str, why: str = "", **fields: Any) -> bool:
        """Move row ``pk`` to ``to`` if that is allowed from its state; return whether it moved.

        Exactly one of several who try at once wins. One conditional UPDATE checks the state before
        and writes the new one and ``fields``, so the record of the transition, made in the same
        transaction, names the true state before.
        """
        fields, why = storable_fields(self.model, fields), storable(why, 500)
        if self.stamp:
            fields[self.stamp] = timezone.now()
        row = f"{self.model._meta.model_name}_id"
        for before in (state for state, following in self.transitions.items() if to in following):
            with transaction.atomic():
                if self.filter(pk=pk, state=before).update(state=to, **fields):
                    change = {"before": before, "after": to, "by": storable(by, 150), "why": why}
                    Transition.objects.create(**{row: pk}, **change)
                    return True
        return False


class Transition(models.Model):
    """One move of a build or a session from one state to another."""

    build = models.ForeignKey(
        "notebook_sessions.Build", models.CASCADE, null=True, related_name="transitions"
    )
    session = models.ForeignKey(
        "notebook_sessions.Session", models.CASCADE, null=True, related_name="transitions"
    )
    before = models.CharField(_("from"), max_length=16)
    after = models.CharField(_("to"), max_length=16)
    by = models.CharField(_("by"), max_length=150)
    why = models.CharField(_("why"), max_length=500, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(build__isnull=False) ^ models.Q(session__isnull=False),
                name="transition_of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


class Event(models.Model):
    """Something that a person is told about a project: its event number ``seq``.

    ``build`` and ``upto`` put the build's log in its place: the first ``upto`` chunks of that build
    come before this event.
    """

    project = models.ForeignKey("notebook_sessions.Project", models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    session = models.ForeignKey(
        "notebook_sessions.Session", models.CASCADE, null=True, related_name="events"
    )
    build = models.ForeignKey(
        "notebook_sessions.Build", models.PROTECT, null=True, related_name="+"
    )
    upto = models.PositiveIntegerField(default=0)
    phase = models.CharField(_("phase"), max_length=16, choices=Phase.choices)
    message = models.TextField(_("message"))
    code = models.CharField(_("error code"), max_length=64, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["project", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["project", "seq"], name="events_are_numbered")
        ]

    def __str__(self) -> str:
        return f"{self.phase}: {self.message}"


class LogChunk(models.Model):
    """Some whole lines of a build's output: its chunk number ``seq``."""

    build = models.ForeignKey("notebook_sessions.Build", models.CASCADE, related_name="log")
    seq = models.PositiveIntegerField()
    phase = models.CharField(_("phase"), max_length=16, choices=Phase.choices)
    text = models.TextField(_("text"))
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("log chunk")
        verbose_name_plural = _("log chunks")
        ordering = ["build", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["build", "seq"], name="log_chunks_are_numbered")
        ]

    def __str__(self) -> str:
        return f"{self.build_id}/{self.seq}"


class RemovalKind(models.TextChoices):
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

    kind = models.CharField(_("kind"), max_length=16, choices=RemovalKind.choices)
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

    def expired(self) -> SetAsideQuerySet:
        """Return the things whose time is over."""
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
        """Return when it is removed, by the present setting."""
        return self.since + keep_time()


def keep_time() -> timedelta:
    """Return how long things set aside are kept, as staff have set it."""
    days = Installation.objects.values_list("keep_days", flat=True).first()
    return timedelta(days=KEEP_DAYS if days is None else days)
