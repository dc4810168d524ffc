"""What staff do to people: sign them out everywhere, disable and enable them.

`portal.privacy.erase` is a matter of its own. Signing out everywhere is everybody's own to do, too.
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
    """End all sign-ins of this person, and what their browsers have open. Tokens stay good."""
    with transaction.atomic():
        user.signed_out = timezone.now()  # no session's hash fits any more, see the model
        user.save(update_fields=["signed_out"])
        SignIn.objects.filter(user=user).delete()  # nor is a provider asked about them any more
        tickets.revoke_user(user)


def disable(user: User, by: User, *, stop: bool = False) -> int:
    """Let this person in nowhere any more; say how many of their notebooks are being stopped."""
    with transaction.atomic():
        user.is_active = False
        user.save(update_fields=["is_active"])
        sign_out(user)
    return sum(_stop(project, by) for project in live_of(user)) if stop else 0


def enable(user: User) -> None:
    """Let them in again; they sign in anew."""
    user.is_active = True
    user.save(update_fields=["is_active"])


def lock_out(user: User) -> None:
    """For good: no password, no rights, no tokens. May be repeated."""
    with transaction.atomic():
        user.set_unusable_password()
        user.is_active = user.is_staff = user.is_superuser = False
        user.save(update_fields=["password", "is_active", "is_staff", "is_superuser"])
        user.tokens.all().delete()
        sign_out(user)


def live_of(user: User) -> list[Project]:
    """Their projects whose notebook is running, or on its way or out."""
    live = Session.objects.live().filter(project__owner=user)
    mine = Project.objects.existing().filter(current__in=live)
    return list(mine.select_related("owner", "current__build"))


def _stop(project: Project, by: User) -> bool:
    try:
        lifecycle.stop(project, by)
    except StateConflict:  # it ended meanwhile
        return False
    return True
