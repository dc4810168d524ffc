"""Signs of life of processes that nobody can ask directly."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Case, F, Value, When
from django.utils import timezone

WATCH_BREAK = timedelta(seconds=30)
"""Without a sign of life for so long, watch is taken for dead."""


class Sign(models.TextChoices):
    """Whose signs of life these are."""

    WATCH = "watch"
    ACTIVITY = "activity"
    """Notebooks are asked what they do."""
    CULLING = "culling"
    """People can see when their notebooks go, and use would be noted."""
    RETENTION = "retention"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def beat(self, name: str, *, within: timedelta) -> None:
        """``name`` is alive now, and has been without a break unless its last sign of life is
        older than ``within`` or lies in the future."""
        now = timezone.now()
        unbroken = When(at__gt=now - within, at__lte=now, then=F("since"))
        changes = {"at": now, "since": Case(unbroken, default=Value(now))}
        if not self.filter(name=name).update(**changes):
            self.get_or_create(name=name, defaults={"at": now, "since": now})

    def is_alive(self, name: str, *, within: timedelta) -> bool:
        """Whether ``name`` was alive not longer than ``within`` ago. A sign of life from further
        ahead tells nothing: the clock was set back."""
        now = timezone.now()
        return self.filter(name=name, at__gt=now - within, at__lt=now + within).exists()

    def is_watched(self) -> bool:
        """Whether some watch process is at work."""
        return self.is_alive(Sign.WATCH, within=WATCH_BREAK)


class Heartbeat(models.Model):
    """One row for each kind of process or chore, named by `Sign`, and for each identity provider
    (`unbroken.sign_of`): its last sign of life, and since when there has been no break in them."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()
    since = models.DateTimeField(default=timezone.now)

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
