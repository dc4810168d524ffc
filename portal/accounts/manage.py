"""Sign people out everywhere, and disable and enable them.

Staff do this to people; everybody can sign themselves out everywhere, too. Erasing people is in
`portal.privacy.erase`.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.models import SignIn, User
from sessions import lifecycle
from sessions.errors import StateConflict
from sessions.gateway import tickets
from sessions.models import Project, Session


def sign_out(user: User) -> None:
    """End all sign-ins of this person and their browsers' open connections. Tokens stay valid."""
    with transaction.atomic():
        user.signed_out = timezone.now()  # invalidates the hash in all sessions, see the model
        user.save(update_fields=["signed_out"])
        SignIn.objects.filter(user=user).delete()  # so no provider is asked again
        tickets.revoke_user(user)


def disable(user: User, by: User, *, stop: bool = False) -> int:
    """End the person's access; return how many of their notebooks are being stopped.

    Notebooks stop only if ``stop`` is set.
    """
    with transaction.atomic():
        user.is_active = False
        user.save(update_fields=["is_active"])
        sign_out(user)
    return sum(_stop(project, by) for project in live_projects(user)) if stop else 0


def enable(user: User) -> None:
    """Let the person in again; they have to sign in anew."""
    user.is_active = True
    user.save(update_fields=["is_active"])


def revoke_access(user: User) -> None:
    """End the person's access for good: no password, no rights, no tokens. May be repeated."""
    with transaction.atomic():
        user.set_unusable_password()
        user.is_active = user.is_staff = user.is_superuser = False
        user.save(update_fields=["password", "is_active", "is_staff", "is_superuser"])
        user.tokens.all().delete()
        sign_out(user)


def live_projects(user: User) -> list[Project]:
    """Return the person's projects whose notebook is starting, running or stopping."""
    live = Session.objects.live().filter(project__owner=user)
    mine = Project.objects.existing().filter(current__in=live)
    return list(mine.select_related("owner", "current__build"))


def _stop(project: Project, by: User) -> bool:
    try:
        lifecycle.stop(project, by)
    except StateConflict:  # it ended in the meantime
        return False
    return True
