"""What watch has noted of the parts (`conditions`), in sentences: for staff and for operators."""

from __future__ import annotations

from django.utils.translation import gettext as _

from sessions.backends import Problem
from sessions.conditions import BACKEND, SIGN_IN
from sessions.installation.decision import Verdict


def _of_installation(problem: str) -> tuple[str, str]:
    message = {
        Verdict.FOREIGN: _("The data belong to another database than the one in use."),
        Verdict.UNDECIDED: _("The data have projects or volumes that the database does not know."),
        Verdict.OLDER: _("The database is older than the data: more has run than it knows of."),
        Verdict.UNREADABLE: _("The portal may not read to whom its namespace belongs."),
    }.get(Verdict(problem) if problem in set(Verdict) else Verdict.FITS, problem)
    if problem == Verdict.UNREADABLE:
        hint = _("Nothing unknown is removed meanwhile. Apply deploy/kubernetes/rbac.yaml.")
        return message, hint
    hint = _(
        "Nothing is removed or started; what runs goes on. If DATABASE_URL, PORTAL_DATA "
        "or PORTAL_NAMESPACE is wrong, put it right and restart. Otherwise `manage.py adopt` shows "
        "what there is, and brings them together (docs/troubleshoot.md)."
    )
    return message, hint


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
            _("Much of the folders, notebooks or environments is unknown to the database."),
            _(
                "Nothing unknown is ended or set aside. Is DATABASE_URL right, or was an older "
                "database put back? Restore the backup that belongs to this data (docs/back-up.md)."
            ),
        ),
        "installation": _of_installation(problem),
        "channel": (
            _("Redis does not answer: logs and states on pages come seconds later than usual."),
            _("Look at the server that REDIS_URL names."),
        ),
        "mail": (
            _("The mail server takes no letters: they wait until it does."),
            _("Look at PORTAL_EMAIL_URL; `manage.py doctor` tries it."),
        ),
        "deletions": (
            _("Projects that nobody uses stay: the letters about them could not be sent."),
            _("“Letters” in the admin says why. Each goes a day after its owner was told."),
        ),
        SIGN_IN: (
            _("An identity provider does not answer (%(problem)s): its people cannot sign in.")
            % {"problem": problem},
            _("Nothing of theirs is deleted meanwhile. `manage.py doctor` says what is wrong."),
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
