"""Signs of life of processes that nobody can ask directly."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def beat(self, name: str) -> None:
        """``name`` is alive now."""
        self.update_or_create(name=name, defaults={"at": timezone.now()})

    def is_alive(self, name: str, *, within: timedelta) -> bool:
        """Whether ``name`` was alive not longer than ``within`` ago."""
        return self.filter(name=name, at__gt=timezone.now() - within).exists()


class Heartbeat(models.Model):
    """One row a process kind, such as ``watch``."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
