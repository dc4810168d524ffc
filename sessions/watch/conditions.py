"""Track the condition of each part of the portal, and describe it to staff and operators.

`loop` looks every few beats, and `reconcile` whenever it has asked the back end. The findings are
stored in rows, so that neither a page nor ``/health`` waits for anything. Whether watch itself is
alive and the database answers, `portal.health.checks` has to find out. `describe_problem` turns the
findings into sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from portal.mail import outbox
from portal.models import SignIn
from sessions import capacity
from sessions.backends import Problem, get_backend
from sessions.clock import SteadyClock
from sessions.culling.policy import WARNING_PERIOD
from sessions.errors import TemporaryError
from sessions.installation.known import OwnershipStatus
from sessions.lifecycle import queue
from sessions.models import Condition, Heartbeat, HeartbeatName, Project
from sessions.models.operations import SIGN_IN_CONDITION
from sessions.progress import notify

PAUSE = 15.0
"""Seconds between checks."""
BACKEND = "backend"
GROUPS = "groups"
MAX_FAILED_ROUNDS = 4
"""Rounds of probing notebooks that may fail before that counts as a problem."""

# Texts for programs and operators: short, in English, and without anything confidential.
WORKER_STALLED = "tasks wait for too long"
NOT_PROBED = "notebooks have not been asked what they do"
DISK_NEARLY_FULL = "little room is left"
MAIL_AWAY = "the mail server does not take letters"
MAIL_REFUSED = outbox.SERVER_REFUSED
LETTERS_UNSENT = "deletions are put off: letters about them could not be sent"


def record_all() -> None:
    """Note the condition of each part that this portal has, and forget parts it no longer has."""
    optional = {
        "channel": (bool(settings.REDIS_URL), _channel),
        "mail": (outbox.is_mail_enabled(), _mail),
        "deletions": (outbox.is_mail_enabled(), _deletions),
        GROUPS: (bool(settings.OIDC_PROVIDERS), _groups),
    }
    there = {part: ask for part, (is_set, ask) in optional.items() if is_set}
    gone = optional.keys() - there.keys() | (
        set() if settings.OIDC_PROVIDERS else {SIGN_IN_CONDITION}
    )
    Condition.objects.filter(part__in=gone).delete()
    always: dict[str, Callable[[], str]] = {
        "worker": worker_problem,
        "activity": _activity,
        "disk": _disk,
    }
    for part, ask in (always | there).items():
        Condition.objects.record(part, ask())


@contextmanager
def record_backend_condition(clock: SteadyClock) -> Iterator[None]:
    """Note whether the back end answers, and its problems if it does.

    While it does not, time does not count.
    """
    backend = get_backend()
    try:
        yield
        found = [*backend.problems(), *backend.check_access()]
    except TemporaryError as error:
        clock.note_look(saw=False)
        Condition.objects.record(BACKEND, error.code)
        raise
    clock.note_look(saw=True)
    Condition.objects.record(BACKEND, ", ".join(dict.fromkeys(each.id for each in found)))


def worker_problem() -> str:
    """Return the problem of the task queue, or ""."""
    return WORKER_STALLED if queue.is_stalled() else ""


def _activity() -> str:
    """Check the thread that probes notebooks; while it fails, no notebook counts as idle."""
    period = timedelta(seconds=MAX_FAILED_ROUNDS * settings.PORTAL_ACTIVITY_SECONDS)
    begun = Heartbeat.objects.filter(
        name=HeartbeatName.WATCH, since__lt=timezone.now() - period
    ).exists()
    return (
        NOT_PROBED
        if begun and not Heartbeat.objects.is_alive(HeartbeatName.ACTIVITY, within=period)
        else ""
    )


def _disk() -> str:
    return DISK_NEARLY_FULL if capacity.is_disk_nearly_full() else ""


def _channel() -> str:
    return notify.problem()


def _mail() -> str:
    met = outbox.server_problem()
    return MAIL_AWAY if met == outbox.SERVER_UNAVAILABLE else met


def _deletions() -> str:
    """Return the problem if a deletion that is due waits for its letter."""
    due = Project.objects.awaiting_letter().filter(warned__lte=timezone.now() - WARNING_PERIOD)
    return LETTERS_UNSENT if due.exists() else ""


def _groups() -> str:
    """Return why providers do not say which groups some people are in, "" if they do."""
    missing = SignIn.objects.exclude(groups_missing="").values_list("groups_missing", flat=True)
    return ", ".join(sorted(set(missing)))


_SENTENCES = {
    "worker": (
        gettext_noop("No worker is taking tasks: launches are accepted but make no progress."),
        gettext_noop("Check the worker's log, and restart it."),
    ),
    "activity": (
        gettext_noop(
            "Notebooks are not being probed for activity: until they are, none counts as idle."
        ),
        gettext_noop("That is the job of watch; its log says why it fails."),
    ),
    "disk": (
        gettext_noop("The disk is nearly full: new builds wait until there is room."),
        gettext_noop(
            "Free some space, or let the portal keep less (docs/configure.md, “What is kept”)."
        ),
    ),
    "images": (
        gettext_noop(
            "Unused environments stay in the registry, because it does not let the portal "
            "delete them."
        ),
        gettext_noop("docs/kubernetes.md lists the rights that the portal's account needs."),
    ),
    "leftovers": (
        gettext_noop("Many folders, notebooks or environments are unknown to the database."),
        gettext_noop(
            "Nothing unknown is stopped or set aside. Is DATABASE_URL correct? If an older "
            "database was restored, restore the backup that belongs to this data "
            "(docs/back-up.md)."
        ),
    ),
    "deletions": (
        gettext_noop(
            "Unused projects are not deleted, because the mails that warn their owners could "
            "not be sent."
        ),
        gettext_noop(
            "“Letters” in the admin says why. Each project is deleted a day after its owner "
            "was warned."
        ),
    ),
    SIGN_IN_CONDITION: (
        gettext_noop(
            "An identity provider does not answer (%(problem)s), so people cannot sign in with it."
        ),
        gettext_noop(
            "Their projects are not deleted in the meantime. `manage.py doctor` says what is wrong."
        ),
    ),
    GROUPS: (
        gettext_noop(
            "An identity provider does not say which groups some people are in (%(problem)s): "
            "they keep the groups and roles that were known."
        ),
        gettext_noop(
            "`manage.py doctor` names the people; docs/sign-in.md (“Groups that are not sent”) "
            "says how to have them sent or fetched."
        ),
    ),
    "stops": (
        gettext_noop("Some notebooks cannot be stopped, not even by force."),
        gettext_noop("The machines that they run on hang or do not answer. Check or restart them."),
    ),
    BACKEND: (
        gettext_noop("The back end does not work (%(problem)s), so launches wait."),
        gettext_noop("`manage.py doctor` says what is wrong with it."),
    ),
}
"""Sentences for staff by part: the fault and its remedy; `_VARYING` has the other parts."""
_OTHER = (
    gettext_noop("Something is wrong with %(part)s: %(problem)s."),
    gettext_noop("The portal's log says more."),
)


def _of_installation(problem: str) -> tuple[str, str]:
    message = {
        OwnershipStatus.FOREIGN: _("The data belong to a different database from the one in use."),
        OwnershipStatus.UNDECIDED: _(
            "The data contain projects or volumes that the database does not know."
        ),
        OwnershipStatus.OLDER: _(
            "The database is older than the data: more has run than it knows about."
        ),
        OwnershipStatus.UNREADABLE: _("The portal may not read who owns its namespace."),
    }.get(
        OwnershipStatus(problem) if problem in set(OwnershipStatus) else OwnershipStatus.MATCHES,
        problem,
    )
    if problem == OwnershipStatus.UNREADABLE:
        hint = _(
            "Nothing unknown is removed in the meantime. Run “helm upgrade” again, or apply "
            "deploy/kubernetes/rbac.yaml."
        )
        return message, hint
    hint = _(
        "Nothing is removed or started; running notebooks continue. If DATABASE_URL, PORTAL_DATA "
        "or PORTAL_NAMESPACE is wrong, correct it and restart. Otherwise `manage.py adopt` shows "
        "both sides and links them (docs/troubleshoot.md)."
    )
    return message, hint


def _of_redis(problem: str) -> tuple[str, str]:
    if problem == notify.REFUSED:
        return (
            _("Redis refuses the portal: logs and states reach pages later than usual."),
            _("Check the password in REDIS_URL, and the rights and memory that Redis has."),
        )
    return (
        _("Redis does not answer: logs and states reach pages later than usual."),
        _("Check the server that REDIS_URL names."),
    )


def _of_mail(problem: str) -> tuple[str, str]:
    hint = _("Check PORTAL_EMAIL_URL; `manage.py doctor` tests it.")
    if problem == MAIL_REFUSED:
        return _(
            "The mail server refuses the portal's login: messages wait until it accepts it."
        ), hint
    return _("The mail server does not accept mail: messages wait until it does."), hint


_VARYING = {"installation": _of_installation, "channel": _of_redis, "mail": _of_mail}


def describe_problem(part: str, problem: str) -> Problem:
    """Return the problem of a part as a sentence for staff, with what to do about it."""
    if part in _VARYING:
        message, hint = _VARYING[part](problem)
    else:
        sentences = [_(each) for each in _SENTENCES.get(part, _OTHER)]
        message, hint = (each % {"part": part, "problem": problem} for each in sentences)
    return Problem(f"portal.{part}", message, hint)
