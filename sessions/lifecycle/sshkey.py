"""A person's SSH key in their notebooks: given at the start, and renewed while they run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from keys import keypairs
from keys.keypairs import Identity, identity_of
from keys.models import KeyPair
from keys.sealing import CannotOpen
from portal.models import User
from sessions.backends import get_backend
from sessions.errors import UserError
from sessions.lifecycle import files
from sessions.lifecycle.queue import enqueue
from sessions.models import Session

_LOST_FOR = timedelta(hours=1)


def replace(user: User) -> KeyPair:
    """A new key pair in place of the person's, the first one where there is none; their running
    notebooks have it soon after."""
    with transaction.atomic():
        pair = keypairs.rotate(user)
        enqueue("renew_identity", user.pk)
    return pair


def renew(user_id: int, given: Identity | None = None) -> None:
    """Have the person's running notebooks use the key that is theirs now.

    ``given`` is what they have already. A key that is replaced meanwhile is looked for until
    there is no newer one: of two who do this at once, the last to write has the last key.
    """
    user = User.objects.filter(pk=user_id, key_pair__isnull=False).first()
    while user and (now := of(user)).public != (given.public if given else ""):
        get_backend().renew_identity(files.of(user), now)
        given = now


def of(user: User) -> Identity:
    """What the person's notebooks are given. Raises `UserError` where the key is unreadable."""
    try:
        return identity_of(user)
    except CannotOpen:
        message = _(
            "Your SSH key cannot be read any more, because the portal's own key has changed. "
            "Replace it on your account page and start again, or tell the staff."
        )
        raise UserError("ssh-key.unreadable", message) from None


def overtaken() -> Iterable[int]:
    """People with notebooks that started before their key was made, not long ago: the task that
    renews it may have been lost."""
    made = KeyPair.objects.filter(created__gt=timezone.now() - _LOST_FOR)
    behind = Session.objects.live().filter(
        project__owner__key_pair__in=made, created__lt=F("project__owner__key_pair__created")
    )
    return behind.values_list("project__owner", flat=True).distinct().order_by("project__owner")
