"""How much there is to hand out: what the back end said last. `reconcile` writes it."""

from __future__ import annotations

from django.db import models


class Capacity(models.Model):
    """One row: CPUs, memory in GB (10⁹ bytes) and GPUs of all machines together; none of it
    is known where the back end may not look."""

    at = models.DateTimeField()
    cpu = models.FloatField(null=True)
    memory_gb = models.FloatField(null=True)
    gpu = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.cpu} CPU, {self.memory_gb} GB, {self.gpu} GPU"
