"""What is told to rows that come out of a backup: their notebooks and builds are not there."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from sessions import journal
from sessions.lifecycle.failures import fail
from sessions.models import Build, Session
from sessions.states import BuildState, Phase, SessionState

CODE = "restore.ended"


def settle(made: datetime) -> int:
    """End every session and build that ran when the backup was made; how many sessions did."""
    live = list(Session.objects.live().select_related("project"))
    for session in live:
        _end(session, made)
    for pk in Build.objects.active().values_list("pk", flat=True):
        finished = timezone.now()
        Build.objects.advance(
            pk, BuildState.CANCELLED, by="restore", why=CODE, code=CODE, finished=finished
        )
    return len(live)


def _end(session: Session, made: datetime) -> None:
    ended, advance = timezone.now(), Session.objects.advance
    if advance(session.pk, SessionState.STOPPED, by="restore", why=CODE, ended=ended):
        journal.record(session, Phase.STOPPED, _("The notebook is stopped."))
        return
    text = _(
        "The portal was brought back from its backup of %(when)s, and the notebook that ran then "
        "is gone. Your files are as they were at that time. Start it again."
    )
    when = date_format(timezone.localtime(made), "DATETIME_FORMAT")
    fail(session, CODE, text % {"when": when}, by="restore")
