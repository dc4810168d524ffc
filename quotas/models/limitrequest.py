"""Requests for higher limits: what a person wants, why and until when, and staff's answer."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User
from quotas.fields import CHOICES, FIELDS
from quotas.models.grant import Grant
from quotas.models.limitset import MOST


class LimitRequestQuerySet(models.QuerySet["LimitRequest"]):
    """Requests, with filters for open and unseen ones."""

    def open(self) -> LimitRequestQuerySet:
        """Return the requests that nobody has answered or taken back."""
        return self.filter(state=LimitRequest.State.OPEN)

    def news_for(self, user: User) -> LimitRequestQuerySet:
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
        WITHDRAWN = "withdrawn", _("taken back")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="limit_requests"
    )
    limit = models.CharField(_("limit"), max_length=32, choices=CHOICES)
    value = models.FloatField(
        _("how much"), validators=[MinValueValidator(0), MaxValueValidator(MOST)]
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
        verbose_name = _("request for more")
        verbose_name_plural = _("requests for more")
        permissions = [("answer_limitrequest", _("Can answer requests for more"))]
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
