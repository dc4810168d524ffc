"""Limits as they are set, grants of higher limits until a day, and requests for them.

Limits are those of the site, a group or a person; an empty field inherits. Grants come with the
bounds within which support may give them. A request says what a person wants, why and until when,
and holds staff's answer.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.lib.db import Param
from portal.models import User
from quotas.fields import CHOICES, FIELDS, LimitField
from quotas.profiles import Profile

__all__ = ["Grant", "LimitRequest", "LimitSet", "LimitValues", "Profile", "SupportBounds"]

MAX_VALUE = 1_000_000


def _column(name: str) -> models.Field[Any, Any]:
    field: LimitField = FIELDS[name]
    kind = models.PositiveIntegerField if field.whole else models.FloatField
    return kind(
        field.label,
        null=True,
        blank=True,
        help_text=field.help,
        validators=[MinValueValidator(field.min_value), MaxValueValidator(MAX_VALUE)],
    )


class LimitValues(models.Model):
    """One figure for each of `quotas.limits.FIELDS`, or none."""

    projects = _column("projects")
    running = _column("running")
    cpu_request = _column("cpu_request")
    cpu_limit = _column("cpu_limit")
    memory_request_gb = _column("memory_request_gb")
    memory_limit_gb = _column("memory_limit_gb")
    max_cpu = _column("max_cpu")
    max_memory_gb = _column("max_memory_gb")
    max_gpu = _column("max_gpu")
    total_cpu = _column("total_cpu")
    total_memory_gb = _column("total_memory_gb")
    total_gpu = _column("total_gpu")
    idle_days = _column("idle_days")
    volume_gb = _column("volume_gb")
    builds = _column("builds")

    class Meta:
        abstract = True

    def values(self) -> dict[str, float]:
        """Return the figures that are set, by field name."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}


class LimitSetQuerySet(models.QuerySet["LimitSet"]):
    """Sets of limits, with filters by owner."""

    def concerning(self, **whose: Any) -> LimitSetQuerySet:
        """Return the sets of the site, of all groups (there are few), and of the chosen people.

        ``whose`` are lookups of those people.
        """
        return self.filter(models.Q(user=None) | models.Q(**whose))


class LimitSet(LimitValues):
    """The limits set for a person (``user``), a group (``group``), or with neither for the site."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="limit_set"
    )
    group = models.OneToOneField(
        Group, models.CASCADE, null=True, blank=True, related_name="limit_set"
    )

    objects = LimitSetQuerySet.as_manager()

    class Meta:
        verbose_name = _("limits")
        verbose_name_plural = _("limits of the site")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) | models.Q(group__isnull=True),
                name="limits_of_a_person_or_a_group",
            ),
            models.UniqueConstraint(
                Coalesce("user_id", models.Value(0)),
                Coalesce("group_id", models.Value(0)),
                name="one_set_of_limits_for_each",
            ),
        ]

    def __str__(self) -> str:
        if self.user:
            return str(_("Limits of %(name)s") % {"name": self.user.username})
        if self.group:
            return str(_("Limits of the group %(name)s") % {"name": self.group.name})
        return str(_("Limits of the site"))

    @property
    def is_of_site(self) -> bool:
        """Return whether these are the site's own limits."""
        return self.user_id is None and self.group_id is None

    def get_additional_data(self) -> dict[str, Any]:
        """Return the ids of the person and the group whose history the audit's entry is."""
        return {"user": self.user_id, "group": self.group_id}


class SupportBounds(LimitValues):
    """The bounds of support, in a single row.

    Support grants nothing of a limit whose figure is empty. ``days`` is the longest grant.
    """

    days = models.PositiveSmallIntegerField(_("days that a grant may last"), default=90)

    class Meta:
        verbose_name = _("bounds of support")
        verbose_name_plural = _("bounds of support")

    def __str__(self) -> str:
        return str(_("Bounds of support"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)


class GrantQuerySet(models.QuerySet["Grant"]):
    """Grants, with a filter for those in force."""

    def active(self, today: date | Param | None = None) -> GrantQuerySet:
        """Return the grants in force today; a grant ends by itself when its last day is over."""
        return self.filter(until__gte=today or timezone.localdate())


class Grant(models.Model):
    """A higher limit for a person, for a time.

    ``limit`` (a name of `quotas.limits.FIELDS`) is at least ``value`` for this person, to the end
    of the day ``until`` in the portal's time zone. It never lowers anything.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    limit = models.CharField(_("limit"), max_length=32, choices=CHOICES)
    value = models.FloatField(
        _("value"), validators=[MinValueValidator(0), MaxValueValidator(MAX_VALUE)]
    )
    until = models.DateField(_("until"), help_text=_("The last day on which it applies."))
    reason = models.CharField(_("reason"), max_length=500)
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = GrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        permissions = [("exceed_bounds", _("Can grant beyond the bounds of support"))]
        indexes = [models.Index(fields=["user", "until"], name="grants_of_user")]

    def __str__(self) -> str:
        return f"{FIELDS[self.limit]}: {self.value:g}"

    def get_additional_data(self) -> dict[str, Any]:
        """Return the id of the person whose history the audit's entry is."""
        return {"user": self.user_id}


class LimitRequestQuerySet(models.QuerySet["LimitRequest"]):
    """Requests, with filters for open and unseen ones."""

    def open(self) -> LimitRequestQuerySet:
        """Return the requests that nobody has answered or withdrawn."""
        return self.filter(state=LimitRequest.State.OPEN)

    def unseen_answers_for(self, user: User) -> LimitRequestQuerySet:
        """Return the answered requests that this person has not seen yet."""
        answered = self.filter(user=user, seen__isnull=True, answered_at__isnull=False)
        return answered.order_by("answered_at")


class LimitRequest(models.Model):
    """A person's request for more of a limit.

    It is open until staff grant it (perhaps with other figures: see ``grant``) or decline it, or
    the person takes it back. ``seen`` is when the person saw the answer.
    """

    class State(models.TextChoices):
        """States of a request."""

        OPEN = "open", _("open")
        GRANTED = "granted", _("granted")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="limit_requests"
    )
    limit = models.CharField(_("limit"), max_length=32, choices=CHOICES)
    value = models.FloatField(
        _("how much"), validators=[MinValueValidator(0), MaxValueValidator(MAX_VALUE)]
    )
    until = models.DateField(_("until"))
    why = models.TextField(_("why"), max_length=2000)
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.OPEN, editable=False
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    answer = models.TextField(_("answer"), max_length=2000, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    answered_at = models.DateTimeField(_("answered"), null=True, editable=False)
    grant = models.OneToOneField(Grant, models.SET_NULL, null=True, editable=False)
    seen = models.DateTimeField(null=True, editable=False)

    objects = LimitRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("limit request")
        verbose_name_plural = _("limit requests")
        permissions = [("answer_limitrequest", _("Can answer limit requests"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["open", "granted", "declined", "withdrawn"]),
                name="limit_request_state_is_known",
            ),
            models.UniqueConstraint(
                fields=["user", "limit"],
                condition=models.Q(state="open"),
                name="one_open_request_for_a_limit",
            ),
        ]

    def __str__(self) -> str:
        return f"{FIELDS[self.limit]}: {self.value:g}"
