"""How much there is to hand out: what the back end said last. `reconcile` writes it."""

from __future__ import annotations

from django.db import models


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
