"""How the parts of the portal are, and since when: for `health`, for staff, for alerts."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


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
