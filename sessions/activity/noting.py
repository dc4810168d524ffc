"""Writing down what notebooks have answered, in a few queries however many they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Case, DateTimeField, Value, When

from sessions.activity.reading import Reading
from sessions.models import Project, Session
from sessions.models.session import SessionQuerySet
from sessions.states import SessionState


def note(readings: Mapping[int, Reading], now: datetime) -> None:
    """Store what the sessions with these numbers do; ``now`` is when they were asked.

    One that is no longer ready is left alone. Activity never moves backwards: what somebody has
    done meanwhile stands.
    """
    for busy in (False, True):
        some = [number for number, reading in readings.items() if reading.busy is busy]
        _ready(some).update(asked=now, busy=busy)
    _move(_news(readings))


def _ready(numbers: Iterable[int]) -> SessionQuerySet:
    return Session.objects.filter(pk__in=numbers, state=SessionState.READY)


def _news(readings: Mapping[int, Reading]) -> dict[int, datetime]:
    """By project, the activity that is later than what is known."""
    moments = {number: each.active for number, each in readings.items() if each.active}
    known = _ready(moments).values_list("pk", "project_id", "project__last_activity")
    return {project: moments[pk] for pk, project, last in known if last < moments[pk]}


def _move(news: Mapping[int, datetime]) -> None:
    if not news:
        return
    whens = [When(pk=project, then=Value(moment)) for project, moment in news.items()]
    moment = Case(*whens, output_field=DateTimeField())
    # Compared once more as the row is locked, so that it cannot undo what came in between.
    earlier = Project.objects.filter(pk__in=news, last_activity__lt=moment)
    earlier.update(last_activity=moment, warned=None, goes=None)
