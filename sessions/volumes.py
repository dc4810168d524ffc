"""A person's volume: a stored fact, and not a consequence of what they are called.

`User.volume` names it: the folder ``homes/<volume>`` on one machine, the claim
``<volume>-nfs-pvc`` in a cluster. Notebooks show it under the name that its person has now, and
under those that they had (`former`).
"""

from __future__ import annotations

from django.db import IntegrityError, transaction

from portal.models import Erasure, UsedName, User
from sessions.names import owner_slug


def of(person: User) -> str:
    """Return the name of the person's volume, given to them now if they have none yet."""
    if not person.volume:
        known = User.objects.filter(pk=person.pk).values_list("volume", flat=True).first()
        person.volume = known or _given(person)
    return person.volume


def former(person: User) -> tuple[str, ...]:
    """Return the labels by which the person's volume was known under names that they had."""
    labels = [owner_slug(name) for name in UsedName.objects.former(person)]
    return tuple(label for label in labels if label != owner_slug(person.username))


def _given(person: User) -> str:
    """Name the volume by the name that its person had first, as older code did without storing it;
    where another one is called so, by the number of their row, too."""
    plain = owner_slug(UsedName.objects.first_of(person))
    left = Erasure.objects.filter(volume=f"{plain}-nfs-pvc").exclude(person=person).exists()
    none_yet = User.objects.filter(pk=person.pk, volume="")
    for name in (*(() if left else (plain,)), owner_slug(f"{person.username} {person.pk}")):
        try:
            with transaction.atomic():
                none_yet.update(volume=name)  # or somebody else has given it just now
            break
        except IntegrityError:
            continue
    return User.objects.values_list("volume", flat=True).get(pk=person.pk)
