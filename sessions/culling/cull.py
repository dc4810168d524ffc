"""Stop idle notebooks and delete projects that nobody uses.

`sessions.watch.loop` runs `cull` once a minute. It warns about unused projects, clears the warning
of those that were used again, and deletes those that were announced a full day ago. `policy` has
the rule, `warn` tells people.

Nothing is deleted unless the portal could observe it all the time (`policy`) and its owner was
told (`warn`). Each step is one conditional UPDATE, so it may run twice at once, and either Keep or
the deletion wins.

Idle notebooks are stopped long before their project is deleted, but only if the operator wants it
(``PORTAL_STOP_IDLE_HOURS``). The project stays, and starts again with a click.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import ngettext

from portal.lib.db import retry_after_deadlock
from portal.models import User
from quotas.limits import effective_of_many, lowest_limit
from sessions.clock import MAX_DRIFT
from sessions.installation import ownership
from sessions.lifecycle import ending
from sessions.models import Project, Removal, RemovalKind, Session
from sessions.models.project import ProjectQuerySet
from sessions.states import SessionState

from . import warn
from .policy import (
    WARNING_PERIOD,
    JumpDetector,
    answer_window,
    continuous_since,
    idle_period,
    providers_available_since,
)

IDLE_LIMIT = "idle_days"
USER_BATCH_SIZE = 500
MAX_DELETIONS = 100
"""The rest follow a minute later: `sessions.watch` has other things to do."""

_clock = JumpDetector()


def cull(clock: JumpDetector = _clock) -> None:
    """Do everything that is due now.

    Do nothing while notebooks cannot be observed, or while they do not belong to this database.
    """
    since = continuous_since(clock)
    if since is None or ownership.recorded() not in ownership.USABLE:
        return
    now = timezone.now()
    _clamp_future_activity(now)
    ending.delete_for_good_due(since, providers_available_since(since), now)
    stop_idle(since, now)
    deletions, letters = MAX_DELETIONS, warn.MAX_LETTERS
    for people in _people(now):
        groups = _groups(people, since)
        for days, there_since, owners in groups:
            mine = Project.objects.existing().filter(owner__in=owners)
            _clear_warnings(mine, days, now)
            if there_since:
                warn.postpone(mine, now)
                deletions -= _delete_due(mine, days, there_since, now, deletions)
        if letters > 0:
            letters -= warn.warn(people, groups, now)


def _clamp_future_activity(now: datetime) -> None:
    """Reset activity in the future to now: it was noted while the clock was wrong."""
    ahead = Project.objects.existing().filter(last_activity__gt=now + MAX_DRIFT)
    ahead.update(last_activity=now)


def _people(now: datetime) -> Iterator[list[User]]:
    """Yield, in slices, the people with a project that may be due or was announced."""
    quiet = idle_period(int(lowest_limit(IDLE_LIMIT)))
    due = Q(last_activity__lte=now - quiet) if quiet else Q()
    rows = Project.objects.existing().filter(due | Q(goes__isnull=False)).order_by()
    owners = sorted(rows.values_list("owner", flat=True).distinct())
    for begin in range(0, len(owners), USER_BATCH_SIZE):
        yield list(User.objects.filter(pk__in=owners[begin : begin + USER_BATCH_SIZE]))


def _groups(people: Collection[User], since: datetime) -> list[warn.IdleGroup]:
    """Group these people by their days of inactivity, and by since when they can sign in."""
    by_provider = providers_available_since(since)
    limits = effective_of_many(people, [IDLE_LIMIT])
    found: dict[tuple[int, datetime | None], list[int]] = defaultdict(list)
    for person in people:
        there_since = by_provider.get(person.issuer, since) if person.issuer else since
        found[int(limits[person.pk][IDLE_LIMIT].value), there_since].append(person.pk)
    return [warn.IdleGroup(days, moment, owners) for (days, moment), owners in found.items()]


def _clear_warnings(mine: ProjectQuerySet, days: int, now: datetime) -> None:
    """Clear the warning of projects that were used since, or that may now stay longer."""
    quiet = idle_period(days)
    stay = mine.expiring()
    if quiet is not None:
        stay = stay.filter(last_activity__gt=now - quiet)
    stay.update(warned=None, goes=None)


def _delete_due(
    mine: ProjectQuerySet, days: int, since: datetime, now: datetime, limit: int
) -> int:
    """Delete at most ``limit`` projects that are due; return how many there were."""
    announced = Q(goes__lte=now, warned__gte=since, warned__lte=now - WARNING_PERIOD)
    rows = mine.expiring().filter(announced, _known_to_be_idle()).select_related("current")
    rows = rows.exclude(pk__in=mine.awaiting_letter().order_by().values("pk"))
    due = list(rows[:limit])
    for project in due:
        delete_unused(project, days)
    return len(due)


def _known_to_be_idle() -> Q:
    """Match projects without a notebook, or whose notebook has answered lately.

    A notebook that does not say what it does is not therefore idle.
    """
    over = Q(current=None) | Q(current__state__in=[SessionState.STOPPED, SessionState.FAILED])
    return over | Q(current__state=SessionState.READY, current__asked__range=answer_window())


@retry_after_deadlock
def delete_unused(project: Project, days: int) -> None:
    """Delete the project, unless somebody has done something with it since it was read."""
    unchanged = Project.objects.filter(
        last_activity=project.last_activity,
        warned=project.warned,
        goes=project.goes,
        current=project.current_id,
    )
    why = ngettext(
        "Deleted after %(days)d day without use; its owner was notified a day before.",
        "Deleted after %(days)d days without use; its owner was notified a day before.",
        days,
    ) % {"days": days}
    with transaction.atomic():
        keep = timedelta(days=settings.PORTAL_UNDO_UNUSED_DAYS)
        if ending.remove(project, unchanged, ending.PORTAL_ACTOR, why, keep):
            Removal.objects.create(kind=RemovalKind.PROJECT, name=project.name, why=why)
            ending.record_stop_reason(project, why)


MAX_STOPS = 100


def stop_idle(since: datetime, now: datetime) -> None:
    """Stop notebooks that have been idle for too long, if the portal watched all that time.

    ``since`` is when the last break ended.
    """
    hours = settings.PORTAL_STOP_IDLE_HOURS
    long_ago = now - timedelta(hours=hours)
    if not hours or since > long_ago:
        return
    running = Session.objects.filter(state=SessionState.READY, asked__range=answer_window())
    unused = running.filter(ready__lte=long_ago, project__last_activity__lte=long_ago)
    for session in unused.select_related("project")[:MAX_STOPS]:
        _stop(session.project, hours)


@retry_after_deadlock
def _stop(project: Project, hours: int) -> None:
    """Stop the notebook, unless somebody has done something with its project since it was read."""
    why = ngettext(
        "Stopped after %(hours)d hour without use. You still have the project: start it again at "
        "any time.",
        "Stopped after %(hours)d hours without use. You still have the project: start it again at "
        "any time.",
        hours,
    ) % {"hours": hours}
    unchanged = Project.objects.filter(last_activity=project.last_activity)
    with transaction.atomic():
        if ending.end(project, ending.PORTAL_ACTOR, why, unchanged):
            ending.record_stop_reason(project, why)
