"""What watch has noted of the parts (`conditions`), in sentences: for staff and for operators."""

from __future__ import annotations

from django.utils.translation import gettext as _

from sessions.backends import Problem
from sessions.conditions import BACKEND


def in_words(part: str, problem: str) -> Problem:
    """What watch has noted of a part, as a sentence with what to do about it."""
    sentences = {
        "worker": (
            _("No worker takes tasks: launches are accepted and do not go on."),
            _("Look at the worker's log, and start it again."),
        ),
        "activity": (
            _("Notebooks are not asked what they do: none counts as idle while that lasts."),
            _("watch does it; its log says why it cannot."),
        ),
        "disk": (
            _("The disk is nearly full: new builds wait until there is room."),
            _("Make room, or let the portal keep less (docs/configure.md, “What is kept”)."),
        ),
        "images": (
            _("Environments that nobody uses any more stay in the registry: it removes none."),
            _("docs/kubernetes.md says what the portal's account needs there."),
        ),
        "leftovers": (
            _("Most of the folders, notebooks and environments are unknown to the database."),
            _(
                "Nothing unknown is removed. Is DATABASE_URL right, or was an older database put "
                "back? Restore the backup that belongs to this data (docs/back-up.md)."
            ),
        ),
        "channel": (
            _("Redis does not answer: logs and states on pages come seconds later than usual."),
            _("Look at the server that REDIS_URL names."),
        ),
        "mail": (
            _("The mail server takes no letters: they wait, and are tried for a day."),
            _("Look at PORTAL_EMAIL_URL; `manage.py doctor` tries it."),
        ),
        "stops": (
            _("Notebooks that were stopped do not end, not even by force."),
            _("The machines they run on hang or do not answer: look at them, or restart them."),
        ),
        BACKEND: (
            _("The back end does not do its work (%(problem)s): launches wait.")
            % {"problem": problem},
            _("`manage.py doctor` says what is wrong with it."),
        ),
    }
    other = _("Something is wrong with %(part)s: %(problem)s.") % {"part": part, "problem": problem}
    message, hint = sentences.get(part, (other, _("The portal's log says more.")))
    return Problem(f"portal.{part}", message, hint)
