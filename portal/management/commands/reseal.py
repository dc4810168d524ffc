"""``manage.py reseal``: encrypt everything sealed with the first of ``PORTAL_ENCRYPTION_KEYS``.

`portal.health.doctor.storage` lists the columns, `keys.sealing` encrypts.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from keys.sealing import ResealResult, SealedColumn, reseal
from portal.health.doctor.storage import SEALED_COLUMNS


class Command(BaseCommand):
    """The command ``reseal``."""

    help = (
        "Re-encrypt all stored secrets with the first of PORTAL_ENCRYPTION_KEYS. The "
        "portal can keep running, and the command can be repeated."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        results = {column: reseal(column) for column in SEALED_COLUMNS}
        for column, result in results.items():
            self.stdout.write(_summary(column, result))
        lost = {
            column: result.unreadable for column, result in results.items() if result.unreadable
        }
        if lost:
            raise CommandError(
                "\n".join(_unreadable_message(column, owners) for column, owners in lost.items())
            )
        self.stdout.write(
            _("Everything is encrypted with the first key; the others are no longer needed.")
        )


def _summary(column: SealedColumn, result: ResealResult) -> str:
    text = _("%(what)s: %(moved)d re-encrypted with the first key, %(there)d already were")
    return text % {
        "what": _name(column),
        "moved": result.resealed,
        "there": result.already_current,
    }


def _unreadable_message(column: SealedColumn, owners: Counter[str]) -> str:
    text = _(
        "%(what)s: %(count)d cannot be decrypted with any of PORTAL_ENCRYPTION_KEYS and "
        "are left as they are. They belong to %(people)s. Add the key that they were "
        "encrypted with, if you still have it."
    )
    people = ", ".join(sorted(owners))
    return text % {"what": _name(column), "count": owners.total(), "people": people}


def _name(column: SealedColumn) -> str:
    return str(column.model._meta.verbose_name_plural)
