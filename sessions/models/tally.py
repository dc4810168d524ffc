"""What has happened since the portal was installed, counted: for metrics.

Counted in the database, because the counts of many processes that come and go add up to nothing.
"""

from __future__ import annotations

from django.db import models


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
