"""Stop idle notebooks and delete projects that nobody uses.

Once a minute: warn about projects that nobody uses, let those go that were used again, and
delete what was announced a full day ago. `watch` runs it; `lifetimes` has the rule.

Nothing is deleted that the portal could not see all the time, or of which nobody was told
(`unbroken`, `warn`). Each step is one conditional UPDATE, so it may run twice at once, and of
Keep and deletion one wins.

Stopping notebooks that nobody uses, long before their project goes: only where the operator
wants it (``PORTAL_STOP_IDLE_HOURS``). The project stays, and starts again with a click.
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

from portal.models import User
from quotas.limits import effective_of_many, least
from sessions.clock import TOLERATED
from sessions.installation import ownership
from sessions.lifecycle import ending
from sessions.models import Project, Removal, Removed, Session
from sessions.models.project import ProjectQuerySet
from sessions.states import SessionState

from . import warn
from .continuity import Clock, answered_by, providers_since, unbroken_since
from .policy import WARNING, patience

IDLE = "idle_days"
PEOPLE_AT_ONCE = 500
DELETED_AT_ONCE = 100
"""The rest goes a minute later: `watch` has other things to do."""

_clock = Clock()


def cull(clock: Clock = _clock) -> None:
    """Everything that is due now, or nothing while notebooks cannot be seen, or are not those of
    this database."""
    since = unbroken_since(clock)
    if since is None or ownership.noted() not in ownership.USABLE:
        return
    now = timezone.now()
    _set_right(now)
    ending.let_go_due(since, providers_since(since), now)
    stop(since, now)
    deletions, letters = DELETED_AT_ONCE, warn.LETTERS_AT_ONCE
    for people in _people(now):
        groups = _groups(people, since)
        for days, there_since, owners in groups:
            mine = Project.objects.existing().filter(owner__in=owners)
            _let_stay(mine, days, now)
            if there_since:
                warn.put_off(mine, now)
                deletions -= _delete_due(mine, days, there_since, now, deletions)
        if letters > 0:
            letters -= warn.warn(people, groups, now)


def _set_right(now: datetime) -> None:
    """Use that lies ahead was noted by a clock that was wrong: it was now, at the latest."""
    ahead = Project.objects.existing().filter(last_activity__gt=now + TOLERATED)
    ahead.update(last_activity=now)


def _people(now: datetime) -> Iterator[list[User]]:
    """Whoever has a project that may be due or was announced, in slices."""
    quiet = patience(int(least(IDLE)))
    due = Q(last_activity__lte=now - quiet) if quiet else Q()
    rows = Project.objects.existing().filter(due | Q(goes__isnull=False)).order_by()
    owners = sorted(rows.values_list("owner", flat=True).distinct())
    for begin in range(0, len(owners), PEOPLE_AT_ONCE):
        yield list(User.objects.filter(pk__in=owners[begin : begin + PEOPLE_AT_ONCE]))


def _groups(people: Collection[User], since: datetime) -> list[warn.Group]:
    """These people by their days of inactivity, and by whether they can sign in."""
    by_provider = providers_since(since)
    limits = effective_of_many(people, [IDLE])
    found: dict[tuple[int, datetime | None], list[int]] = defaultdict(list)
    for person in people:
        there_since = by_provider.get(person.issuer, since) if person.issuer else since
        found[int(limits[person.pk][IDLE].value), there_since].append(person.pk)
    return [warn.Group(days, moment, owners) for (days, moment), owners in found.items()]


def _let_stay(mine: ProjectQuerySet, days: int, now: datetime) -> None:
    """Those that were used meanwhile, or whose owner may leave them for longer."""
    quiet = patience(days)
    stay = mine.going()
    if quiet is not None:
        stay = stay.filter(last_activity__gt=now - quiet)
    stay.update(warned=None, goes=None)


def _delete_due(mine: ProjectQuerySet, days: int, since: datetime, now: datetime, most: int) -> int:
    """Delete at most so many, and say how many there were."""
    told = Q(goes__lte=now, warned__gte=since, warned__lte=now - WARNING)
    rows = mine.going().filter(told, _known_to_be_idle()).select_related("current")
    rows = rows.exclude(pk__in=mine.untold().order_by().values("pk"))
    due = list(rows[:most])
    for project in due:
        delete(project, days)
    return len(due)


def _known_to_be_idle() -> Q:
    """A notebook that does not say what it does is not therefore idle."""
    over = Q(current=None) | Q(current__state__in=[SessionState.STOPPED, SessionState.FAILED])
    return over | Q(current__state=SessionState.READY, current__asked__range=answered_by())


def delete(project: Project, days: int) -> None:
    """Unless somebody has done something with it since it was looked at."""
    unchanged = Project.objects.filter(
        last_activity=project.last_activity,
        warned=project.warned,
        goes=project.goes,
        current=project.current_id,
    )
    why = ngettext(
        "Deleted after %(days)d day without use; its owner was told a day before.",
        "Deleted after %(days)d days without use; its owner was told a day before.",
        days,
    ) % {"days": days}
    with transaction.atomic():
        keep = timedelta(days=settings.PORTAL_UNDO_UNUSED_DAYS)
        if ending.remove(project, unchanged, ending.PORTAL, why, keep):
            Removal.objects.create(kind=Removed.PROJECT, name=project.name, why=why)
            ending.tell(project, why)


STOPPED_AT_ONCE = 100


def stop(since: datetime, now: datetime) -> None:
    """End those that have been idle for so long, all of it while the portal looked: ``since``
    then there was no break."""
    hours = settings.PORTAL_STOP_IDLE_HOURS
    long_ago = now - timedelta(hours=hours)
    if not hours or since > long_ago:
        return
    running = Session.objects.filter(state=SessionState.READY, asked__range=answered_by())
    unused = running.filter(ready__lte=long_ago, project__last_activity__lte=long_ago)
    for session in unused.select_related("project")[:STOPPED_AT_ONCE]:
        _stop(session.project, hours)


def _stop(project: Project, hours: int) -> None:
    """Unless somebody has done something with it since it was looked at."""
    why = ngettext(
        "Stopped after %(hours)d hour without use. The project stays: start it again at any time.",
        "Stopped after %(hours)d hours without use. The project stays: start it again at any time.",
        hours,
    ) % {"hours": hours}
    with transaction.atomic():
        unchanged = Project.objects.filter(pk=project.pk, last_activity=project.last_activity)
        if unchanged.select_for_update().first() and ending.end(project, ending.PORTAL, why):
            ending.tell(project, why)
