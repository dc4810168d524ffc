"""Give notebooks their person's SSH key: at the start, and again whenever it is replaced."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from keys import keypairs
from keys.keypairs import SshIdentity, identity_of
from keys.models import KeyPair
from keys.sealing import UnsealError
from portal.models import User
from sessions.backends import get_backend
from sessions.errors import UserError
from sessions.lifecycle import files
from sessions.lifecycle.queue import enqueue
from sessions.models import Project, Session
from sessions.providers import is_private

_RENEWAL_WINDOW = timedelta(hours=1)


def replace_key_pair(user: User) -> KeyPair:
    """Create a key pair for the person, in place of the one they have, if any.

    Their running notebooks get the new key soon after.
    """
    with transaction.atomic():
        pair = keypairs.rotate(user)
        enqueue("renew_identity", user.pk)
    return pair


def renew(user_id: int, current: SshIdentity | None = None) -> None:
    """Give the person's running notebooks the current key.

    ``current`` is the key that they have already. The function looks again until there is no newer
    key: if two run at once, the last one to write has the latest key.
    """
    user = User.objects.filter(pk=user_id, key_pair__isnull=False).first()
    while user and (now := identity_for(user)).public != (current.public if current else ""):
        get_backend().renew_identity(files.volume_of(user), now)
        current = now


def identity_for(user: User) -> SshIdentity:
    """Return the identity that the person's notebooks get.

    Raises `UserError` if the key is unreadable.
    """
    try:
        return identity_of(user)
    except UnsealError:
        message = _(
            "Your SSH key can no longer be read, because the portal's own key has changed. "
            "Replace it on your account page and start again, or tell the staff."
        )
        raise UserError("ssh-key.unreadable", message) from None


def fetch_identity(project: Project, url: str = "") -> SshIdentity | None:
    """Return the identity that opens the project's repository, or None if it is public.

    ``url`` is its content's, if that is meant. Raises `UserError` as `identity_for`.
    """
    return identity_for(project.owner) if is_private(url or project.url) else None


def users_with_stale_keys() -> Iterable[int]:
    """Return the people with running notebooks that are older than their key.

    Only keys made within the last hour count. The task that gives them to notebooks may have been
    lost.
    """
    made = KeyPair.objects.filter(created__gt=timezone.now() - _RENEWAL_WINDOW)
    behind = Session.objects.live().filter(
        project__owner__key_pair__in=made, created__lt=F("project__owner__key_pair__created")
    )
    return behind.values_list("project__owner", flat=True).distinct().order_by("project__owner")
