"""Models of the portal's own operation: capacity, conditions, heartbeats, tallies, answers.

- `Capacity`: what the back end has to hand out; `sessions.capacity` writes it.
- `Condition`: how each part of the portal is, and since when: for health, staff and alerts.
- `Heartbeat`: signs of life of processes that nobody can ask directly.
- `Tally`: what has happened since the portal was installed, for metrics. It is counted in the
  database, because the counters of many processes that come and go add up to nothing.
- `Idempotency`: the answer to a POST request, so that one sent twice with the same key takes effect
  once. `sessions.api.idempotency` says what that means to a client.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Value, When
from django.utils import timezone

from portal.models import User


class Capacity(models.Model):
    """The capacity of the back end, in one row.

    CPUs, memory in GB (10⁹ bytes) and GPUs are of all machines together; ``disk_gb`` and
    ``disk_free_gb`` of where environments and people's files are kept; ``machines`` as in
    `sessions.backends.Capacity`. None stands for what the back end may not look at.
    """

    at = models.DateTimeField()
    cpu = models.FloatField(null=True)
    memory_gb = models.FloatField(null=True)
    gpu = models.PositiveIntegerField(null=True)
    disk_gb = models.FloatField(null=True)
    disk_free_gb = models.FloatField(null=True)
    machines = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.cpu} CPU, {self.memory_gb} GB, {self.gpu} GPU"


SIGN_IN_CONDITION = "sign-in"
"""The `Condition` of the identity providers, recorded by `portal.accounts.oidc.refresh`."""


class ConditionQuerySet(models.QuerySet["Condition"]):
    """Queries on conditions."""

    def record(self, part: str, problem: str) -> None:
        """Store that the part has this problem now, or none ("").

        ``since`` moves when the problem changes.
        """
        row, is_new = self.get_or_create(part=part, defaults={"problem": problem[:255]})
        if not is_new and row.problem != problem[:255]:
            same = self.filter(part=part, problem=row.problem)
            same.update(problem=problem[:255], since=timezone.now())


class Condition(models.Model):
    """The condition of one part of the portal.

    ``problem`` says in a few words for programs what is wrong; "" when the part works.
    """

    part = models.CharField(max_length=32, primary_key=True)
    problem = models.CharField(max_length=255, blank=True)
    since = models.DateTimeField(default=timezone.now)

    objects = ConditionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.part}: {self.problem or 'ok'}"


WATCH_TIMEOUT = timedelta(seconds=30)
"""Without a heartbeat for this long, watch counts as dead."""


class HeartbeatName(models.TextChoices):
    """The names of the processes and chores that give signs of life."""

    WATCH = "watch"
    LEADER = "leader"
    """The lease of the watch that leads (`sessions.watch.leader.Lease`)."""
    ACTIVITY = "activity"
    """Notebooks are probed for activity."""
    CULLING = "culling"
    """People can see when their projects will be deleted, and activity is recorded."""
    RETENTION = "retention"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    """Queries on signs of life."""

    def beat(self, name: str, *, within: timedelta) -> None:
        """Note that ``name`` is alive now.

        ``since`` stays, unless the last sign of life is older than ``within`` or lies in the
        future.
        """
        now = timezone.now()
        continues = When(at__gt=now - within, at__lte=now, then=F("since"))
        changes = {"at": now, "since": Case(continues, default=Value(now))}
        if not self.filter(name=name).update(**changes):
            self.get_or_create(name=name, defaults={"at": now, "since": now})

    def is_alive(self, name: str, *, within: timedelta) -> bool:
        """Return whether ``name`` was alive at most ``within`` ago.

        A sign of life from further ahead tells nothing: the clock was set back.
        """
        now = timezone.now()
        return self.filter(name=name, at__gt=now - within, at__lt=now + within).exists()

    def is_watched(self) -> bool:
        """Return whether some watch process is at work."""
        return self.is_alive(HeartbeatName.WATCH, within=WATCH_TIMEOUT)


class Heartbeat(models.Model):
    """The last sign of life of one process, chore or identity provider.

    ``since`` is when the last break ended. ``name`` is a `HeartbeatName`, or
    `sessions.culling.policy.heartbeat_name` an identity provider.
    """

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()
    since = models.DateTimeField(default=timezone.now)

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """The ``value`` of one metric for one set of labels; it only grows.

    The labels are text, such as ``state="ready"``.
    """

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


KEEP_TIME = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=1)
"""No request takes this long: one without an answer by then has crashed."""


class IdempotencyQuerySet(models.QuerySet["Idempotency"]):
    """Queries on stored answers."""

    def claim(self, user: User, key: str, request: str) -> tuple[Idempotency, bool]:
        """Return the row of this person's key, and whether the caller is to do the work now."""
        now = timezone.now()
        fresh = {"request": request, "status": None, "body": None, "created": now}
        row, is_new = self.get_or_create(user=user, key=key, defaults=fresh)
        abandoned = (
            row.status is None and row.request == request and row.created < now - ABANDONED_AFTER
        )
        if is_new or not (abandoned or row.created < now - KEEP_TIME):
            return row, is_new
        won = self.filter(pk=row.pk, created=row.created).update(**fresh)
        return self.get(pk=row.pk), bool(won)

    def store_response(self, row: Idempotency, status: int, body: Any) -> bool:
        """Store the answer; return False if somebody else has claimed the key meanwhile."""
        return bool(self._unanswered(row).update(status=status, body=body))

    def release(self, row: Idempotency) -> None:
        """Free the key again, without an answer."""
        self._unanswered(row).delete()

    def sweep(self) -> None:
        """Delete rows older than `KEEP_TIME`."""
        self.filter(created__lt=timezone.now() - KEEP_TIME).delete()

    def _unanswered(self, row: Idempotency) -> IdempotencyQuerySet:
        return self.filter(pk=row.pk, created=row.created, status=None)


class Idempotency(models.Model):
    """The answer to one request with an idempotency key.

    ``key`` is the client's (header ``Idempotency-Key``), ``request`` a digest of the request.
    ``status`` and ``body`` are the answer; while there is no status, the work is going on.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created = models.DateTimeField(default=timezone.now, db_index=True)

    objects = IdempotencyQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_for_a_key")]

    def __str__(self) -> str:
        return self.key
