"""Rows about the portal's own operation: capacity, conditions, heartbeats, counters.

How much there is to hand out: what the back end said last. `reconcile` writes it.

How the parts of the portal are, and since when: for `health`, for staff, for alerts.

Signs of life of processes that nobody can ask directly.

What has happened since the portal was installed, counted: for metrics.

Counted in the database, because the counts of many processes that come and go add up to nothing.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Case, F, Value, When
from django.utils import timezone


class Capacity(models.Model):
    """One row: CPUs, memory in GB (10⁹ bytes) and GPUs of all machines together; ``disk_gb`` and
    ``disk_free_gb`` of where environments and people's files are kept. None for what the back
    end may not look at."""

    at = models.DateTimeField()
    cpu = models.FloatField(null=True)
    memory_gb = models.FloatField(null=True)
    gpu = models.PositiveIntegerField(null=True)
    disk_gb = models.FloatField(null=True)
    disk_free_gb = models.FloatField(null=True)

    def __str__(self) -> str:
        return f"{self.cpu} CPU, {self.memory_gb} GB, {self.gpu} GPU"


SIGN_IN = "sign-in"
"""The `Condition` of the identity providers, which `portal.accounts.oidc.refreshing` notes."""


class ConditionQuerySet(models.QuerySet["Condition"]):
    def note(self, part: str, problem: str) -> None:
        """The part has this problem now, or none (""). ``since`` moves when that changes."""
        row, is_new = self.get_or_create(part=part, defaults={"problem": problem[:255]})
        if not is_new and row.problem != problem[:255]:
            same = self.filter(part=part, problem=row.problem)
            same.update(problem=problem[:255], since=timezone.now())


class Condition(models.Model):
    """``problem`` is what is wrong with the part, in a few words for programs; "" when it works."""

    part = models.CharField(max_length=32, primary_key=True)
    problem = models.CharField(max_length=255, blank=True)
    since = models.DateTimeField(default=timezone.now)

    objects = ConditionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.part}: {self.problem or 'ok'}"


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


class Tally(models.Model):
    """``value`` of one metric for one set of labels, as text (``state="ready"``); only grows."""

    metric = models.CharField(max_length=64)
    labels = models.CharField(max_length=255, blank=True)
    value = models.FloatField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(fields=["metric", "labels"], name="one_tally_for_its_labels")
        ]

    def __str__(self) -> str:
        return f"{self.metric}{{{self.labels}}} {self.value:g}"
