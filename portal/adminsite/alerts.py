"""Tell staff in sentences what is wrong with the portal; `portal.health.checks` tells programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.models import Letter
from sessions.backends import Problem, get_backend
from sessions.models import Capacity, Condition, Heartbeat, Project, Sign
from sessions.watch import conditions
from sessions.watch.conditions import in_words

OLD = timedelta(minutes=10)


@dataclass(frozen=True)
class Trouble(Problem):
    """One problem; ``since`` is None if nobody has recorded when it began."""

    since: datetime | None = None


def troubles(there_is: Capacity | None) -> list[Trouble]:
    """Return everything staff should know, in five queries.

    ``there_is`` is the capacity that was last read.
    """
    noted = list(Condition.objects.exclude(problem=""))
    of_parts = [*_of_backend(noted), *_of_watch(), *_noted(noted)]
    return [*of_parts, *_old(there_is), *_letters(), *_undecided()]


def _of_backend(noted: Iterable[Condition]) -> Iterator[Trouble]:
    """Prefer this process's own view: it has better words than what watch has noted."""
    since = {row.part: row.since for row in noted}.get(conditions.BACKEND)
    for problem in get_backend().problems():
        yield Trouble(problem.id, problem.message, problem.hint, since)


def _of_watch() -> Iterator[Trouble]:
    if not Heartbeat.objects.is_watched():
        last = Heartbeat.objects.filter(name=Sign.WATCH).first()
        yield Trouble(
            "portal.watch",
            _("watch gives no sign of life: nobody sees what becomes of builds and notebooks."),
            _("Look at its log, and start it again. It goes on where it was."),
            last.at if last else None,
        )


def _noted(noted: Iterable[Condition]) -> Iterator[Trouble]:
    seen_here = bool(get_backend().problems())
    for row in noted:
        if row.part != conditions.BACKEND or not seen_here:
            said = in_words(row.part, row.problem)
            yield Trouble(said.id, said.message, said.hint, row.since)


def _old(there_is: Capacity | None) -> Iterator[Trouble]:
    if there_is and there_is.at < timezone.now() - OLD:
        yield Trouble(
            "portal.capacity",
            _("What there is was seen for the last time more than ten minutes ago."),
            _("watch asks the back end for it once a minute; its log says why it cannot."),
            there_is.at,
        )


def _letters() -> Iterator[Trouble]:
    if count := Letter.objects.failed().count():
        yield Trouble(
            "portal.mail.outbox",
            _("Letters could not be sent and are not tried again: %(count)d.") % {"count": count},
            _("“Letters” in the admin says why, and has them tried once more."),
        )


def _undecided() -> Iterator[Trouble]:
    if count := Project.objects.undecided().count():
        yield Trouble(
            "portal.undecided",
            _("Nobody could be told that projects are to be deleted: %(count)d.")
            % {"count": count},
            _(
                "Their owners’ letters have been refused for 14 days. “Projects” in the admin "
                "lists them under “deletion”: mend the address, keep or delete them."
            ),
        )
